// Rows that an operator moves: settled in the queue, or brought back to it, with a record that counts them exactly.
#include <gmock/gmock.h>

#include "queue/database.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RowMovesTest : public StoreTest {
 protected:
  static Order Record(uint64_t rows) { return {OrderKind::kJob, 1, fmt::format("{}", rows)}; }

  // Bounces the rows of every lane with an even number, a step at a time.
  uint64_t BounceEven(CampaignId id) {
    uint64_t total = 0;
    for (const LaneRecord& lane : Lanes(id)) {
      std::string after;
      for (bool done = false; !done;) {
        const auto settled = store_->SettleSome({.lane = lane.lane,
                                                 .after = after,
                                                 .judge = [](const Pack&, const Row& row) -> std::optional<Outcome> {
                                                   if (static_cast<uint32_t>(row.id) % 2 != 0) return std::nullopt;
                                                   Outcome outcome;
                                                   outcome.kind = OutcomeKind::kBounced;
                                                   outcome.time = kNow;
                                                   outcome.reason_class = "policy";
                                                   return outcome;
                                                 },
                                                 .record = [&](uint64_t rows) { return Record(total + rows); }});
        EXPECT_TRUE(settled.ok()) << settled.status();
        if (!settled.ok()) return total;
        total += settled->rows;
        after = settled->after;
        done = settled->done;
      }
    }
    return total;
  }
  std::vector<ParkedRow> Parked(CampaignId id) {
    const auto page = store_->ListParked(id, RowId{}, 1000);
    EXPECT_TRUE(page.ok()) << page.status();
    EXPECT_TRUE(page->done);
    return page->rows;
  }
  ReplayStep StepFor(CampaignId id, absl::Time due) {
    ReplayStep step{
        .campaign = id,
        .mailing = Mailing{.campaign = "spring", .stream = "newsletter", .sink = true},
        .accepted = kNow + absl::Hours(1),
        .rows = {},
        .record = [](uint64_t replayed, uint64_t suppressed) { return Record(replayed * 1000 + suppressed); }};
    for (const ParkedRow& row : Parked(id)) step.rows.push_back({row.row.message.row, due, due + absl::Hours(24)});
    return step;
  }
  std::vector<Order> Orders() {
    const auto orders = store_->ReadOrders(OrderKind::kJob);
    EXPECT_TRUE(orders.ok()) << orders.status();
    return orders.ok() ? *orders : std::vector<Order>();
  }
};

TEST_F(RowMovesTest, WhatIsSettledIsCountedInTheSameCommitAndFoundOnce) {
  Open();
  const CampaignId id = Create();
  LoadRows(id, 1, 100);
  EXPECT_EQ(BounceEven(id), 50u);
  EXPECT_EQ(BounceEven(id), 0u);
  Reopen();
  EXPECT_THAT(Orders(), ElementsAre(Record(50)));
  EXPECT_EQ(CountersOf(id).bounced, 50u);
  EXPECT_EQ(CountersOf(id).queued(), 50u);
  uint64_t in_lanes = 0;
  for (const LaneRecord& lane : Lanes(id)) in_lanes += lane.queued;
  EXPECT_EQ(in_lanes, 50u);
  const std::vector<uint32_t> left = RowIds(ReadAll(id));
  EXPECT_THAT(left, SizeIs(50));
  for (const uint32_t row : left) EXPECT_EQ(row % 2, 1u);
}

