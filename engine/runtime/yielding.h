#pragma once

#include <coroutine>

#include "absl/status/status.h"
#include "engine/runtime/scope.h"

namespace sealift::engine {

class Ring;

// Yielding lets everything that is ready, and the kernel, go first.
//
// Owned by:  the awaiting frame. Made by Ring::Yield only.
// Threads:   the ring's.
class [[nodiscard]] Yielding final {
 public:
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> awaiter) {
    return Begin(awaiter.promise().scope(), awaiter);
  }
  absl::Status await_resume() const { return scope_->status(); }

 private:
  friend class Ring;
  explicit Yielding(Ring& ring) : ring_(ring) {}

  bool Begin(Scope& scope, std::coroutine_handle<> awaiter);

  Ring& ring_;
  Scope* scope_ = nullptr;
};

}  // namespace sealift::engine
