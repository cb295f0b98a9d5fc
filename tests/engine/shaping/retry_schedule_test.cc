#include "engine/shaping/retry_schedule.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace sealift::engine {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795297481);
constexpr uint64_t kMiddle = uint64_t{1} << 63;
constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

RetrySchedule Schedule(double jitter) {
  return RetrySchedule({.intervals = {absl::Minutes(5), absl::Minutes(15), absl::Hours(1)}, .jitter = jitter});
}

TEST(RetryScheduleTest, IntervalsFollowOneAnotherAndTheLastRepeats) {
  const RetrySchedule schedule = Schedule(0.2);
  EXPECT_EQ(schedule.Next(1, kNow, absl::InfiniteFuture(), kMiddle), kNow + absl::Minutes(5));
  EXPECT_EQ(schedule.Next(2, kNow, absl::InfiniteFuture(), kMiddle), kNow + absl::Minutes(15));
  EXPECT_EQ(schedule.Next(3, kNow, absl::InfiniteFuture(), kMiddle), kNow + absl::Hours(1));
  EXPECT_EQ(schedule.Next(100000, kNow, absl::InfiniteFuture(), kMiddle), kNow + absl::Hours(1));
}

TEST(RetryScheduleTest, JitterReachesEitherWayAndNoFurther) {
  const RetrySchedule schedule = Schedule(0.1);
  EXPECT_EQ(schedule.Next(3, kNow, absl::InfiniteFuture(), 0), kNow + absl::Minutes(54));
  EXPECT_GT(schedule.Next(3, kNow, absl::InfiniteFuture(), kMost), kNow + absl::Minutes(65.99));
  std::mt19937_64 random(7);
  for (int i = 0; i < 1000; ++i) {
    const absl::Time due = schedule.Next(3, kNow, absl::InfiniteFuture(), random());
    EXPECT_GE(due, kNow + absl::Minutes(54));
    EXPECT_LE(due, kNow + absl::Minutes(66));
  }
}

TEST(RetryScheduleTest, NoJitterIsExact) {
  EXPECT_EQ(Schedule(0).Next(1, kNow, absl::InfiniteFuture(), kMost), kNow + absl::Minutes(5));
}

TEST(RetryScheduleTest, NeverBeforeNow) { EXPECT_EQ(Schedule(1).Next(1, kNow, absl::InfiniteFuture(), 0), kNow); }

TEST(RetryScheduleTest, NeverAfterTheExpiry) {
  EXPECT_EQ(Schedule(0).Next(3, kNow, kNow + absl::Minutes(7), kMiddle), kNow + absl::Minutes(7));
  EXPECT_EQ(Schedule(0).Next(3, kNow, kNow - absl::Minutes(7), kMiddle), kNow - absl::Minutes(7));
}

}  // namespace
}  // namespace sealift::engine