TEST_F(RowMovesTest, AReplayMovesRowsBackAsNeverTriedAtTheirTimeAndOnlyOnce) {
  Open();
  const CampaignId id = Create();
  LoadRows(id, 1, 40);
  BounceEven(id);
  const absl::Time due = kNow + absl::Hours(2);
  const ReplayStep step = StepFor(id, due);
  ASSERT_THAT(step.rows, SizeIs(20));
  const MessageKey first = Parked(id).at(0).row.message;
  const auto replayed = store_->ReplaySome(step);
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(replayed->rows, 20u);
  const auto again = store_->ReplaySome(step);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->rows, 0u) << "what was moved is not found again";

  const absl::StatusOr<Trace> trace = store_->TraceMessage(first);
  ASSERT_TRUE(trace.ok()) << trace.status();
  ASSERT_TRUE(trace->row.has_value()) << "whoever asks for it is told that it is queued";
  EXPECT_FALSE(trace->row->parked);
  EXPECT_GE(trace->row->due, due);

  Reopen();
  EXPECT_THAT(Parked(id), IsEmpty());
  const Counters counters = CountersOf(id);
  EXPECT_EQ(counters.bounced, 0u);
  EXPECT_EQ(counters.queued(), 40u);
  EXPECT_EQ(counters.retrying, 20u);
  EXPECT_THAT(RowIds(ReadAll(id)), SizeIs(20)) << "the others are not due";
  const auto packs = ReadAll(id, due + absl::Seconds(1));
  EXPECT_EQ(RowIds(packs), Range(1, 40));
  for (const auto& pack : packs) {
    if (pack->due() == absl::InfinitePast()) continue;
    EXPECT_GE(pack->due(), due);
    EXPECT_EQ(pack->accepted(), kNow + absl::Hours(1));
    EXPECT_EQ(pack->expires(), due + absl::Hours(24));
    for (const Row& row : pack->rows()) {
      EXPECT_EQ(row.attempts, 0);
      EXPECT_EQ(row.date, absl::InfinitePast());
      EXPECT_EQ(row.fields[0], fmt::format("Name{}", static_cast<uint32_t>(row.id)));
    }
  }
  // Everything that was moved can be settled, and the account is even.
  for (const auto& pack : packs) Settle(AllOf(pack, OutcomeKind::kDelivered));
  EXPECT_EQ(CountersOf(id).delivered, 40u);
  EXPECT_EQ(CountersOf(id).queued(), 0u);
  EXPECT_EQ(CountersOf(id).retrying, 0u);
  EXPECT_THAT(Lanes(id), IsEmpty());
}

TEST_F(RowMovesTest, AReplayIntoALaneThatIsGoneMakesItAnew) {
  Open();
  const CampaignId id = Create();
  LoadRows(id, 1, 20, 1);
  for (const auto& pack : ReadAll(id)) Settle(AllOf(pack, OutcomeKind::kBounced));
  store_.reset();
  {
    const auto database = Database::Open({.path = path_, .memory_bytes = 32 << 20});
    ASSERT_TRUE(database.ok()) << database.status();
    rocksdb::ColumnFamilyHandle* const lanes = (*database)->handle(Column::kLanes);
    rocksdb::CompactRangeOptions all;
    all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    // The first sums up what the second then drops.
    for (int i = 0; i < 2; ++i) ASSERT_TRUE((*database)->get()->CompactRange(all, lanes, nullptr, nullptr).ok());
    const std::unique_ptr<rocksdb::Iterator> it((*database)->get()->NewIterator({}, lanes));
    it->SeekToFirst();
    ASSERT_FALSE(it->Valid()) << "a lane with nothing queued is kept";
  }
  Open();
  const auto replayed = store_->ReplaySome(StepFor(id, kNow + absl::Hours(2)));
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(replayed->rows, 20u);
  ASSERT_THAT(Lanes(id), SizeIs(1));
  EXPECT_EQ(Lanes(id)[0].domain, "d0.test");
  EXPECT_EQ(Lanes(id)[0].queued, 20u);
  EXPECT_EQ(RowIds(ReadAll(id, kNow + absl::Hours(3))), Range(1, 20));
  Reopen();
  EXPECT_EQ(RowIds(ReadAll(id, kNow + absl::Hours(3))), Range(1, 20));
}

TEST_F(RowMovesTest, AReplayLeavesWhatIsNotMeantAsItIsParkedByNow) {
  Open();
  const CampaignId id = Create();
  LoadRows(id, 1, 8);
  BounceEven(id);
  ReplayStep step = StepFor(id, kNow);
  step.meant = [](const ParkedRow& row) { return row.row.message.row != RowId{4}; };
  const auto replayed = store_->ReplaySome(step);
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(replayed->rows, 3u);
  ASSERT_THAT(Parked(id), SizeIs(1));
  EXPECT_EQ(Parked(id)[0].row.message.row, RowId{4});
}

