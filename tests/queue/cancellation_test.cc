// A campaign that was cancelled comes back: its rows are parked, it runs again, and a replay finds each of them once.
#include "queue/cancellation.h"

#include <gmock/gmock.h>

#include "queue/database.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class CancellationTest : public StoreTest {
 protected:
  void SetUp() override { Open(); }

  // In how many steps all were parked.
  int ParkAll(CampaignId id) {
    std::string after;
    for (int steps = 1;; ++steps) {
      const auto parked = store_->ParkCancelled(id, after);
      EXPECT_TRUE(parked.ok()) << parked.status();
      if (!parked.ok() || parked->done) return steps;
      after = parked->after;
    }
  }

  std::vector<ParkedRow> Parked(CampaignId id) {
    const auto page = store_->ListParked(id, RowId{}, 10'000);
    EXPECT_TRUE(page.ok()) << page.status();
    return page->rows;
  }

  // Those that were not in doubt.
  uint64_t ReplayAll(CampaignId id) {
    ReplayStep step{.campaign = id, .mailing = {}, .accepted = kNow + absl::Hours(1), .rows = {}, .record = nullptr};
    const absl::Time due = kNow + absl::Hours(1);
    for (const ParkedRow& row : Parked(id)) {
      if (row.reason_class != kInDoubtClass) step.rows.push_back({row.row.message.row, due, due + absl::Hours(24)});
    }
    const auto replayed = store_->ReplaySome(step);
    EXPECT_TRUE(replayed.ok()) << replayed.status();
    return replayed.ok() ? replayed->rows : 0;
  }

  bool InSchedule(CampaignId id) {
    const auto page = store_->ListRows(id, {}, "", 1);
    EXPECT_TRUE(page.ok()) << page.status();
    return !page->rows.empty();
  }
};

TEST_F(CancellationTest, EachRowThatWasCancelledIsParkedAndIsSentOnceMore) {
  const CampaignId id = Create();
  LoadRows(id, 1, 100, 4);
  const auto packs = ReadAll(id);
  Outcome greylisted = MakeOutcome(packs[0], 1, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1));
  greylisted.reason_class = "greylisted";
  Settle({MakeOutcome(packs[0], 0, OutcomeKind::kDelivered), std::move(greylisted),
          MakeOutcome(packs[0], 2, OutcomeKind::kDeferred)});  // without a due time: in doubt
  const RowId delivered = packs[0]->rows()[0].id, deferred = packs[0]->rows()[1].id, doubtful = packs[0]->rows()[2].id;
  ASSERT_TRUE(store_->Cancel(id, false, kNow + absl::Minutes(5)).ok());
  const Counters cancelled = CountersOf(id);
  ASSERT_EQ(cancelled.cancelled, 99u);

  ParkAll(id);
  Reopen();
  EXPECT_EQ(CountersOf(id), cancelled) << "parking changes no count";
  EXPECT_FALSE(InSchedule(id));
  const std::vector<ParkedRow> parked = Parked(id);
  ASSERT_THAT(parked, SizeIs(99));
  for (const ParkedRow& row : parked) {
    const RowId number = row.row.message.row;
    EXPECT_NE(number, delivered);
    EXPECT_EQ(row.kind, OutcomeKind::kCancelled);
    EXPECT_EQ(row.settled, kNow + absl::Minutes(5));
    const InputRow loaded = MakeRow(static_cast<uint32_t>(number), 4);
    EXPECT_EQ(row.row.recipient, loaded.recipient);
    EXPECT_EQ(row.row.fields, loaded.fields);
    EXPECT_EQ(row.reason_class, number == deferred ? "greylisted" : number == doubtful ? kInDoubtClass : "");
  }

  ASSERT_TRUE(store_->Reopen(id, kNow + absl::Minutes(5), kNow + absl::Hours(1)).ok());
  const auto campaign = store_->GetCampaign(id);
  EXPECT_EQ(campaign->state, CampaignState::kRunning);
  EXPECT_EQ(campaign->ended, absl::InfiniteFuture());
  EXPECT_EQ(campaign->counters, cancelled) << "nothing is queued yet";
  EXPECT_EQ(ReplayAll(id), 98u);
  EXPECT_EQ(ReplayAll(id), 0u);
  Reopen();
  EXPECT_EQ(CountersOf(id).queued(), 98u);
  EXPECT_EQ(CountersOf(id).cancelled, 1u) << "the one in doubt";
  for (const auto& pack : ReadAll(id, kNow + absl::Hours(2))) Settle(AllOf(pack, OutcomeKind::kDelivered));
  EXPECT_EQ(CountersOf(id).delivered, 99u);
  EXPECT_EQ(CountersOf(id).queued(), 0u);
  EXPECT_THAT(Lanes(id), IsEmpty());
  Reopen();
}

