#include "queue/database.h"
#include "queue/keys.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class RetentionTest : public StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
    LoadRows(campaign_, 1, 48, 1);
    packs_ = ReadAll(campaign_);
  }

  // A commit's clock was so far ahead. That it is set is seen by the machine's.
  void ExpectInTimeSince(int days_ahead) {
    const absl::Time now = absl::Now();
    const auto day = [&](int days) { return now + absl::Hours(24 * days); };
    const auto left = [&](absl::Time then) {
      EXPECT_TRUE(store_->Sweep(then, absl::Hours(24 * 14), absl::Hours(24 * 400)).ok());
      const auto events = store_->ReadEvents("", 100, {});
      EXPECT_TRUE(events.ok()) << events.status();
      return events->events.size();
    };
    Settle({MakeOutcome(packs_[0], 0, OutcomeKind::kDelivered, day(-10))});
    Settle({MakeOutcome(packs_[0], 1, OutcomeKind::kDelivered, day(days_ahead))});
    Reopen();
    packs_ = ReadAll(campaign_);
    for (size_t row = 0; row < 3; ++row) Settle({MakeOutcome(packs_[0], row, OutcomeKind::kDelivered, day(0))});
    EXPECT_EQ(left(day(385)), 5u);
    EXPECT_EQ(left(day(395)), 4u);
    EXPECT_EQ(left(day(405)), 0u);
  }

  CampaignId campaign_{};
  std::vector<std::shared_ptr<Pack>> packs_;
};

TEST_F(RetentionTest, OldParkedRowsAreForgottenAndYoungOnesKept) {
  Settle({MakeOutcome(packs_[0], 0, OutcomeKind::kBounced, kNow)});
  Settle({MakeOutcome(packs_[0], 1, OutcomeKind::kBounced, kNow + absl::Hours(24 * 10))});
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 15), absl::Hours(24 * 14), absl::Hours(24 * 400)).ok());
  EXPECT_FALSE(store_->ReadRow(campaign_, RowId{1}).ok());
  EXPECT_TRUE(store_->ReadRow(campaign_, RowId{2}).ok());
  EXPECT_TRUE(store_->ReadRow(campaign_, RowId{3}).ok());
  EXPECT_EQ(store_->ReadEvents("", 100, {})->events.size(), 2u);
}

// As of a replay that was ordered then, and waits: nothing else is kept for its sake.
TEST_F(RetentionTest, WhatWasKeptAtATimeIsKeptAndWhatWasSettledSinceGoes) {
  const auto day = [](int days) { return kNow + absl::Hours(24 * days); };
  for (const int row : {0, 1, 2, 3}) {
    Settle({MakeOutcome(packs_[0], row, OutcomeKind::kBounced, day(10 * row))});
  }
  const auto sweep_on = [&](int today, const std::vector<absl::Time>& ordered) {
    return store_->Sweep(day(today), absl::Hours(24 * 14), absl::Hours(24 * 400), ordered);
  };
  const auto left = [&] {
    std::vector<bool> rows;
    for (const uint32_t row : {1, 2, 3, 4}) rows.push_back(store_->ReadRow(campaign_, RowId{row}).ok());
    return rows;
  };
  ASSERT_TRUE(sweep_on(30, {day(15)}).ok());
  EXPECT_EQ(left(), (std::vector<bool>{false, true, true, true})) << "the first was too old when it was ordered";
  ASSERT_TRUE(sweep_on(40, {day(15)}).ok());
  EXPECT_EQ(left(), (std::vector<bool>{false, true, false, true})) << "the third was settled after the order";
  ASSERT_TRUE(sweep_on(90, {day(15), day(35)}).ok());
  EXPECT_EQ(left(), (std::vector<bool>{false, true, false, true}));
  ASSERT_TRUE(sweep_on(90, {}).ok());
  EXPECT_EQ(left(), (std::vector<bool>{false, false, false, false}));
}

TEST_F(RetentionTest, ACampaignThatWasCancelledAfterThatTimeIsNotKept) {
  ASSERT_TRUE(store_->Cancel(campaign_, false, kNow).ok());
  const auto sweep_of = [&](absl::Time ordered) {
    return store_->Sweep(kNow + absl::Hours(24 * 90), absl::Hours(24 * 14), absl::Hours(24 * 400),
                         std::vector{ordered});
  };
  ASSERT_TRUE(sweep_of(kNow + absl::Hours(1)).ok());
  EXPECT_TRUE(store_->ReadRow(campaign_, RowId{40}).ok());
  ASSERT_TRUE(sweep_of(kNow - absl::Hours(1)).ok());
  EXPECT_FALSE(store_->ReadRow(campaign_, RowId{40}).ok());
}

