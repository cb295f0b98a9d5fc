#include "engine/runtime/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace sealift::engine {
namespace {

constexpr int64_t kTick = TimerWheel::kTickNanos;

struct Counted {
  void OnTimer() { ++fired; }
  int fired = 0;
  Timer timer = Timer::Calling<&Counted::OnTimer>(this);
};

TEST(TimerWheelTest, FiresAtItsTickAndNotBefore) {
  TimerWheel wheel(0);
  Counted counted;
  wheel.Arm(counted.timer, 10 * kTick + 1);
  wheel.Advance(10 * kTick + 1);
  EXPECT_EQ(counted.fired, 0);  // at the end of its tick
  wheel.Advance(11 * kTick);
  EXPECT_EQ(counted.fired, 1);
  EXPECT_FALSE(counted.timer.armed());
  wheel.Advance(1000 * kTick);
  EXPECT_EQ(counted.fired, 1);
}

TEST(TimerWheelTest, APastDeadlineFiresAtTheNextAdvance) {
  TimerWheel wheel(100 * kTick);
  Counted counted;
  wheel.Arm(counted.timer, 5 * kTick);
  EXPECT_EQ(wheel.NextNanos(), 100 * kTick);
  wheel.Advance(100 * kTick);
  EXPECT_EQ(counted.fired, 1);
  EXPECT_EQ(wheel.NextNanos(), std::nullopt);
}

TEST(TimerWheelTest, ADisarmedOrDestroyedTimerDoesNotFire) {
  TimerWheel wheel(0);
  Counted disarmed;
  auto destroyed = std::make_unique<Counted>();
  wheel.Arm(disarmed.timer, kTick);
  wheel.Arm(destroyed->timer, kTick);
  wheel.Disarm(disarmed.timer);
  destroyed.reset();
  EXPECT_EQ(wheel.size(), 0u);
  EXPECT_EQ(wheel.NextNanos(), std::nullopt);
  wheel.Advance(10 * kTick);
  EXPECT_EQ(disarmed.fired, 0);
}

TEST(TimerWheelTest, ArmingAgainMovesIt) {
  TimerWheel wheel(0);
  Counted counted;
  wheel.Arm(counted.timer, 5 * kTick);
  wheel.Arm(counted.timer, 500 * kTick);
  wheel.Advance(499 * kTick);
  EXPECT_EQ(counted.fired, 0);
  wheel.Advance(500 * kTick);
  EXPECT_EQ(counted.fired, 1);
}

TEST(TimerWheelTest, AWheelThatGoesFirstLeavesItsTimersDisarmed) {
  Counted near;
  Counted far;
  {
    TimerWheel wheel(0);
    wheel.Arm(near.timer, kTick);
    wheel.Arm(far.timer, kTick << 30);
  }
  EXPECT_FALSE(near.timer.armed());
  EXPECT_FALSE(far.timer.armed());
}

// Arms itself again when it fires, already due.
struct Restless {
  void OnTimer() {
    ++fired;
    wheel->Arm(timer, 0);
  }
  TimerWheel* wheel;
  int fired = 0;
  Timer timer = Timer::Calling<&Restless::OnTimer>(this);
};

TEST(TimerWheelTest, ATimerArmedByAFiringOneWaitsForTheNextAdvance) {
  TimerWheel wheel(0);
  Restless restless{.wheel = &wheel};
  wheel.Arm(restless.timer, 0);
  wheel.Advance(kTick);
  EXPECT_EQ(restless.fired, 1);
  wheel.Advance(kTick);
  EXPECT_EQ(restless.fired, 2);
}

// Disarms another timer of its own tick.
struct Rival {
  void OnTimer() {
    ++fired;
    wheel->Disarm(*other);
  }
  TimerWheel* wheel;
  Timer* other = nullptr;
  int fired = 0;
  Timer timer = Timer::Calling<&Rival::OnTimer>(this);
};

TEST(TimerWheelTest, AFiringTimerMayDisarmOneThatIsDueWithIt) {
  TimerWheel wheel(0);
  Rival first{.wheel = &wheel};
  Rival second{.wheel = &wheel};
  first.other = &second.timer;
  second.other = &first.timer;
  wheel.Arm(first.timer, 3 * kTick);
  wheel.Arm(second.timer, 3 * kTick);
  wheel.Advance(3 * kTick);
  EXPECT_EQ(first.fired, 1);
  EXPECT_EQ(second.fired, 0);
  EXPECT_EQ(wheel.size(), 0u);
}

// The reference: what is armed, by tick.
struct Simulated {
  void OnTimer() {
    EXPECT_TRUE(expected) << "fired early, late or twice";
    expected = false;
    armed = false;
    order->push_back(tick);
  }
  std::vector<uint64_t>* order;
  bool armed = false;
  bool expected = false;
  uint64_t tick = 0;
  Timer timer = Timer::Calling<&Simulated::OnTimer>(this);
};

class TimerWheelPropertyTest : public testing::TestWithParam<int64_t> {};

TEST_P(TimerWheelPropertyTest, FiresWhatASortedListWouldAndInItsOrder) {
  std::mt19937_64 random(20240917);
  // Spread over all magnitudes: half a tick to far beyond the wheel's reach.
  const auto span = [&random](int bits_max) {
    const int bits = static_cast<int>(random() % static_cast<uint64_t>(bits_max));
    return static_cast<int64_t>(random() & ((uint64_t{1} << bits) - 1));
  };
  int64_t now = GetParam();
  TimerWheel wheel(now);
  std::vector<uint64_t> order;
  std::deque<Simulated> timers;
  for (int i = 0; i < 300; ++i) timers.emplace_back(&order);

  for (int step = 0; step < 20'000; ++step) {
    for (int i = 0; i < 4; ++i) {
      Simulated& timer = timers[random() % timers.size()];
      if (random() % 3 == 0) {
        wheel.Disarm(timer.timer);
        timer.armed = false;
      } else {
        const int64_t deadline = now + span(58);
        wheel.Arm(timer.timer, deadline);
        timer.armed = true;
        timer.tick =
            std::max(static_cast<uint64_t>((deadline + kTick - 1) / kTick), static_cast<uint64_t>(now / kTick));
      }
    }
    uint64_t earliest = UINT64_MAX;
    for (const Simulated& timer : timers) {
      if (timer.armed) earliest = std::min(earliest, timer.tick);
    }
    const std::optional<int64_t> next = wheel.NextNanos();
    ASSERT_EQ(next.has_value(), earliest != UINT64_MAX);
    if (next.has_value()) {
      ASSERT_LE(static_cast<uint64_t>(*next), earliest * kTick) << "a ring would sleep past a deadline";
    }

    if (next.has_value() && random() % 2 == 0) {
      now = std::max(now, *next);  // as a ring does
    } else {
      now += span(44);
    }
    for (Simulated& timer : timers) timer.expected = timer.armed && timer.tick <= static_cast<uint64_t>(now / kTick);
    order.clear();
    wheel.Advance(now);
    for (const Simulated& timer : timers) ASSERT_FALSE(timer.expected) << "did not fire at step " << step;
    ASSERT_TRUE(std::is_sorted(order.begin(), order.end()));
    const auto armed = std::count_if(timers.begin(), timers.end(), [](const Simulated& timer) { return timer.armed; });
    ASSERT_EQ(wheel.size(), static_cast<size_t>(armed));
  }
}

INSTANTIATE_TEST_SUITE_P(Starts, TimerWheelPropertyTest,
                         testing::Values(int64_t{0}, kTick*((int64_t{1} << 30) - 3), kTick*((int64_t{1} << 36) - 3),
                                         int64_t{123'456'789'012'345'678}));

}  // namespace
}  // namespace sealift::engine
