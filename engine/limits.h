#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "engine/options.h"
#include "engine/shaping/throttle.h"

namespace sealift::engine {

// A rate in force, with the words that explain it: what it limits, its value, who set it.
//
// Threads:   any. The throttle is what senders ask; the words are for `explain` and change only with a reload.
class RateInForce {
 public:
  RateInForce(std::string kind, std::string name) : kind_(std::move(kind)), name_(std::move(name)) {}

  const std::string& kind() const { return kind_; }  // the metric's label: source, destination, stream, campaign, ...
  const std::string& name() const { return name_; }  // "ip1"
  std::string value() const;                         // "20000/h"
  std::string origin() const;                        // the configuration's file:line

  // Takes a permit and returns zero, or how long until it is worth asking again. While someone of higher standing waits
  // for this limit, whoever has less waits behind: what is scarce goes to who matters more, across sites and shards.
  absl::Duration Acquire(absl::Time now, uint8_t standing);
  // What the throttle itself would say.
  absl::Duration Peek(absl::Time now) const { return throttle_.Peek(now); }
  void Return() { throttle_.Return(); }

 private:
  friend class Limits;

  // The standing of who waits, in the low byte, and until when (in ms) it is waited for.
  using Waiting = uint64_t;

  Throttle throttle_;
  std::atomic<Waiting> waiting_{0};

  void Describe(std::string value, std::string origin);

  const std::string kind_, name_;
  mutable std::mutex mutex_;
  std::string value_, origin_;
};

// A number of things that may be open at once, shared by shards.
class Slots {
 public:
  bool TryTake() {
    int used = used_.load(std::memory_order_relaxed);
    while (used < max_.load(std::memory_order_relaxed)) {
      if (used_.compare_exchange_weak(used, used + 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void Return() { used_.fetch_sub(1, std::memory_order_relaxed); }
  void Adopt(int max) { max_.store(max, std::memory_order_relaxed); }
  int used() const { return used_.load(std::memory_order_relaxed); }
  int max() const { return max_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> used_{0};
  std::atomic<int> max_{0};
};

// Limits holds every rate and count in force on this node, by name: the only state that shards share.
//
// A reload changes a limit's value and keeps what was already taken of it.
//
// Owned by:  the node; outlives its shards.
// Threads:   any. A look-up locks, so callers keep the pointer, which stays good as long as the node.
class Limits {
 public:
  // The rate of this kind on `name`, made or changed to `limit`.
  RateInForce* Rate(std::string_view kind, std::string_view name, const RateLimit& limit);
  Slots* Count(std::string_view name, int max);

  // Every one that was ever asked for, by name.
  void ForEach(const std::function<void(const RateInForce&)>& rate,
               const std::function<void(const std::string& name, const Slots&)>& count);

 private:
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<RateInForce>, std::less<>> rates_;
  std::map<std::string, std::unique_ptr<Slots>, std::less<>> counts_;
};

}  // namespace sealift::engine
