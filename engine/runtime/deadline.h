#pragma once

#include <utility>

#include "absl/time/time.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/scope.h"
#include "engine/runtime/task.h"
#include "engine/runtime/timer.h"

namespace sealift::engine {

// Deadline is a scope that ends by itself when its time has come, or with its parent if that is earlier.
//
// Owned by:  the frame of WithDeadline.
// Threads:   the ring's.
// Time:      counted from the turn's Now; never early by the ring's clock.
class Deadline {
 public:
  Deadline(Ring& ring, Scope& parent, absl::Duration duration);

  Scope& scope() { return scope_; }

 private:
  void OnTimer() { scope_.Expire(); }

  Scope scope_;
  Timer timer_;
};

// Awaits `task` for at most `duration`. What waits beneath it when the time is over returns DeadlineExceeded; the task
// itself always runs to its end, and its result is the result. Zero and less: over before it starts.
template <typename T>
Task<T> WithDeadline(Ring& ring, absl::Duration duration, Task<T> task) {
  Scope& parent = co_await CurrentScope();
  Deadline deadline(ring, parent, duration);
  // Freed before the deadline's scope, in which it ran.
  Task<T> inner = std::move(task);
  co_return co_await std::move(inner).In(deadline.scope());
}

}  // namespace sealift::engine
