#include "engine/runtime/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "engine/runtime/check.h"

namespace sealift::engine {
namespace {

uint64_t FloorTick(int64_t nanos) { return nanos <= 0 ? 0 : static_cast<uint64_t>(nanos / TimerWheel::kTickNanos); }

uint64_t CeilTick(int64_t nanos) {
  return FloorTick(nanos) + (nanos > 0 && nanos % TimerWheel::kTickNanos != 0 ? 1 : 0);
}

}  // namespace

Timer::~Timer() {
  if (wheel_ != nullptr) wheel_->Disarm(*this);
}

TimerWheel::TimerWheel(int64_t now_nanos) : tick_(FloorTick(now_nanos)) {}

TimerWheel::~TimerWheel() {
  for (int level = 0; level < kLevels; ++level) {
    for (Timer* const& head : slots_[level]) {
      while (head != nullptr) Disarm(*head);
    }
  }
  while (due_ != nullptr) Disarm(*due_);
}

void TimerWheel::Arm(Timer& timer, int64_t deadline_nanos) {
  if (timer.wheel_ != nullptr) timer.wheel_->Disarm(timer);
  timer.wheel_ = this;
  timer.tick_ = CeilTick(deadline_nanos);
  ++size_;
  Insert(timer);
}

void TimerWheel::Disarm(Timer& timer) {
  if (timer.wheel_ == nullptr) return;
  CHECK(timer.wheel_ == this, "a timer is disarmed by the wheel it was armed on");
  Unlink(timer);
  timer.wheel_ = nullptr;
  --size_;
}

void TimerWheel::Insert(Timer& timer) {
  if (timer.tick_ <= tick_) {
    timer.level_ = kDueLevel;
    Append(due_, timer);
    return;
  }
  // The level is that of the highest bit in which the tick differs from the present one. What lies beyond the top level
  // waits in its furthest slot and is placed again from there; one slot is left free, so that none means both the
  // present and a whole turn of the wheel from now.
  constexpr uint64_t kReach = uint64_t{kSlots - 1} << (kSlotBits * (kLevels - 1));
  const uint64_t tick = std::min(timer.tick_, tick_ + kReach);
  const int highest_bit = 63 - std::countl_zero((tick ^ tick_) | 1);
  const int level = std::min(highest_bit / kSlotBits, kLevels - 1);
  const int slot = static_cast<int>(tick >> (kSlotBits * level)) & (kSlots - 1);
  timer.level_ = static_cast<uint8_t>(level);
  timer.slot_ = static_cast<uint8_t>(slot);
  Append(slots_[level][slot], timer);
  occupied_[level] |= uint64_t{1} << slot;
}

void TimerWheel::Unlink(Timer& timer) {
  if (timer.level_ == kDueLevel) {
    Detach(firing_ == &timer ? firing_ : due_, timer);
    return;
  }
  Timer*& head = slots_[timer.level_][timer.slot_];
  Detach(head, timer);
  if (head == nullptr) occupied_[timer.level_] &= ~(uint64_t{1} << timer.slot_);
}

void TimerWheel::Append(Timer*& head, Timer& timer) {
  if (head == nullptr) {
    timer.previous_ = timer.next_ = head = &timer;
    return;
  }
  timer.previous_ = head->previous_;
  timer.next_ = head;
  head->previous_->next_ = &timer;
  head->previous_ = &timer;
}

void TimerWheel::Detach(Timer*& head, Timer& timer) {
  if (head == &timer) head = timer.next_ == &timer ? nullptr : timer.next_;
  timer.previous_->next_ = timer.next_;
  timer.next_->previous_ = timer.previous_;
}

std::optional<TimerWheel::Expiry> TimerWheel::NextExpiry() const {
  // A lower level ends before the next slot of a higher one begins: the first that is occupied has the earliest.
  for (int level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const uint64_t slot_ticks = uint64_t{1} << (kSlotBits * level);
    const uint64_t level_ticks = slot_ticks << kSlotBits;
    const int present = static_cast<int>(tick_ >> (kSlotBits * level)) & (kSlots - 1);
    const int ahead = std::countr_zero(std::rotr(occupied_[level], present));
    const int slot = (present + ahead) & (kSlots - 1);
    uint64_t tick = (tick_ & ~(level_ticks - 1)) + static_cast<uint64_t>(slot) * slot_ticks;
    if (tick <= tick_) tick += level_ticks;  // the top level has come round
    return Expiry{.tick = tick, .level = level, .slot = slot};
  }
  return std::nullopt;
}

void TimerWheel::Advance(int64_t now_nanos) {
  CHECK(firing_ == nullptr, "a timer's function does not advance its own wheel");
  const uint64_t target = FloorTick(now_nanos);
  while (true) {
    const std::optional<Expiry> expiry = NextExpiry();
    if (!expiry.has_value() || expiry->tick > target) break;
    tick_ = expiry->tick;
    Timer*& head = slots_[expiry->level][expiry->slot];
    Timer* moving = head;
    head = nullptr;
    occupied_[expiry->level] &= ~(uint64_t{1} << expiry->slot);
    while (moving != nullptr) {
      Timer& timer = *moving;
      Detach(moving, timer);
      Insert(timer);
    }
  }
  tick_ = std::max(tick_, target);

  firing_ = due_;
  due_ = nullptr;
  while (firing_ != nullptr) {
    Timer& timer = *firing_;
    Detach(firing_, timer);
    timer.wheel_ = nullptr;
    --size_;
    timer.function_(timer.context_);
  }
}

std::optional<int64_t> TimerWheel::NextNanos() const {
  if (due_ != nullptr) return static_cast<int64_t>(tick_) * kTickNanos;
  const std::optional<Expiry> expiry = NextExpiry();
  if (!expiry.has_value()) return std::nullopt;
  return static_cast<int64_t>(expiry->tick) * kTickNanos;
}

}  // namespace sealift::engine
