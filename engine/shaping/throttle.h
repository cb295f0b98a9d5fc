#pragma once

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>

namespace sealift::engine {

// Throttle spaces what leaves under one limit: a source, a site, a stream, a campaign.
//
// It is a generic cell rate algorithm (ITU-T I.371): a permit is free every `period`, and up to `burst` may be taken at
// once after an idle spell. Receivers judge senders by short peaks, so the burst is what the limit allows in 50 ms, at
// least 1. The period is rounded up so that burst and steady flow together stay within the limit in every half-open
// window of its length: burst + ceil(per / period) - 1 <= count.
//
// Owned by:  the table of limits; outlives every path that asks it.
// Threads:   any; one compare-and-swap, no lock.
// Time:      the caller passes `now`; a clock that steps back only delays, it never frees a permit twice.
// Errors:    none. Over the rate is an answer, not a failure.
class Throttle {
 public:
  // `count` permits in any window of `per`; a count of 0 is no limit.
  struct Options {
    int64_t count = 0;
    absl::Duration per = absl::Seconds(1);

    bool operator==(const Options&) const = default;
  };

  Throttle() : Throttle(Options{}) {}
  explicit Throttle(const Options& options);

  // Takes a permit and returns zero; or takes nothing and returns how long until one is free.
  absl::Duration Acquire(absl::Time now);

  // What Acquire would return, taking nothing.
  absl::Duration Peek(absl::Time now) const;

  // Gives back a permit that was taken and not used, so that a path can ask several limits and take from all or none.
  void Return();

  // Changes the limit; what was already taken still counts, the next free time stays.
  void Adopt(const Options& options);

  // No permit is free before then, and only one at once.
  void FreeFrom(absl::Time when);

  // Between permits at the steady rate; zero when there is no limit.
  absl::Duration period() const;
  // Permits free at once after an idle spell.
  int64_t burst() const;

 private:
  std::atomic<int64_t> period_ns_{0};
  std::atomic<int64_t> tolerance_ns_{0};  // (burst - 1) x period
  std::atomic<int64_t> next_ns_;          // when the bucket is full again: the theoretical arrival time
};

}  // namespace sealift::engine
