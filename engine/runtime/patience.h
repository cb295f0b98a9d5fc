#pragma once

#include <cstdint>

namespace sealift::engine {

// Patience says how long a ring looks for what it waits for before it sleeps.
//
// Who sleeps is woken through another core, and where idle cores halt, as those of virtual machines do, that takes
// longer than a server nearby takes to answer: both ends then spend most of a conversation waking each other. To look
// costs the core, so it is done only where the last wait was short, for less than what waking takes, and not while
// another thread wants the core. A ring whose peers are far away sleeps at once.
//
// Owned by:  a ring.
// Threads:   the ring's.
// Time:      the caller's, in nanoseconds.
class Patience {
 public:
  static constexpr int64_t kLook = 50'000;
  static constexpr int64_t kShortWait = 250'000;  // with what it takes to wake
  static constexpr int64_t kAloneYield = 10'000;  // to yield to nobody takes less

  // How long to look now; 0: not at all.
  int64_t nanos() const { return alone_ && was_short_ ? kLook : 0; }

  // The thread has yielded its core, and had it again after so long.
  void Yielded(int64_t took) { alone_ = took <= kAloneYield; }
  // Something came after so long, looked for or slept for.
  void Waited(int64_t took) { was_short_ = took <= kShortWait; }

 private:
  bool alone_ = false;
  bool was_short_ = false;
};

}  // namespace sealift::engine
