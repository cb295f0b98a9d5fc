// The judge of the crash harness finds what it is there to find.
#include "tests/crash/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/crash/plan.h"

namespace sealift::crash {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kRows = Plan::kBounceEvery + 5;  // one of them bounces

class CrashJudgeTest : public testing::Test {
 protected:
  CrashJudgeTest() { judge_.Acknowledged(1, kRows, kRows); }

  std::string Mailbox(uint32_t row) const { return plan_.MailboxOf(row); }
  // Everything that should become of the rows but for one, in this life.
  void GoWell(uint32_t but_row, uint32_t life = 1) {
    for (uint32_t row = 1; row <= kRows; ++row) {
      if (row != but_row) GoWellOf(row, life);
    }
  }
  void GoWellOf(uint32_t row, uint32_t life) {
    if (!Plan::Bounces(row)) judge_.Arrived(Mailbox(row), "<id@mta>", life);
    judge_.Settled(Mailbox(row), Plan::Bounces(row) ? "bounced" : "delivered", life);
  }

  const Plan plan_{.number = 1, .rows = kRows};
  Judge judge_{2};
};

TEST_F(CrashJudgeTest, NothingIsFoundWhereAllIsWell) {
  GoWell(3);
  judge_.Settled(Mailbox(3), "deferred", 1);
  GoWellOf(3, 2);
  EXPECT_THAT(judge_.Finish(), IsEmpty());
}

TEST_F(CrashJudgeTest, ARowThatWasRefusedOnceAndReplayedIsWell) {
  GoWell(7);
  judge_.Settled(Mailbox(7), "bounced", 1);
  GoWellOf(7, 2);
  EXPECT_THAT(judge_.Finish(), IsEmpty());
}

TEST_F(CrashJudgeTest, ARowThatIsNeverReplayedIsLost) {
  GoWell(7);
  judge_.Settled(Mailbox(7), "bounced", 1);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("never arrived")));
}

TEST_F(CrashJudgeTest, ALostRowIsFound) {
  GoWell(3);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("never arrived")));
}

TEST_F(CrashJudgeTest, ARowThatIsShownAsDeliveredAndNeverArrivedIsLost) {
  GoWell(3);
  judge_.Settled(Mailbox(3), "delivered", 1);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("1 acknowledged rows were lost")));
}

TEST_F(CrashJudgeTest, ABounceThatIsNotShownIsLost) {
  GoWell(Plan::kBounceEvery);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("should have bounced once")));
}

TEST_F(CrashJudgeTest, ASecondArrivalAfterAKillIsExplained) {
  GoWell(3);
  judge_.Arrived(Mailbox(3), "<id@mta>", 1);
  GoWellOf(3, 2);
  EXPECT_THAT(judge_.Finish(), IsEmpty());
  EXPECT_EQ(judge_.duplicates(), 1u);
}

TEST_F(CrashJudgeTest, ASecondArrivalWithoutAKillIsNot) {
  GoWell(3);
  judge_.Arrived(Mailbox(3), "<id@mta>", 1);
  GoWellOf(3, 1);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("no kill explains it")));
}

TEST_F(CrashJudgeTest, ASecondArrivalAfterADurableOutcomeIsNot) {
  GoWell(3);
  GoWellOf(3, 1);
  judge_.Arrived(Mailbox(3), "<id@mta>", 2);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("was settled in life 1 and sent again in life 2")));
}

TEST_F(CrashJudgeTest, AnotherMessageIdIsFound) {
  GoWell(3);
  judge_.Arrived(Mailbox(3), "<other@mta>", 1);
  GoWellOf(3, 2);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("another Message-ID")));
}

TEST_F(CrashJudgeTest, MoreDuplicatesThanMayBeUnsettledAreFound) {
  for (uint32_t row = 1; row <= 3; ++row) judge_.Arrived(Mailbox(row), "<id@mta>", 1);
  GoWell(0, 2);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("3 rows of life 1 were sent again; unsettled_max is 2")));
}

TEST_F(CrashJudgeTest, RowsThatNobodyLoadedAreFound) {
  GoWell(0);
  judge_.Arrived(Mailbox(kRows + 1), "<id@mta>", 1);
  judge_.Arrived("c2r1@d2.test", "<id@mta>", 1);
  const std::vector<std::string> findings = judge_.Finish();
  EXPECT_THAT(findings, Contains(HasSubstr("only 55 were loaded")));
  EXPECT_THAT(findings, Contains(HasSubstr("never acknowledged")));
}

TEST_F(CrashJudgeTest, WhatIsHeldInDoubtMayHaveArrivedOnce) {
  const Plan held{.number = 3, .rows = 2};
  judge_.Acknowledged(3, 2, 2);
  judge_.Arrived(held.MailboxOf(1), "<id@mta>", 1);
  judge_.InDoubt(held.MailboxOf(1));
  judge_.InDoubt(held.MailboxOf(2));
  GoWell(0);
  EXPECT_THAT(judge_.Finish(), IsEmpty());
}

TEST_F(CrashJudgeTest, ASecondArrivalIsNeverExplainedWhereDoubtIsHeld) {
  const Plan held{.number = 3, .rows = 1};
  judge_.Acknowledged(3, 1, 1);
  judge_.Arrived(held.MailboxOf(1), "<id@mta>", 1);
  judge_.Arrived(held.MailboxOf(1), "<id@mta>", 2);
  judge_.Settled(held.MailboxOf(1), "delivered", 2);
  GoWell(0);
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("holds what is in doubt")));
}

TEST_F(CrashJudgeTest, DoubtWhereNothingIsHeldIsFound) {
  GoWell(3);
  judge_.InDoubt(Mailbox(3));
  EXPECT_THAT(judge_.Finish(), Contains(HasSubstr("its stream resends")));
}

}  // namespace
}  // namespace sealift::crash
