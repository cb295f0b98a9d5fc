#include "queue/due_horizon.h"

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

TEST(DueHorizonTest, ACommitIsPushedBehindWhatWasGranted) {
  DueHorizon horizon;
  EXPECT_EQ(horizon.Grant(1000), 1000u);
  EXPECT_EQ(horizon.Prepare(500, 1001), 1000u) << "every due time must be later than this";
  horizon.Publish();
  EXPECT_EQ(horizon.Grant(400), 400u) << "who asks late reads less";
  EXPECT_EQ(horizon.Prepare(500, 1001), 1000u) << "and frees nothing";
}

TEST(DueHorizonTest, WhatAClockThatRanAheadGrantedPushesNothing) {
  DueHorizon horizon;
  EXPECT_EQ(horizon.Grant(3'600'000), 3'600'000u);
  EXPECT_EQ(horizon.Prepare(500, 1000), 61'000u) << "it is set back";
  horizon.Publish();
  EXPECT_EQ(horizon.Grant(3'600'000), 3'600'000u) << "somebody asked before that";
  EXPECT_EQ(horizon.Prepare(62'000, 1100), 61'100u);
}

TEST(DueHorizonTest, ReadersStopShortOfACommitOnItsWay) {
  DueHorizon horizon;
  EXPECT_EQ(horizon.Prepare(500, 400), 0u);
  EXPECT_EQ(horizon.Grant(1000), 499u);
  horizon.Publish();
  EXPECT_EQ(horizon.Grant(1000), 1000u);
}

TEST(DueHorizonTest, DueTimesRoundUp) {
  EXPECT_EQ(RoundUpDue(1), 100u);
  EXPECT_EQ(RoundUpDue(100), 100u);
  EXPECT_EQ(RoundUpDue(101), 200u);
}

TEST(DueHorizonTest, NobodyWaitsASixtyFourthLongerForCompany) {
  for (uint64_t wait = 64'000; wait < 1'000'000'000; wait += wait / 7) EXPECT_LE(DueStepAfter(wait), wait / 64);
}

TEST(DueHorizonTest, WhoeverWaitsLongIsDueWithMore) {
  EXPECT_EQ(RoundUpDue(63'901, DueStepAfter(63'901)), 64'000u);
  EXPECT_EQ(RoundUpDue(100'001, DueStepAfter(100'001)), 101'000u);
  EXPECT_EQ(RoundUpDue(300'001, DueStepAfter(300'001)), 304'000u);
  EXPECT_EQ(RoundUpDue(3'600'001, DueStepAfter(3'600'001)), 3'616'000u);
}

}  // namespace
}  // namespace sealift::queue