TEST_F(RetentionTest, WhatGoesOfACampaignThatIsParkedInPartIsTakenForNoDamage) {
  LoadRows(campaign_, 49, 4000);
  ASSERT_TRUE(store_->Cancel(campaign_, false, kNow).ok());
  const auto parked = store_->ParkCancelled(campaign_, "");
  ASSERT_TRUE(parked.ok() && !parked->done) << parked.status();
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(1), absl::ZeroDuration(), absl::Hours(24)).ok());
  EXPECT_TRUE(store_->ListParked(campaign_, RowId{}, 10)->rows.empty());
  EXPECT_TRUE(store_->ListRows(campaign_, {}, "", 10)->rows.empty());
  EXPECT_TRUE(store_->ParkCancelled(campaign_, "")->done);
  EXPECT_TRUE(store_->Reopen(campaign_, kNow, kNow).ok()) << "there is nothing to send, and nothing is wrong";
  Reopen();
}

TEST_F(RetentionTest, RowsOfACancelledCampaignGoWithTheirRetention) {
  ASSERT_TRUE(store_->Cancel(campaign_, false, kNow).ok());
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 13), absl::Hours(24 * 14), absl::Hours(24 * 400)).ok());
  EXPECT_TRUE(store_->ReadRow(campaign_, RowId{40}).ok());
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 15), absl::Hours(24 * 14), absl::Hours(24 * 400)).ok());
  EXPECT_FALSE(store_->ReadRow(campaign_, RowId{40}).ok());
  EXPECT_EQ(CountersOf(campaign_).cancelled, 48u);
}

TEST_F(RetentionTest, OldEventsAreForgottenAndTheCursorGoesOn) {
  Settle(AllOf(packs_[0], OutcomeKind::kDelivered, kNow));
  const std::string cursor = store_->ReadEvents("", 4, {})->cursor;
  Settle(AllOf(packs_[1], OutcomeKind::kDelivered, kNow + absl::Hours(24 * 100)));
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 101), absl::Hours(24 * 14), absl::Hours(24 * 50)).ok());
  EXPECT_EQ(store_->ReadEvents("", 100, {})->events.size(), 16u);
  EXPECT_EQ(store_->ReadEvents(cursor, 100, {})->events.size(), 16u);
  EXPECT_TRUE(store_->TraceMessage({packs_[0]->lane(), RowId{1}})->events.empty());
  EXPECT_EQ(store_->TraceMessage({packs_[1]->lane(), RowId{17}})->events.size(), 1u);
  // All of them gone, a new one still gets a later cursor.
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 300), absl::Hours(24 * 14), absl::Hours(24 * 50)).ok());
  EXPECT_TRUE(store_->ReadEvents("", 100, {})->events.empty());
  Reopen();
  const auto pack = ReadAll(campaign_).at(0);
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDelivered, kNow + absl::Hours(24 * 300))});
  EXPECT_EQ(store_->ReadEvents(cursor, 100, {})->events.size(), 1u);
}

// A clock that was years back for one commit.
TEST_F(RetentionTest, EventsOfAClockThatWasSetBackTakeNoOthersWithThem) {
  const auto settle = [&](size_t pack, size_t row, absl::Time time) {
    Settle({MakeOutcome(packs_[pack], row, OutcomeKind::kDelivered, time)});
  };
  for (size_t row = 0; row < 4; ++row) settle(0, row, kNow);
  Reopen();
  packs_ = ReadAll(campaign_);
  settle(1, 0, absl::FromUnixSeconds(1000));
  for (size_t row = 0; row < 4; ++row) settle(2, row, kNow);
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 30), absl::Hours(24 * 14), absl::Hours(24 * 40)).ok());
  const auto left = store_->ReadEvents("", 100, {});
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(left->events.size(), 9u);
}

TEST_F(RetentionTest, WhatFollowsAClockThatWasYearsAheadIsForgottenInItsTime) { ExpectInTimeSince(4000); }

TEST_F(RetentionTest, WhatFollowsAClockThatWasMonthsAheadIsForgottenInItsTime) { ExpectInTimeSince(200); }

