#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace sealift::engine {

// Precedence is how transactional mail gets a connection where marketing mail has every one that a limit allows. It
// calls; whoever has a connection for marketing mail ends it after its message, one for each call; and until the call
// has died away none is opened for marketing mail, which could otherwise take at once what was just given back.
//
// Owned by:  what limits connections: a Slots, a Site.
// Threads:   any.
// Time:      the caller passes `now`.
class Precedence {
 public:
  // How long after a call marketing mail stands back. Whoever calls asks again sooner, as long as it has to.
  static constexpr absl::Duration kHeard = absl::Milliseconds(100);

  void Call(absl::Time now) {
    until_ns_.store(absl::ToUnixNanos(now + kHeard), std::memory_order_relaxed);
    called_.store(true, std::memory_order_relaxed);
  }
  bool Called(absl::Time now) const { return absl::ToUnixNanos(now) < until_ns_.load(std::memory_order_relaxed); }
  // True for one of those that ask after a call: it ends its connection.
  bool Answer(absl::Time now) {
    return called_.load(std::memory_order_relaxed) && Called(now) && called_.exchange(false, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> until_ns_{0};
  std::atomic<bool> called_{false};
};

}  // namespace sealift::engine