TEST_F(RowMovesTest, WhatIsReplayedExpiresAtItsOwnTimeAlsoAfterARestart) {
  Open();
  const CampaignId id = Create();
  LoadRows(id, 1, 8);
  BounceEven(id);
  const absl::Time due = kNow + absl::Hours(1), expires = due + absl::Hours(24);
  ASSERT_TRUE(store_->Expire(id, kNow, nullptr).ok());  // what is known of its expiry is what a look has found
  ASSERT_THAT(store_->Expiring(expires), IsEmpty());
  ASSERT_TRUE(store_->ReplaySome(StepFor(id, due)).ok());
  EXPECT_THAT(store_->Expiring(expires), ElementsAre(id));
  EXPECT_THAT(store_->Expiring(expires - absl::Seconds(1)), IsEmpty());
  Reopen();
  EXPECT_THAT(store_->Expiring(expires), ElementsAre(id));
  EXPECT_THAT(store_->Expiring(expires - absl::Seconds(1)), IsEmpty());
}

TEST_F(RowMovesTest, AReplayLeavesWhoIsSuppressedByNow) {
  Open();
  const CampaignId id = Create();
  LoadRows(id, 1, 8);
  BounceEven(id);
  SuppressionChange change{.address = MakeRow(4).recipient, .entry = {}};
  change.entry.what.kind = SuppressionKind::kOptOut;
  change.entry.time = kNow;
  ASSERT_TRUE(store_->ChangeSuppressions({change}, false).ok());
  const auto replayed = store_->ReplaySome(StepFor(id, kNow));
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(replayed->rows, 3u);
  EXPECT_EQ(replayed->suppressed, 1u);
  EXPECT_THAT(Orders(), ElementsAre(Record(3001)));
  ASSERT_THAT(Parked(id), SizeIs(1));
  EXPECT_EQ(Parked(id)[0].row.recipient, MakeRow(4).recipient);
}

TEST_F(RowMovesTest, ACancelledCampaignTakesNothingBack) {
  Open();
  const CampaignId id = Create();
  LoadRows(id, 1, 8);
  BounceEven(id);
  ASSERT_TRUE(store_->Cancel(id, false, kNow).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->ReplaySome(StepFor(id, kNow)).status()));
  EXPECT_EQ(CountersOf(id).bounced, 4u);
}

TEST_F(RowMovesTest, OrdersAreKeptSealedAndForgottenWhenEmpty) {
  Open();
  const std::vector<Order> orders = {{OrderKind::kHold, 1, "patient4@d1.test"}, {OrderKind::kHold, 300, "b"}};
  ASSERT_TRUE(store_->WriteOrders(orders).ok());
  Reopen();
  EXPECT_THAT(store_->ReadOrders(OrderKind::kHold).value(), ElementsAre(orders[0], orders[1]));
  EXPECT_THAT(store_->ReadOrders(OrderKind::kJob).value(), IsEmpty());
  ASSERT_TRUE(store_->WriteOrders({{OrderKind::kHold, 1, ""}}).ok());
  EXPECT_THAT(store_->ReadOrders(OrderKind::kHold).value(), ElementsAre(orders[1]));
}

TEST_F(RowMovesTest, ADeferredRowKeepsTheClassOfItsLastAttempt) {
  Open();
  const CampaignId id = Create();
  LoadRows(id, 1, 4, 1);
  const absl::Time due = kNow + absl::Hours(1);
  std::vector<Outcome> outcomes = AllOf(ReadAll(id).at(0), OutcomeKind::kDeferred, kNow, due);
  for (size_t i = 0; i < outcomes.size(); ++i) outcomes[i].reason_class = i % 2 == 0 ? "greylisted" : "rate";
  Settle(std::move(outcomes));
  Reopen();
  const auto packs = ReadAll(id, Store::RoundDue(due, kNow));
  ASSERT_THAT(packs, SizeIs(1));
  std::vector<std::string_view> classes;
  for (const Row& row : packs[0]->rows()) classes.push_back(row.reason_class);
  EXPECT_THAT(classes, ElementsAre("greylisted", "rate", "greylisted", "rate"));
  EXPECT_EQ(store_->ListRows(id, {}, "", 10)->rows[1].reason_class, "rate");
}

}  // namespace
}  // namespace sealift::queue
