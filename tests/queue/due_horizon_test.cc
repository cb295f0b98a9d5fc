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

}  // namespace
}  // namespace sealift::queue
