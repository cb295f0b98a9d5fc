#include "engine/runtime/deadline.h"

namespace sealift::engine {

Deadline::Deadline(Ring& ring, Scope& parent, absl::Duration duration)
    : scope_(ring, &parent), timer_(Timer::Calling<&Deadline::OnTimer>(this)) {
  if (duration <= absl::ZeroDuration()) {
    scope_.Expire();
  } else if (duration != absl::InfiniteDuration()) {
    ring.timers().Arm(timer_, ring.NanosAfter(duration));
  }
}

}  // namespace sealift::engine