TEST_F(RetentionTest, EventsWhoseKeyIsGoneAreForgottenAndOthersRead) {
  Settle({MakeOutcome(packs_[0], 0, OutcomeKind::kDelivered, kNow)});
  store_.reset();
  {
    const auto database = Database::Open({.path = path_, .memory_bytes = 32 << 20});
    ASSERT_TRUE(database.ok()) << database.status();
    const std::string begin(kEventKeyPrefix), end = PrefixEnd(begin);
    ASSERT_TRUE((*database)->get()->DeleteRange({}, (*database)->handle(Column::kMeta), begin, end).ok());
  }
  Open();
  Settle({MakeOutcome(ReadAll(campaign_).at(0), 0, OutcomeKind::kDelivered, kNow + absl::Hours(24 * 40))});
  const auto left = store_->ReadEvents("", 100, {});
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(left->events.size(), 1u);
  EXPECT_TRUE(store_->TraceMessage({packs_[0]->lane(), RowId{1}})->events.empty());
}

TEST_F(RetentionTest, RecipientsAreForgottenWithTheLastThatIsKnownOfTheirCampaign) {
  const auto known = [&] { return !store_->FindMessagesTo(campaign_, "patient1@d0.test")->empty(); };
  const auto sweep_after = [&](int days) {
    return store_->Sweep(kNow + absl::Hours(24 * days), absl::Hours(24 * 14), absl::Hours(24 * 50));
  };
  for (const auto& pack : packs_) Settle(AllOf(pack, OutcomeKind::kDelivered, kNow));
  ASSERT_TRUE(sweep_after(60).ok());
  EXPECT_TRUE(known()) << "it has not ended";
  ASSERT_TRUE(store_->SetEnded(campaign_, kNow + absl::Hours(24 * 30)).ok());
  ASSERT_TRUE(sweep_after(70).ok());
  EXPECT_TRUE(known()) << "too early";
  ASSERT_TRUE(sweep_after(90).ok());
  EXPECT_FALSE(known());
}

TEST_F(RetentionTest, RecipientsOfRowsThatAreStillThereAreNotForgotten) {
  ASSERT_TRUE(store_->SetEnded(campaign_, kNow).ok());
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 90), absl::Hours(24 * 14), absl::Hours(24 * 50)).ok());
  EXPECT_FALSE(store_->FindMessagesTo(campaign_, "patient1@d0.test")->empty());
}

TEST_F(RetentionTest, TheOldestEventLeftSaysWhichWentBeforeIt) {
  Settle(AllOf(packs_[0], OutcomeKind::kDelivered, kNow));
  const std::string newest = store_->ReadEvents("", 100, {})->events.back().cursor;
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 101), absl::Hours(24 * 14), absl::Hours(24 * 50)).ok());
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 102), absl::Hours(24 * 14), absl::Hours(24 * 50)).ok());
  Reopen();
  Settle(AllOf(ReadAll(campaign_).at(0), OutcomeKind::kDelivered, kNow + absl::Hours(24 * 102)));
  const auto left = store_->ReadEvents("", 100, {});
  ASSERT_EQ(left->events.size(), 16u);
  EXPECT_EQ(left->events.front().after, newest);
}

TEST_F(RetentionTest, ARowThatOutlivesItsEventsIsFound) {
  const absl::Time due = kNow + absl::Hours(24 * 200);
  Settle({MakeOutcome(packs_[1], 3, OutcomeKind::kDeferred, kNow, due)});
  ASSERT_TRUE(store_->Sweep(kNow + absl::Hours(24 * 101), absl::Hours(24 * 14), absl::Hours(24 * 50)).ok());
  const MessageKey message{packs_[1]->lane(), packs_[1]->rows()[3].id};
  const auto trace = store_->TraceMessage(message);
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_TRUE(trace->events.empty());
  ASSERT_TRUE(trace->row.has_value());
  EXPECT_EQ(trace->row->message.row, message.row);
  EXPECT_EQ(trace->row->due, Store::RoundDue(due, kNow));
}

TEST_F(RetentionTest, ADayBringsANewIncarnationAndEverythingStillOpens) {
  ASSERT_TRUE(store_->Sweep(absl::Now() + absl::Hours(25), absl::InfiniteDuration(), absl::InfiniteDuration()).ok());
  Settle(AllOf(packs_[0], OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(5)));
  EXPECT_EQ(RowIds(ReadAll(campaign_, kNow + absl::Minutes(5))), Range(1, 48));
  Reopen();
  EXPECT_EQ(RowIds(ReadAll(campaign_, kNow + absl::Minutes(5))), Range(1, 48));
}

}  // namespace
}  // namespace sealift::queue
