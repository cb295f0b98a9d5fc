#include "engine/shaping/throttle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace sealift::engine {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1795297481);

// Takes every permit as soon as it is free for `span`, and returns when each was taken.
std::vector<absl::Time> TakeAll(Throttle& throttle, absl::Time now, absl::Duration span) {
  std::vector<absl::Time> taken;
  const absl::Time end = now + span;
  while (now < end) {
    const absl::Duration wait = throttle.Acquire(now);
    if (wait == absl::ZeroDuration()) {
      taken.push_back(now);
    } else {
      now += wait;
    }
  }
  return taken;
}

// The most permits in any window [t, t + per).
int64_t MostInWindow(const std::vector<absl::Time>& taken, absl::Duration per) {
  int64_t most = 0;
  size_t begin = 0;
  for (size_t end = 0; end < taken.size(); ++end) {
    while (taken[end] - taken[begin] >= per) ++begin;
    most = std::max(most, static_cast<int64_t>(end - begin + 1));
  }
  return most;
}

struct Limit {
  int64_t count;
  absl::Duration per;
};

class ThrottleLimitTest : public ::testing::TestWithParam<Limit> {};

TEST_P(ThrottleLimitTest, NoWindowExceedsTheLimitAndLittleIsLeftUnused) {
  const auto [count, per] = GetParam();
  Throttle throttle({.count = count, .per = per});
  const std::vector<absl::Time> taken = TakeAll(throttle, kStart, 4 * per);
  EXPECT_LE(MostInWindow(taken, per), count);
  EXPECT_GE(static_cast<double>(taken.size()), 0.96 * 4 * static_cast<double>(count));
}

// As a busy machine does, which wakes some milliseconds after a permit is free.
TEST_P(ThrottleLimitTest, WhoComesLateForAPermitLosesLittle) {
  const auto [count, per] = GetParam();
  Throttle throttle({.count = count, .per = per});
  std::mt19937 random(7);
  std::vector<absl::Time> taken;
  for (absl::Time now = kStart; now < kStart + 4 * per;) {
    const absl::Duration wait = throttle.Acquire(now);
    if (wait == absl::ZeroDuration()) taken.push_back(now);
    if (wait > absl::ZeroDuration()) now += wait + absl::Microseconds(random() % 8000);
  }
  // What arrives some milliseconds sooner or later than another is within the limit as well.
  const bool slow = per / count >= absl::Seconds(1);
  EXPECT_LE(MostInWindow(taken, slow ? per : per + absl::Milliseconds(20)), count);
  EXPECT_GE(static_cast<double>(taken.size()), 0.96 * 4 * static_cast<double>(count));
}

INSTANTIATE_TEST_SUITE_P(Rates, ThrottleLimitTest,
                         ::testing::Values(Limit{1, absl::Seconds(1)}, Limit{3, absl::Seconds(1)},
                                           Limit{7, absl::Seconds(1)}, Limit{19, absl::Seconds(1)},
                                           Limit{39, absl::Seconds(1)}, Limit{100, absl::Seconds(1)},
                                           Limit{999, absl::Seconds(1)}, Limit{20011, absl::Seconds(1)},
                                           Limit{20, absl::Minutes(1)}, Limit{5000, absl::Hours(1)},
                                           Limit{20000, absl::Hours(1)}, Limit{1000, absl::Hours(24)}));

