#pragma once

#include <sys/types.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/runtime/scope.h"

namespace sealift::engine {

class Ring;

// Operation is one request to the kernel, in the frame that awaits it: its address is the request's user data, so
// nothing is allocated and a completion finds its coroutine without a table.
//
// When its scope ends it asks the kernel to cancel, and still ends only with its own completion: the kernel may be
// using the buffer until then.
//
// Owned by:  the awaiting frame. Made by Ring's methods only.
// Threads:   the ring's.
class Operation : public Scope::Waiter {
 protected:
  struct Request {
    uint8_t opcode;
    int fd;
    const void* address = nullptr;
    uint32_t length = 0;
    uint64_t offset = 0;
    uint32_t flags = 0;
    uint16_t hints = 0;     // io_uring's own flags for this kind of request
    const char* verb = "";  // for the status
  };

  Operation(Ring& ring, const Request& request) : ring_(ring), request_(request) {}
  ~Operation() = default;

  // False: the scope has already ended, and nothing was started.
  bool Begin(Scope& scope, std::coroutine_handle<> awaiter);
  int result() const { return result_; }
  absl::Status Failure() const;  // for a negative result

 private:
  friend class Ring;
  void OnEnd() override;
  void OnCompletion(int result);

  Ring& ring_;
  const Request request_;
  Scope* scope_ = nullptr;
  std::coroutine_handle<> awaiter_;
  int result_ = 0;
  bool ended_ = false;  // its scope ended before it did
};

template <typename Result>
class [[nodiscard]] Io final : private Operation {
 public:
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> awaiter) {
    return Begin(awaiter.promise().scope(), awaiter);
  }
  absl::StatusOr<Result> await_resume() const {
    if (result() < 0) [[unlikely]]
      return Failure();
    return static_cast<Result>(result());
  }

 private:
  friend class Ring;
  using Operation::Operation;
};

template <>
class [[nodiscard]] Io<void> final : private Operation {
 public:
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> awaiter) {
    return Begin(awaiter.promise().scope(), awaiter);
  }
  absl::Status await_resume() const {
    if (result() < 0) [[unlikely]]
      return Failure();
    return absl::OkStatus();
  }

 private:
  friend class Ring;
  using Operation::Operation;
};

}  // namespace sealift::engine
