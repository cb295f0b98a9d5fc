#include "engine/recurrence.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

TEST(RecurrenceTest, IsDueFirstWhenItWasToldAndThenOnceAPeriod) {
  Recurrence hourly(absl::Hours(1), kStart + absl::Minutes(1));
  EXPECT_FALSE(hourly.Due(kStart));
  EXPECT_TRUE(hourly.Due(kStart + absl::Minutes(1)));
  EXPECT_FALSE(hourly.Due(kStart + absl::Minutes(1)));
  EXPECT_FALSE(hourly.Due(kStart + absl::Minutes(60)));
  EXPECT_TRUE(hourly.Due(kStart + absl::Minutes(61)));
}

TEST(RecurrenceTest, AClockThatIsSetBackPutsItOffForAPeriodAtMost) {
  Recurrence hourly(absl::Hours(1), kStart);
  EXPECT_TRUE(hourly.Due(kStart));
  const absl::Time back = kStart - absl::Hours(24 * 30);
  EXPECT_FALSE(hourly.Due(back));
  EXPECT_FALSE(hourly.Due(back + absl::Minutes(59)));
  EXPECT_TRUE(hourly.Due(back + absl::Minutes(60)));
  EXPECT_FALSE(hourly.Due(back + absl::Minutes(61)));
}

TEST(RecurrenceTest, AClockThatIsSetForwardMakesItDueOnce) {
  Recurrence hourly(absl::Hours(1), kStart);
  EXPECT_TRUE(hourly.Due(kStart));
  const absl::Time ahead = kStart + absl::Hours(24 * 30);
  EXPECT_TRUE(hourly.Due(ahead));
  EXPECT_FALSE(hourly.Due(ahead + absl::Minutes(1)));
}

}  // namespace
}  // namespace sealift::engine
