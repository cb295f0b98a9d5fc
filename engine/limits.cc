#include "engine/limits.h"

#include <fmt/format.h>

#include <utility>

namespace sealift::engine {

RateInForce* Limits::Rate(std::string_view kind, std::string_view name, const RateLimit& limit) {
  const Throttle::Options options{.count = limit.rate.count, .per = limit.rate.period};
  const std::lock_guard lock(mutex_);
  std::unique_ptr<RateInForce>& entry = rates_[fmt::format("{}/{}", kind, name)];
  if (entry == nullptr) {
    entry = std::make_unique<RateInForce>(std::string(kind), std::string(name));
  }
  entry->throttle_.Adopt(options);
  entry->Describe(ToText(limit.rate), limit.origin);
  return entry.get();
}

Slots* Limits::Count(std::string_view name, int max) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Slots>& entry = counts_[std::string(name)];
  if (entry == nullptr) entry = std::make_unique<Slots>();
  entry->Adopt(max);
  return entry.get();
}

void Limits::ForEach(const std::function<void(const RateInForce&)>& rate,
                     const std::function<void(const std::string& name, const Slots&)>& count) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, entry] : rates_) rate(*entry);
  for (const auto& [name, entry] : counts_) count(name, *entry);
}

absl::Duration RateInForce::Acquire(absl::Time now, uint8_t standing) {
  // How long the permit is kept for who waits: a timer's tick, and a turn of a busy shard.
  constexpr absl::Duration kGrace = absl::Milliseconds(10);
  const Waiting waiting = waiting_.load(std::memory_order_relaxed);
  const absl::Time kept_until = absl::FromUnixMillis(static_cast<int64_t>(waiting >> 8));
  const bool kept = kept_until > now;
  const auto standing_waiting = static_cast<uint8_t>(waiting & 0xff);
  if (kept && standing_waiting > standing) return kept_until - now;
  const absl::Duration wait = throttle_.Acquire(now);
  if (wait > absl::ZeroDuration()) {
    const auto until = static_cast<uint64_t>(absl::ToUnixMillis(now + wait + kGrace));
    waiting_.store(until << 8 | standing, std::memory_order_relaxed);
  } else if (kept && standing_waiting == standing) {
    waiting_.store(0, std::memory_order_relaxed);
  }
  return wait;
}

void RateInForce::Describe(std::string value, std::string origin) {
  const std::lock_guard lock(mutex_);
  value_ = std::move(value);
  origin_ = std::move(origin);
}

std::string RateInForce::value() const {
  const std::lock_guard lock(mutex_);
  return value_;
}

std::string RateInForce::origin() const {
  const std::lock_guard lock(mutex_);
  return origin_;
}

}  // namespace sealift::engine
