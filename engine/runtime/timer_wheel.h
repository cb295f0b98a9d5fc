#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/runtime/timer.h"

namespace sealift::engine {

// TimerWheel keeps the deadlines of a shard: tens of thousands that are armed and disarmed for every one that passes.
//
// It is a hierarchical timing wheel (Varghese and Lauck, SOSP 1987, scheme 7): six levels of 64 slots, 1 ms a slot at
// the lowest. Arming and disarming are a list operation and a bit; a timer moves down at most five levels.
//
// Owned by:  Ring.
// Threads:   one.
// Time:      the caller passes it, in nanoseconds of a clock that never steps back. A timer fires never early and at
//            most one tick late, plus what the caller delays Advance; beyond two years it is kept, and checked on then.
// Errors:    none.
class TimerWheel {
 public:
  static constexpr int64_t kTickNanos = 1'000'000;

  explicit TimerWheel(int64_t now_nanos);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();  // disarms what is left

  // Fires `timer` at the first Advance at or after `deadline_nanos`; an armed timer moves. One armed by a firing timer
  // waits for the next Advance even if it is due.
  void Arm(Timer& timer, int64_t deadline_nanos);
  void Disarm(Timer& timer);

  // Fires what is due, in the order of its ticks. The functions may arm, disarm and destroy any timer.
  void Advance(int64_t now_nanos);

  // When Advance next has something to do, which may be only to move timers down a level. Empty: no timer is armed.
  std::optional<int64_t> NextNanos() const;

  size_t size() const { return size_; }

 private:
  static constexpr int kLevels = 6;
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr uint8_t kDueLevel = kLevels;

  struct Expiry {
    uint64_t tick;
    int level;
    int slot;
  };

  void Insert(Timer& timer);
  void Unlink(Timer& timer);
  static void Append(Timer*& head, Timer& timer);
  static void Detach(Timer*& head, Timer& timer);
  std::optional<Expiry> NextExpiry() const;

  uint64_t tick_;                                            // all before and at it has been moved to due_
  std::array<uint64_t, kLevels> occupied_{};                 // one bit a slot
  std::array<std::array<Timer*, kSlots>, kLevels> slots_{};  // rings; the head is the oldest
  Timer* due_ = nullptr;
  Timer* firing_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sealift::engine
