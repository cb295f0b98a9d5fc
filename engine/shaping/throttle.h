#pragma once

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>

namespace sealift::engine {

// Throttle spaces what leaves under one limit: a source, a site, a stream, a campaign.
//
// It is a generic cell rate algorithm (ITU-T I.371): a permit is free every `period`, and who comes late for one may
// take the next so much earlier, by 15 ms at most. Otherwise what a busy machine comes late would be lost of every
// period. Receivers judge senders by short peaks, so after an idle spell no more may be taken at once than that allows,
// at least 1. And they judge by what arrives: the period is such that a half-open window that is 20 ms longer than the
// limit's has no more than it either. Of a permit at t, the one that is `count` further comes at t + count x period -
// tolerance >= t + per + slack. Permits a second or more apart have neither tolerance nor slack: they lose nothing to
// speak of.
//
// Owned by:  the table of limits; outlives every path that asks it.
// Threads:   any; one compare-and-swap, no lock.
// Time:      the caller passes `now`; a clock that steps back only delays, until StepBack: no permit is free twice.
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

  // Gives back a permit that was taken then and not used, so that a path can ask several limits and take from all or
  // none. What comes back late, when others have been taken after it, is lost: those came after it as far apart as they
  // may, and one more would be too many in a window that begins between it and them.
  void Return(absl::Time taken, absl::Time now);

  // Changes the limit; what was already taken still counts. The next free time stays, but for a limit that allows more:
  // then it is no further away than if the last permit had been taken now.
  void Adopt(const Options& options, absl::Time now);

  // No permit is free before then, and only one at once.
  void FreeFrom(absl::Time when);

  // The caller's clock was set back by so much, not before `since` by the clock as it is: what was taken before was
  // taken so much earlier, and what was taken since was not.
  void StepBack(absl::Duration by, absl::Time since, absl::Time now);

  // Between permits at the steady rate; zero when there is no limit.
  absl::Duration period() const;
  // Permits in a second at the steady rate; 0 where they are further apart, or unlimited.
  int64_t per_second() const;
  // Permits free at once after an idle spell.
  int64_t burst() const;

 private:
  struct Shape {
    int64_t period_ns = 0, tolerance_ns = 0;
  };
  static Shape ShapeOf(const Options& options);
  void Take(const Shape& shape);

  std::atomic<int64_t> period_ns_{0};
  std::atomic<int64_t> tolerance_ns_{0};
  std::atomic<int64_t> next_ns_;  // when the bucket is full again: the theoretical arrival time
};

}  // namespace sealift::engine
