#pragma once

#include <coroutine>
#include <cstdint>

#include "absl/status/status.h"
#include "engine/runtime/scope.h"
#include "engine/runtime/timer.h"

namespace sealift::engine {

class Ring;

// Sleeping waits for a time of the ring's clock. `co_await ring.Sleep(d)` is the status of the scope if it ended first,
// otherwise OK.
//
// Owned by:  the awaiting frame. Made by Ring's methods only.
// Threads:   the ring's.
// Time:      never early, at most a tick late, plus what the rest of a turn takes.
class [[nodiscard]] Sleeping final : private Scope::Waiter {
 public:
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> awaiter) {
    return Begin(awaiter.promise().scope(), awaiter);
  }
  absl::Status await_resume() const { return ended_ ? scope_->status() : absl::OkStatus(); }

 private:
  friend class Ring;
  Sleeping(Ring& ring, int64_t deadline_nanos)
      : ring_(ring), deadline_nanos_(deadline_nanos), timer_(Timer::Calling<&Sleeping::OnTimer>(this)) {}

  bool Begin(Scope& scope, std::coroutine_handle<> awaiter);
  void OnTimer();
  void OnEnd() override;

  Ring& ring_;
  const int64_t deadline_nanos_;
  Timer timer_;
  Scope* scope_ = nullptr;
  std::coroutine_handle<> awaiter_;
  bool ended_ = false;
};

}  // namespace sealift::engine
