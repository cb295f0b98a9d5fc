#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <mutex>

#include "absl/time/time.h"

namespace sealift::queue {

// DueHorizon keeps commits from landing behind a cursor.
//
// A reader that has read a lane's retries up to some due time does not look there again. So a row must never be
// committed with a due time up to which somebody has read or is reading: the committer moves such a due time past the
// horizon, and while its batch is on the way to the disk readers stop short of the batch's earliest.
//
// What lies a minute in the future nobody has read, unless by a clock that ran ahead and was set back. No row waits for
// that: it is committed with its own due time, and a lane that was read beyond it begins anew when it hears of the row
// before that minute is over.
//
// Threads: any; the mutex is never held across I/O.
class DueHorizon {
 public:
  // Reader, before it takes its view of the database: the latest due time that it may read, at most `now_ms`.
  uint64_t Grant(uint64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const uint64_t limit = std::min(now_ms, pending_ - 1);
    horizon_ = std::max(horizon_, limit);
    return limit;
  }

  // Committer, before it builds a batch whose earliest due time is `wanted_ms`: every due time must be later than what
  // is returned. Ended by Publish, once the batch is visible.
  uint64_t Prepare(uint64_t wanted_ms, uint64_t now_ms) {
    const std::lock_guard lock(mutex_);
    horizon_ = std::min(horizon_, now_ms + kHeardLate);
    pending_ = std::max(wanted_ms, horizon_ + 1);
    return horizon_;
  }

  void Publish() {
    const std::lock_guard lock(mutex_);
    pending_ = kNone;
  }

 private:
  // A lane hears of a row when the sweep that moved it has ended; and a reader may have its turn before a committer
  // that had the time first.
  static constexpr uint64_t kHeardLate = 60'000;
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

  std::mutex mutex_;
  uint64_t horizon_ = 0;
  uint64_t pending_ = kNone;
};

// A due time as keys have it: 0 says of a row that it is fresh.
inline uint64_t DueMillis(absl::Time due) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMillis(due), 1));
}

// What is due within one step is due together: deferred rows of one lane can then share a pack, and cost a sixteenth of
// what each would alone. Whoever waits long can wait a little longer: a sixty-fourth of the wait at most, in whole
// seconds, each step twice the one before, so that those who begin to wait at different times meet too.
inline constexpr uint64_t kDueStepMs = 100;
inline uint64_t RoundUpDue(uint64_t due_ms, uint64_t step_ms = kDueStepMs) {
  return (due_ms + step_ms - 1) / step_ms * step_ms;
}
inline uint64_t DueStepAfter(uint64_t wait_ms) {
  return wait_ms < 64'000 ? kDueStepMs : 1'000 * std::bit_floor(wait_ms / 64'000);
}
inline absl::Time RoundDue(absl::Time due, absl::Time from) {
  const int64_t due_ms = std::max<int64_t>(absl::ToUnixMillis(due), 1);
  const int64_t wait_ms = std::max<int64_t>(absl::ToInt64Milliseconds(due - from), 0);
  return absl::FromUnixMillis(
      static_cast<int64_t>(RoundUpDue(static_cast<uint64_t>(due_ms), DueStepAfter(static_cast<uint64_t>(wait_ms)))));
}

}  // namespace sealift::queue