TEST_F(CancellationTest, ManyRowsAreParkedInSeveralCommitsAndAKillBetweenThemLosesNothing) {
  const CampaignId id = Create();
  LoadRows(id, 1, 3000);
  ASSERT_TRUE(store_->Cancel(id, false, kNow).ok());
  const auto first = store_->ParkCancelled(id, "");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->done) << "other commits wait for it";
  const size_t parked = Parked(id).size();
  EXPECT_GT(parked, 0u);
  EXPECT_TRUE(InSchedule(id));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Reopen(id, kNow, kNow))) << "some are not parked";
  EXPECT_EQ(store_->GetCampaign(id)->state, CampaignState::kCancelled);
  Reopen();
  EXPECT_EQ(Parked(id).size(), parked);
  EXPECT_GT(ParkAll(id), 1);
  EXPECT_EQ(ParkAll(id), 1) << "again is nothing";
  ASSERT_TRUE(store_->Reopen(id, kNow, kNow).ok());
  ASSERT_TRUE(store_->Reopen(id, kNow, kNow).ok()) << "again is nothing";
  EXPECT_EQ(ReplayAll(id), 3000u);
  Reopen();
  EXPECT_EQ(RowIds(ReadAll(id, kNow + absl::Hours(2))), Range(1, 3000));
}

TEST_F(CancellationTest, ItCanBeCancelledAgainAndComeBackAgain) {
  const CampaignId id = Create();
  LoadRows(id, 1, 48);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    const absl::Time cancelled = kNow + absl::Minutes(round);
    ASSERT_TRUE(store_->Cancel(id, false, cancelled).ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(store_->BeginLoad(id, kNow).status()));
    Reopen();
    ParkAll(id);
    EXPECT_TRUE(absl::IsFailedPrecondition(store_->Reopen(id, cancelled - absl::Seconds(1), kNow)))
        << "what it is told of is another cancellation";
    ASSERT_TRUE(store_->Reopen(id, cancelled, kNow).ok());
    EXPECT_EQ(ReplayAll(id), 48u);
    EXPECT_EQ(CountersOf(id).queued(), 48u);
  }
  LoadRows(id, 49, 64);  // its load goes on where it was
  Reopen();
  EXPECT_EQ(RowIds(ReadAll(id, kNow + absl::Hours(2))), Range(1, 64));
}

TEST_F(CancellationTest, WhatStillArrivesOfAClaimIsAFactBeforeAndAfterTheRowsAreParked) {
  const CampaignId id = Create();
  LoadRows(id, 1, 32, 1);
  const auto packs = ReadAll(id);
  ASSERT_TRUE(store_->Cancel(id, false, kNow).ok());
  Settle({MakeOutcome(packs[0], 0, OutcomeKind::kDelivered), MakeOutcome(packs[0], 1, OutcomeKind::kDeferred)});
  ParkAll(id);
  Settle({MakeOutcome(packs[1], 0, OutcomeKind::kDelivered), MakeOutcome(packs[1], 1, OutcomeKind::kBounced),
          MakeOutcome(packs[1], 2, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1))});
  ASSERT_TRUE(store_->Reopen(id, kNow, kNow).ok());
  const Counters counters = CountersOf(id);
  EXPECT_EQ(counters.delivered, 2u);
  EXPECT_EQ(counters.bounced, 1u);
  EXPECT_EQ(counters.cancelled, 29u);
  EXPECT_EQ(counters.queued(), 0u);
  size_t cancelled = 0;
  for (const ParkedRow& row : Parked(id)) cancelled += row.kind == OutcomeKind::kCancelled ? 1 : 0;
  EXPECT_EQ(cancelled, 29u) << "who has it is not among them";
  Reopen();
}

TEST_F(CancellationTest, ErasingTakesWhatIsParkedToo) {
  const CampaignId id = Create();
  LoadRows(id, 1, 32);
  ASSERT_TRUE(store_->Cancel(id, false, kNow).ok());
  ParkAll(id);
  ASSERT_TRUE(store_->Cancel(id, /*erase=*/true, kNow).ok());
  EXPECT_THAT(Parked(id), IsEmpty());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Reopen(id, kNow, kNow)));
  EXPECT_EQ(CountersOf(id).cancelled, 32u);
}

// A row that was delivered before the campaign was cancelled is put back among those that were not.
TEST_F(CancellationTest, ASettledRowThatWasPutBackIsDetected) {
  const CampaignId id = Create();
  LoadRows(id, 1, 64, 1);
  const auto packs = ReadAll(id);
  const auto write = [&](const std::function<void(Database&)>& change) {
    store_.reset();
    auto database = Database::Open({.path = path_, .memory_bytes = 32 << 20});
    ASSERT_TRUE(database.ok()) << database.status();
    change(**database);
    database->reset();
    Open();
  };
  const std::string key =
      RowsKey{packs[0]->lane(), RowsKey::kFresh, static_cast<uint32_t>(packs[0]->rows()[0].id)}.Encode();
  std::string pack;
  write([&](Database& database) { ASSERT_TRUE(database->Get({}, database.handle(Column::kRows), key, &pack).ok()); });
  Settle(AllOf(ReadAll(id).at(0), OutcomeKind::kDelivered));
  ASSERT_TRUE(store_->Cancel(id, false, kNow).ok());
  write([&](Database& database) { ASSERT_TRUE(database->Put({}, database.handle(Column::kRows), key, pack).ok()); });
  ParkAll(id);
  const absl::Status reopened = store_->Reopen(id, kNow, kNow);
  EXPECT_EQ(reopened.code(), absl::StatusCode::kDataLoss) << reopened;
  EXPECT_EQ(store_->GetCampaign(id)->state, CampaignState::kCancelled);
}

}  // namespace
}  // namespace sealift::queue
