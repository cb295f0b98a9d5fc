#pragma once

#include <coroutine>
#include <cstddef>

#include "absl/status/status.h"
#include "engine/runtime/scope.h"

namespace sealift::engine {

// Signal lets coroutines of one ring wait until another says that something changed. It remembers nothing: test the
// condition, wait, test it again.
//
// Owned by:  what holds the condition; nobody waits when it is destroyed (a CHECK).
// Threads:   the ring's; from other threads use an Inbox or a Doorbell.
// Errors:    Wait returns OK when notified, otherwise the status of the scope that ended it.
class Signal {
 public:
  class [[nodiscard]] Waiting final : private Scope::Waiter {
   public:
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiter) {
      return Begin(awaiter.promise().scope(), awaiter);
    }
    absl::Status await_resume() const { return ended_ ? scope_->status() : absl::OkStatus(); }

   private:
    friend class Signal;
    explicit Waiting(Signal& signal) : signal_(signal) {}
    bool Begin(Scope& scope, std::coroutine_handle<> awaiter);
    void OnEnd() override;

    Signal& signal_;
    Scope* scope_ = nullptr;
    std::coroutine_handle<> awaiter_;
    Waiting* previous_ = nullptr;
    Waiting* next_ = nullptr;
    bool ended_ = false;
  };

  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal();

  Waiting Wait() { return Waiting(*this); }
  void NotifyOne();  // the one that has waited longest
  void NotifyAll();
  size_t waiting() const { return waiting_; }

 private:
  void Remove(Waiting& waiting);

  Waiting* first_ = nullptr;
  Waiting* last_ = nullptr;
  size_t waiting_ = 0;
};

}  // namespace sealift::engine
