#include "engine/shaping/retry_schedule.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sealift::engine {

RetrySchedule::RetrySchedule(Options options) : options_(std::move(options)) {
  assert(!options_.intervals.empty());
  assert(options_.jitter >= 0 && options_.jitter <= 1);
}

absl::Time RetrySchedule::Next(int attempts, absl::Time now, absl::Time expires, uint64_t random) const {
  assert(attempts >= 1);
  const size_t last = options_.intervals.size() - 1;
  const absl::Duration interval = options_.intervals[std::min(static_cast<size_t>(attempts) - 1, last)];
  const double unit = static_cast<double>(random >> 11) * 0x1p-53;  // [0, 1)
  const absl::Time due = now + interval * (1 + options_.jitter * (2 * unit - 1));
  return std::min(std::max(due, now), expires);
}

}  // namespace sealift::engine
