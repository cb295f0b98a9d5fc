#include "queue/due_horizon.h"

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

TEST(DueHorizonTest, ACommitIsPushedBehindWhatWasGranted) {
  DueHorizon horizon;
  EXPECT_EQ(horizon.Grant(1000), 1000u);
  EXPECT_EQ(horizon.Prepare(500), 1000u) << "every due time must be later than this";
  horizon.Publish();
  EXPECT_EQ(horizon.Grant(400), 400u) << "a clock that stepped back reads less";
  EXPECT_EQ(horizon.Prepare(500), 1000u) << "and frees nothing";
}

TEST(DueHorizonTest, ReadersStopShortOfACommitOnItsWay) {
  DueHorizon horizon;
  EXPECT_EQ(horizon.Prepare(500), 0u);
  EXPECT_EQ(horizon.Grant(1000), 499u);
  horizon.Publish();
  EXPECT_EQ(horizon.Grant(1000), 1000u);
}

TEST(DueHorizonTest, DueTimesRoundUp) {
  EXPECT_EQ(RoundUpDue(1), 100u);
  EXPECT_EQ(RoundUpDue(100), 100u);
  EXPECT_EQ(RoundUpDue(101), 200u);
}

TEST(DueHorizonTest, WhoeverWaitsLongIsDueWithMore) {
  EXPECT_EQ(RoundUpDue(99'001, DueStepAfter(99'001)), 99'100u);
  EXPECT_EQ(RoundUpDue(300'001, DueStepAfter(300'001)), 301'000u);
  EXPECT_EQ(RoundUpDue(3'600'001, DueStepAfter(3'600'001)), 3'601'000u);
}

}  // namespace
}  // namespace sealift::queue
