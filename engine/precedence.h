#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace sealift::engine {

// Precedence is how mail gets a connection that others have, where a limit allows no further one. It calls; one of
// those who are to stand back ends its connection, one for each call.
//
// Transactional mail calls on marketing mail: whoever has a connection for that ends it after its message, and until
// the call has died away none is opened for marketing mail, which could otherwise take at once what was just given
// back. Marketing mail calls on those who have nothing to send.
//
// Owned by:  what limits connections: a Slots, a Site, a Reception.
// Threads:   any.
// Time:      the caller passes `now`, by the steady clock: a call does not outlast its time when the other is set.
class Precedence {
 public:
  // How long after a call others stand back. Whoever calls asks again sooner, as long as it has to.
  static constexpr absl::Duration kHeard = absl::Milliseconds(100);

  void Call(absl::Time now) {
    Claim(now);
    called_.store(true, std::memory_order_relaxed);
  }
  // Nobody's connection ends: one is about to be free, which others leave to who calls.
  void Claim(absl::Time now) { until_ns_.store(absl::ToUnixNanos(now + kHeard), std::memory_order_relaxed); }
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
