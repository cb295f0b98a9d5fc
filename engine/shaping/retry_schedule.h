#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <vector>

namespace sealift::engine {

// RetrySchedule says when a deferred row is due again: after its first attempt the first interval, then the second, the
// last one repeats (RFC 5321 4.5.4.1 asks for 30 minutes in general, and lets a sender know better). Jitter keeps rows
// that failed together from coming back together.
//
// Owned by:  a stream's options; immutable.
// Threads:   any.
// Time:      the caller passes `now` and the random number.
// Errors:    none.
class RetrySchedule {
 public:
  struct Options {
    std::vector<absl::Duration> intervals = {absl::Minutes(5), absl::Minutes(15), absl::Hours(1), absl::Hours(4)};
    double jitter = 0.1;  // part of the interval, either way; 0 to 1
  };

  RetrySchedule() : RetrySchedule(Options{}) {}
  explicit RetrySchedule(Options options);

  // When to try again after `attempts` attempts (at least 1). Never before `now`, never after `expires`: a row that is
  // due at its expiry is expired then, not tried.
  absl::Time Next(int attempts, absl::Time now, absl::Time expires, uint64_t random) const;

 private:
  Options options_;
};

}  // namespace sealift::engine
