#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "absl/time/time.h"
#include "engine/runtime/ring.h"

namespace sealift::engine {

// TurnBudget is how long one kind of work may go on in a turn of the ring: the rest of it waits for the next turns, and
// sockets, timers and other work do not wait for all of it.
//
// Owned by:  who does the work.
// Threads:   the ring's.
class TurnBudget {
 public:
  TurnBudget(Ring& ring, absl::Duration a_turn) : ring_(ring), a_turn_(absl::ToChronoNanoseconds(a_turn)) {}

  // To be asked before each piece; some of the work is done in every turn.
  bool IsSpent() const { return turn_ == ring_.NowNanos() && spent_ >= a_turn_; }

  template <typename Work>
  void Spend(Work&& work) {
    const auto began = std::chrono::steady_clock::now();
    std::forward<Work>(work)();
    if (std::exchange(turn_, ring_.NowNanos()) != ring_.NowNanos()) spent_ = {};
    spent_ += std::chrono::steady_clock::now() - began;
  }

 private:
  Ring& ring_;
  const std::chrono::nanoseconds a_turn_;
  int64_t turn_ = 0;  // in which it was spent
  std::chrono::nanoseconds spent_{};
};

}  // namespace sealift::engine
