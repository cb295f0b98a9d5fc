#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace sealift::engine {

// Recurrence says when something is due that is done once a period.
//
// Threads:   one.
// Time:      the caller passes `now`; a clock that is set back puts nothing off for longer than a period.
class Recurrence {
 public:
  Recurrence(absl::Duration period, absl::Time first) : period_(period), next_(first) {}

  // True: it is to be done now, and is due again after a period.
  bool Due(absl::Time now) {
    next_ = std::min(next_, now + period_);
    if (now < next_) return false;
    next_ = now + period_;
    return true;
  }

 private:
  const absl::Duration period_;
  absl::Time next_;
};

}  // namespace sealift::engine
