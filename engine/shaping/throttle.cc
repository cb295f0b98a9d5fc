#include "engine/shaping/throttle.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace sealift::engine {
namespace {

constexpr int64_t kToleranceNs = 15'000'000, kSlackNs = 20'000'000;
constexpr int64_t kWindowParts = 50;  // neither is more than such a part of the window
constexpr int64_t kSlowNs = 1'000'000'000;
constexpr int64_t kMeanwhileNs = 100'000'000;  // until a step of the clock has been told to every rate
constexpr int64_t kLongAgo = std::numeric_limits<int64_t>::min() / 4;

}  // namespace

Throttle::Shape Throttle::ShapeOf(const Options& options) {
  if (options.count <= 0) return {};
  const int64_t per_ns = absl::ToInt64Nanoseconds(options.per);
  assert(per_ns > 0);
  const bool slow = per_ns / options.count >= kSlowNs;
  const int64_t tolerance = slow ? 0 : std::min(kToleranceNs, per_ns / kWindowParts);
  const int64_t span = per_ns + tolerance + (slow ? 0 : std::min(kSlackNs, per_ns / kWindowParts));
  return {.period_ns = span / options.count + (span % options.count != 0 ? 1 : 0), .tolerance_ns = tolerance};
}

Throttle::Throttle(const Options& options) : next_ns_(kLongAgo) { Take(ShapeOf(options)); }

absl::Duration Throttle::Peek(absl::Time now) const {
  const int64_t tolerance = tolerance_ns_.load(std::memory_order_acquire);
  if (period_ns_.load(std::memory_order_acquire) == 0) return absl::ZeroDuration();
  const int64_t wait = next_ns_.load(std::memory_order_relaxed) - tolerance - absl::ToUnixNanos(now);
  return absl::Nanoseconds(std::max<int64_t>(wait, 0));
}

absl::Duration Throttle::Acquire(absl::Time now) {
  const int64_t now_ns = absl::ToUnixNanos(now);
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  while (true) {
    const int64_t tolerance = tolerance_ns_.load(std::memory_order_acquire);
    const int64_t period = period_ns_.load(std::memory_order_acquire);
    if (period == 0) return absl::ZeroDuration();
    const int64_t wait = next - tolerance - now_ns;
    if (wait > 0) return absl::Nanoseconds(wait);
    if (next_ns_.compare_exchange_weak(next, std::max(next, now_ns) + period, std::memory_order_relaxed)) {
      return absl::ZeroDuration();
    }
  }
}

void Throttle::Return(absl::Time taken, absl::Time now) {
  const int64_t period = period_ns_.load(std::memory_order_relaxed);
  const int64_t tolerance = tolerance_ns_.load(std::memory_order_relaxed);
  const int64_t after = absl::ToUnixNanos(taken) + period;  // the next one, if it was the last and came in time
  // What comes back within the tolerance moves the others by no more than the slack of a window.
  const int64_t late = absl::ToUnixNanos(now) - absl::ToUnixNanos(taken);
  const bool is_prompt = late >= 0 && late <= tolerance;  // a clock that was set back makes it no earlier
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  while (is_prompt || (next >= after && next <= after + tolerance)) {
    if (next_ns_.compare_exchange_weak(next, next - period, std::memory_order_relaxed)) return;
  }
}

void Throttle::Adopt(const Options& options, absl::Time now) {
  const Shape shape = ShapeOf(options);
  Take(shape);
  const int64_t latest = absl::ToUnixNanos(now) + shape.period_ns + shape.tolerance_ns;
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  while (shape.period_ns > 0 && next > latest &&
         !next_ns_.compare_exchange_weak(next, latest, std::memory_order_relaxed)) {
  }
}

void Throttle::Take(const Shape& shape) {
  // No mix of old and new may allow more than both: the tolerance goes first and comes back last.
  tolerance_ns_.store(0, std::memory_order_release);
  period_ns_.store(shape.period_ns, std::memory_order_release);
  tolerance_ns_.store(shape.tolerance_ns, std::memory_order_release);
}

void Throttle::FreeFrom(absl::Time when) {
  const int64_t full_ns = absl::ToUnixNanos(when) + tolerance_ns_.load(std::memory_order_relaxed);
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  while (next < full_ns && !next_ns_.compare_exchange_weak(next, full_ns, std::memory_order_relaxed)) {
  }
}

void Throttle::StepBack(absl::Duration by, absl::Time since, absl::Time now) {
  const Shape shape{.period_ns = period_ns_.load(std::memory_order_relaxed),
                    .tolerance_ns = tolerance_ns_.load(std::memory_order_relaxed)};
  // What the last permit has left behind if it was taken since, or is being taken.
  const int64_t first = absl::ToUnixNanos(since) + shape.period_ns;
  const int64_t last = absl::ToUnixNanos(now) + shape.period_ns + shape.tolerance_ns + kMeanwhileNs;
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  while ((next < first || next > last) &&
         !next_ns_.compare_exchange_weak(next, next - absl::ToInt64Nanoseconds(by), std::memory_order_relaxed)) {
  }
}

absl::Duration Throttle::period() const { return absl::Nanoseconds(period_ns_.load(std::memory_order_relaxed)); }

int64_t Throttle::per_second() const {
  const int64_t period = period_ns_.load(std::memory_order_relaxed);
  return period == 0 ? 0 : 1'000'000'000 / period;
}

int64_t Throttle::burst() const {
  const int64_t period = period_ns_.load(std::memory_order_relaxed);
  return period == 0 ? 0 : tolerance_ns_.load(std::memory_order_relaxed) / period + 1;
}

}  // namespace sealift::engine