TEST(ThrottleTest, ArrivalsAtRandomNeverExceedTheLimitEither) {
  std::mt19937 random(6);
  for (const int64_t count : {1, 5, 60, 400}) {
    Throttle throttle({.count = count});
    std::vector<absl::Time> taken;
    absl::Time now = kStart;
    for (int i = 0; i < 20000; ++i) {
      now += absl::Nanoseconds(random() % (2'000'000'000 / static_cast<uint64_t>(count)));
      for (size_t burst = random() % 4; burst > 0; --burst) {
        if (throttle.Acquire(now) == absl::ZeroDuration()) taken.push_back(now);
      }
    }
    EXPECT_LE(MostInWindow(taken, absl::Seconds(1)), count);
  }
}

TEST(ThrottleTest, BurstAfterIdleIsWhatTheLimitAllowsInTheTolerance) {
  Throttle throttle({.count = 1000});
  EXPECT_EQ(throttle.burst(), 15);
  int taken = 0;
  while (throttle.Acquire(kStart) == absl::ZeroDuration()) ++taken;
  EXPECT_EQ(taken, 15);
  EXPECT_EQ(Throttle({.count = 20000, .per = absl::Hours(1)}).burst(), 1);
}

TEST(ThrottleTest, WaitIsExact) {
  Throttle throttle({.count = 7, .per = absl::Minutes(1)});
  EXPECT_EQ(throttle.Acquire(kStart), absl::ZeroDuration());
  EXPECT_EQ(throttle.Acquire(kStart), absl::Nanoseconds(8'571'428'572));
  EXPECT_EQ(throttle.Peek(kStart), absl::Nanoseconds(8'571'428'572));
  EXPECT_NE(throttle.Acquire(kStart + absl::Nanoseconds(8'571'428'571)), absl::ZeroDuration());
  EXPECT_EQ(throttle.Peek(kStart + absl::Nanoseconds(8'571'428'572)), absl::ZeroDuration());
  EXPECT_EQ(throttle.Acquire(kStart + absl::Nanoseconds(8'571'428'572)), absl::ZeroDuration());
}

TEST(ThrottleTest, PeekTakesNothing) {
  Throttle throttle({.count = 1});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(throttle.Peek(kStart), absl::ZeroDuration());
  EXPECT_EQ(throttle.Acquire(kStart), absl::ZeroDuration());
}

TEST(ThrottleTest, ReturnedPermitIsFreeAgain) {
  Throttle throttle({.count = 1});
  ASSERT_EQ(throttle.Acquire(kStart), absl::ZeroDuration());
  throttle.Return(kStart, kStart + absl::Milliseconds(300));
  EXPECT_EQ(throttle.Acquire(kStart + absl::Milliseconds(300)), absl::ZeroDuration());
  EXPECT_EQ(throttle.Acquire(kStart + absl::Milliseconds(300)), absl::Seconds(1));
}

TEST(ThrottleTest, APermitThatComesBackBehindOthersIsLost) {
  Throttle throttle({.count = 1, .per = absl::Minutes(1)});
  absl::Time now = kStart;
  for (int i = 0; i < 5; ++i, now += absl::Minutes(1)) ASSERT_EQ(throttle.Acquire(now), absl::ZeroDuration());
  const absl::Time last = now - absl::Minutes(1);
  throttle.Return(kStart, now - absl::Seconds(10));
  EXPECT_EQ(throttle.Peek(now - absl::Seconds(10)), absl::Seconds(10)) << "two would be within a minute";
  throttle.Return(last, now - absl::Seconds(10));
  EXPECT_EQ(throttle.Peek(now - absl::Seconds(10)), absl::ZeroDuration()) << "nobody had one after it";
}

TEST(ThrottleTest, WhatComesBackLateAddsNothingToAWindow) {
  Throttle throttle({.count = 600, .per = absl::Minutes(1)});
  std::vector<absl::Time> taken, used;
  // Every tenth is given back after a second.
  for (absl::Time now = kStart; now < kStart + absl::Minutes(3); now += absl::Milliseconds(1)) {
    for (const absl::Time one : taken) {
      if (one + absl::Seconds(1) == now) throttle.Return(one, now);
    }
    std::erase_if(taken, [now](absl::Time one) { return one + absl::Seconds(1) <= now; });
    if (throttle.Acquire(now) > absl::ZeroDuration()) continue;
    (used.size() % 10 == 9 && taken.empty() ? taken : used).push_back(now);
  }
  ASSERT_GT(used.size(), 1500u);
  for (size_t i = 600; i < used.size(); ++i) EXPECT_GE(used[i] - used[i - 600], absl::Minutes(1));
}

TEST(ThrottleTest, APermitOfAnOlderLimitDoesNotComeBackToALongerOne) {
  Throttle throttle({.count = 200});
  std::vector<absl::Time> in_flight;
  absl::Time now = kStart;
  for (int i = 0; i < 50; ++i, now += absl::Milliseconds(10)) {
    ASSERT_EQ(throttle.Acquire(now), absl::ZeroDuration());
    in_flight.push_back(now);
  }
  throttle.Adopt({.count = 10, .per = absl::Hours(1)}, now);
  ASSERT_EQ(throttle.Acquire(now), absl::ZeroDuration());
  now += absl::Seconds(1);
  for (const absl::Time taken : in_flight) throttle.Return(taken, now);
  EXPECT_EQ(throttle.Peek(now), absl::Minutes(6) - absl::Seconds(1));
}

TEST(ThrottleTest, ClockThatStepsBackOnlyDelays) {
  Throttle throttle({.count = 1});
  ASSERT_EQ(throttle.Acquire(kStart), absl::ZeroDuration());
  EXPECT_EQ(throttle.Acquire(kStart - absl::Hours(1)), absl::Hours(1) + absl::Seconds(1));
  EXPECT_EQ(throttle.Acquire(kStart + absl::Seconds(1)), absl::ZeroDuration());
}

TEST(ThrottleTest, NoCountIsNoLimit) {
  Throttle throttle;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(throttle.Acquire(kStart), absl::ZeroDuration());
  throttle.Return(kStart, kStart);
  EXPECT_EQ(throttle.Peek(kStart), absl::ZeroDuration());
  EXPECT_EQ(throttle.period(), absl::ZeroDuration());
}

TEST(ThrottleTest, AdoptedLimitCountsWhatWasTaken) {
  Throttle throttle({.count = 1, .per = absl::Hours(1)});
  ASSERT_EQ(throttle.Acquire(kStart), absl::ZeroDuration());
  throttle.Adopt({.count = 1, .per = absl::Hours(2)}, kStart);
  EXPECT_EQ(throttle.Peek(kStart), absl::Hours(1));
  throttle.Adopt({.count = 100, .per = absl::Seconds(1)}, kStart);
  EXPECT_EQ(throttle.Peek(kStart), throttle.period()) << "who raises a limit does not wait out the old one";
  throttle.Adopt({.count = 1, .per = absl::Hours(1)}, kStart);
  EXPECT_GT(throttle.Peek(kStart), absl::ZeroDuration());
  throttle.Adopt({}, kStart);
  EXPECT_EQ(throttle.Peek(kStart), absl::ZeroDuration());
}

TEST(ThrottleTest, HugeCountsDoNotOverflow) {
  Throttle throttle({.count = int64_t{1} << 60, .per = absl::Hours(24 * 365)});
  EXPECT_EQ(throttle.Acquire(kStart), absl::ZeroDuration());
  EXPECT_GE(throttle.period(), absl::Nanoseconds(1));
}

TEST(ThrottleTest, ThreadsTogetherStayWithinTheLimit) {
  Throttle throttle({.count = 5000});
  std::atomic<int64_t> clock_ns{0};
  std::mutex mutex;
  std::vector<absl::Time> taken;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<absl::Time> mine;
      for (int i = 0; i < 20000; ++i) {
        const absl::Time now = kStart + absl::Nanoseconds(clock_ns.fetch_add(25'000));
        if (throttle.Acquire(now) == absl::ZeroDuration()) mine.push_back(now);
      }
      const std::lock_guard lock(mutex);
      taken.insert(taken.end(), mine.begin(), mine.end());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::ranges::sort(taken);
  EXPECT_LE(MostInWindow(taken, absl::Seconds(1)), 5000);
  EXPECT_GE(taken.size(), 2 * 4700U);
}

}  // namespace
}  // namespace sealift::engine
