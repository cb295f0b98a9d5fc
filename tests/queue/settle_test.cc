#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class SettleTest : public StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
  }
  LaneId OnlyLane() { return Lanes(campaign_).at(0).lane; }

  CampaignId campaign_{};
};

TEST_F(SettleTest, DeliveredRowsAreGoneAndCounted) {
  LoadRows(campaign_, 1, 40, 1);
  for (const auto& pack : ReadAll(campaign_)) Settle(AllOf(pack, OutcomeKind::kDelivered));
  const Counters counters = CountersOf(campaign_);
  EXPECT_EQ(counters.delivered, 40u);
  EXPECT_EQ(counters.queued(), 0u);
  EXPECT_TRUE(Lanes(campaign_).empty());
  Reopen();
  EXPECT_TRUE(Lanes(campaign_).empty());
  EXPECT_EQ(CountersOf(campaign_), counters);
}

TEST_F(SettleTest, APackSettledInPartKeepsTheRest) {
  LoadRows(campaign_, 1, 16, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDelivered), MakeOutcome(pack, 5, OutcomeKind::kBounced)});
  Settle({MakeOutcome(pack, 15, OutcomeKind::kDelivered)});
  EXPECT_EQ(Lanes(campaign_).at(0).queued, 13u);
  Reopen();
  auto left = Range(2, 15);
  std::erase(left, 6);
  const auto packs = ReadAll(campaign_);
  EXPECT_EQ(RowIds(packs), left);
  EXPECT_EQ(packs.at(0)->rows()[0].recipient, "patient2@d0.test");
  EXPECT_EQ(packs.at(0)->rows()[0].fields[0], "Name2");
  // And the rest of the rest.
  Settle(AllOf(packs.at(0), OutcomeKind::kDelivered));
  EXPECT_TRUE(Lanes(campaign_).empty());
  EXPECT_EQ(CountersOf(campaign_).queued(), 0u);
}

TEST_F(SettleTest, ADeferredRowComesBackWhenItIsDueWithItsAttemptAndDate) {
  LoadRows(campaign_, 1, 3, 1);
  const auto pack = ReadAll(campaign_).at(0);
  const absl::Time due = kNow + absl::Minutes(5) + absl::Milliseconds(30);
  Settle({MakeOutcome(pack, 1, OutcomeKind::kDeferred, kNow, due)});
  const LaneId lane = pack->lane();

  LaneWindow early = ReadOne({.lane = lane, .fresh = {}, .retry = {}, .now = due, .packs_max = 8});
  EXPECT_EQ(RowIds(early.packs), (std::vector<uint32_t>{1, 3})) << "the round due time is not before the one asked for";
  EXPECT_EQ(early.next_due, Store::RoundDue(due, kNow));
  LaneWindow window = ReadOne(
      {.lane = lane, .fresh = early.fresh, .retry = early.retry, .now = Store::RoundDue(due, kNow), .packs_max = 8});
  ASSERT_EQ(RowIds(window.packs), (std::vector<uint32_t>{2}));
  EXPECT_EQ(window.packs[0]->due(), Store::RoundDue(due, kNow));
  EXPECT_EQ(window.packs[0]->rows()[0].attempts, 1);
  EXPECT_EQ(window.packs[0]->rows()[0].date, kNow);
  EXPECT_EQ(window.packs[0]->accepted(), kNow);
  EXPECT_EQ(window.packs[0]->expires(), kNow + absl::Hours(72));
  EXPECT_EQ(CountersOf(campaign_).retrying, 1u);
  EXPECT_EQ(CountersOf(campaign_).deferrals, 1u);
  const LaneRecord record = Lanes(campaign_).at(0);
  EXPECT_EQ(record.queued, 3u);
  EXPECT_EQ(record.retrying, 1u);
  EXPECT_EQ(record.next_due, Store::RoundDue(due, kNow));
  EXPECT_EQ(record.domain, "d0.test");

  // The first Date stays on the second attempt.
  Settle({MakeOutcome(window.packs[0], 0, OutcomeKind::kDeferred, kNow + absl::Hours(1), kNow + absl::Hours(2))});
  const auto again = ReadOne(
      {.lane = lane, .fresh = window.fresh, .retry = window.retry, .now = kNow + absl::Hours(2), .packs_max = 8});
  ASSERT_EQ(again.packs.size(), 1u);
  EXPECT_EQ(again.packs[0]->rows()[0].attempts, 2);
  EXPECT_EQ(again.packs[0]->rows()[0].date, kNow);
  EXPECT_EQ(CountersOf(campaign_).deferrals, 2u);
  EXPECT_EQ(CountersOf(campaign_).retrying, 1u);
}

TEST_F(SettleTest, RowsDeferredTogetherShareAPack) {
  LoadRows(campaign_, 1, 32, 1);
  const auto packs = ReadAll(campaign_);
  ASSERT_EQ(packs.size(), 2u);
  std::vector<Outcome> outcomes;
  for (const auto& pack : packs) {
    for (size_t i = 0; i < 8; ++i) {
      outcomes.push_back(MakeOutcome(pack, i, OutcomeKind::kDeferred, kNow, kNow + absl::Milliseconds(1 + int64_t(i))));
    }
  }
  Settle(std::move(outcomes));
  const LaneWindow window =
      ReadOne({.lane = OnlyLane(), .fresh = {}, .retry = {}, .now = kNow + absl::Seconds(1), .packs_max = 1});
  ASSERT_EQ(window.packs.size(), 1u);
  EXPECT_EQ(window.packs[0]->rows().size(), 16u);
}

TEST_F(SettleTest, RowsThatWaitLongShareThePackOfTheirStep) {
  LoadRows(campaign_, 1, 16, 1);
  const auto pack = ReadAll(campaign_).at(0);
  const absl::Time due = absl::FromUnixSeconds(absl::ToUnixSeconds(kNow) / 4 * 4) + absl::Minutes(5);
  std::vector<Outcome> outcomes;
  outcomes.reserve(16);
  for (size_t i = 0; i < 16; ++i) {
    outcomes.push_back(
        MakeOutcome(pack, i, OutcomeKind::kDeferred, kNow, due + absl::Milliseconds(1 + 240 * int64_t(i))));
  }
  Settle(std::move(outcomes));
  const LaneWindow window =
      ReadOne({.lane = OnlyLane(), .fresh = {}, .retry = {}, .now = due + absl::Seconds(4), .packs_max = 1});
  ASSERT_EQ(window.packs.size(), 1u);
  EXPECT_EQ(window.packs[0]->rows().size(), 16u);
  EXPECT_EQ(window.packs[0]->due(), due + absl::Seconds(4));
}

TEST_F(SettleTest, ARowIsNeverCommittedBehindWhatWasRead) {
  const absl::Time now = absl::Now(), before = now - absl::Hours(3);
  LoadRows(campaign_, 1, 2, 1);
  const auto pack = ReadAll(campaign_, before).at(0);
  const LaneId lane = pack->lane();
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDeferred, before, now - absl::Hours(1))});
  const LaneWindow read = ReadOne({.lane = lane, .fresh = {}, .retry = {}, .now = now, .packs_max = 8});
  ASSERT_FALSE(read.retry.empty());
  Settle({MakeOutcome(pack, 1, OutcomeKind::kDeferred, before, now - absl::Hours(2))});
  const LaneWindow next =
      ReadOne({.lane = lane, .fresh = read.fresh, .retry = read.retry, .now = now + absl::Hours(1), .packs_max = 8});
  EXPECT_EQ(RowIds(next.packs), (std::vector<uint32_t>{2}));
  EXPECT_GT(next.packs[0]->due(), now);
}

TEST_F(SettleTest, SettledRowsAreParkedAndDeliveredOnesAreNot) {
  LoadRows(campaign_, 1, 4, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Settle({MakeOutcome(pack, 0, OutcomeKind::kBounced), MakeOutcome(pack, 1, OutcomeKind::kExpired),
          MakeOutcome(pack, 2, OutcomeKind::kDelivered)});
  const auto bounced = store_->ReadRow(campaign_, RowId{1});
  ASSERT_TRUE(bounced.ok()) << bounced.status();
  EXPECT_TRUE(bounced->parked);
  EXPECT_EQ(bounced->recipient, "patient1@d0.test");
  EXPECT_EQ(bounced->attempts, 1);
  EXPECT_EQ(bounced->fields, (std::vector<std::string>{"Name1", "x"}));
  EXPECT_TRUE(store_->ReadRow(campaign_, RowId{2}).ok());
  EXPECT_EQ(store_->ReadRow(campaign_, RowId{3}).status().code(), absl::StatusCode::kNotFound);
  const auto queued = store_->ReadRow(campaign_, RowId{4});
  ASSERT_TRUE(queued.ok());
  EXPECT_FALSE(queued->parked);
}

TEST_F(SettleTest, AFullInboxRefusesAndTakesAgainOnceDurable) {
  store_.reset();
  inbox_outcomes_max_ = 4;
  Open();
  LoadRows(campaign_, 1, 64, 1);
  uint64_t last = 0;
  for (const auto& pack : ReadAll(campaign_)) {
    for (size_t i = 0; i < pack->rows().size(); i += 4) {
      std::vector<Outcome> batch;
      for (size_t row = i; row < i + 4; ++row) batch.push_back(MakeOutcome(pack, row, OutcomeKind::kDelivered));
      const uint64_t before = last;
      last += 4;
      while (!store_->Settle(0, last, batch)) {
        ASSERT_EQ(batch.size(), 4u) << "a refused batch is left as it was";
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return durable_[0] >= before; });
      }
      EXPECT_TRUE(batch.empty());
    }
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return durable_[0] == last; });
  lock.unlock();
  EXPECT_EQ(CountersOf(campaign_).delivered, 64u);
}

TEST_F(SettleTest, EachShardHearsOfItsOwnNumbers) {
  LoadRows(campaign_, 1, 8, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDelivered)}, 0);
  Settle({MakeOutcome(pack, 1, OutcomeKind::kDelivered), MakeOutcome(pack, 2, OutcomeKind::kDelivered)}, 1);
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(durable_[0], 1u);
  EXPECT_EQ(durable_[1], 2u);
}

TEST_F(SettleTest, MovedRetriesAreDueAtOnceAndClaimedOnesStay) {
  LoadRows(campaign_, 1, 48, 1);
  const auto packs = ReadAll(campaign_);
  ASSERT_EQ(packs.size(), 3u);
  const LaneId lane = packs[0]->lane();
  Settle(AllOf(packs[0], OutcomeKind::kDeferred, kNow, kNow + absl::Seconds(10)));
  Settle(AllOf(packs[1], OutcomeKind::kDeferred, kNow, kNow + absl::Hours(4)));
  const LaneWindow claimed =
      ReadOne({.lane = lane, .fresh = {}, .retry = {}, .now = kNow + absl::Seconds(10), .packs_max = 1});
  ASSERT_EQ(RowIds(claimed.packs), Range(1, 16));

  EXPECT_EQ(MoveDue(lane, claimed.retry, kNow + absl::Seconds(11)), 16u);
  const LaneWindow moved =
      ReadOne({.lane = lane, .fresh = {}, .retry = claimed.retry, .now = kNow + absl::Seconds(11), .packs_max = 1});
  EXPECT_EQ(RowIds(moved.packs), Range(17, 32));
  EXPECT_EQ(Lanes(campaign_).at(0).retrying, 32u);
  EXPECT_EQ(Lanes(campaign_).at(0).queued, 48u);
  Reopen();
  EXPECT_EQ(RowIds(ReadAll(campaign_, kNow + absl::Seconds(11))), Range(1, 48));
}

// They were read by a clock that ran ahead, and nothing says so any more.
TEST_F(SettleTest, WhatBecameOfClaimedRowsThatWereMovedIsSettledWhereTheyStand) {
  LoadRows(campaign_, 1, 32, 1);
  const absl::Time now = absl::Now(), ahead = now + absl::Hours(1);
  const auto fresh = ReadAll(campaign_);
  ASSERT_EQ(fresh.size(), 2u);
  for (const auto& pack : fresh) Settle(AllOf(pack, OutcomeKind::kDeferred, now, now + absl::Minutes(10)));
  const auto claimed = ReadAll(campaign_, ahead);
  ASSERT_EQ(RowIds(claimed), Range(1, 32));
  EXPECT_EQ(MoveDue(claimed[0]->lane(), {}, now), 32u);

  Outcome in_doubt = MakeOutcome(claimed[0], 3, OutcomeKind::kDeferred, now, absl::InfiniteFuture());
  in_doubt.reason_class = kInDoubtClass;
  Settle({MakeOutcome(claimed[0], 0, OutcomeKind::kDelivered), MakeOutcome(claimed[0], 1, OutcomeKind::kBounced),
          MakeOutcome(claimed[0], 2, OutcomeKind::kDeferred, now, now + absl::Hours(4)), std::move(in_doubt)});
  for (Outcome& outcome : AllOf(claimed[1], OutcomeKind::kDelivered)) Settle({std::move(outcome)});
  const auto expect_settled = [&] {
    const Counters counters = CountersOf(campaign_);
    EXPECT_EQ(counters.delivered, 17u);
    EXPECT_EQ(counters.bounced, 1u);
    EXPECT_EQ(counters.queued(), 14u);
    EXPECT_EQ(counters.retrying, 13u);
    EXPECT_EQ(counters.in_doubt, 1u);
    EXPECT_EQ(Lanes(campaign_).at(0).queued, 14u);
    std::vector<uint32_t> left = Range(5, 16);
    left.insert(left.begin(), 3);
    EXPECT_EQ(RowIds(ReadAll(campaign_, ahead)), left) << "nothing is sent again";
  };
  expect_settled();
  Reopen();
  expect_settled();
}

TEST_F(SettleTest, ManyRetriesMoveInSeveralCommits) {
  LoadRows(campaign_, 1, 16 * 600, 1);
  std::vector<Outcome> outcomes;
  for (const auto& pack : ReadAll(campaign_)) {
    for (Outcome& outcome : AllOf(pack, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(4))) {
      outcomes.push_back(std::move(outcome));
    }
  }
  Settle(std::move(outcomes));
  EXPECT_EQ(MoveDue(OnlyLane(), "", kNow), 16u * 600);
  EXPECT_EQ(RowIds(ReadAll(campaign_, kNow + absl::Seconds(1))), Range(1, 16 * 600));
  EXPECT_EQ(MoveDue(OnlyLane(), "", kNow), 0u);
}

TEST_F(SettleTest, StatsCountCommitsAndRows) {
  LoadRows(campaign_, 1, 16, 1);
  Settle(AllOf(ReadAll(campaign_).at(0), OutcomeKind::kDelivered));
  const StoreStats stats = store_->Stats();
  EXPECT_EQ(stats.commits, 1u);
  EXPECT_EQ(stats.rows, 16u);
  EXPECT_EQ(stats.loaded_rows, 16u);
  EXPECT_GT(stats.bytes, 0u);
  EXPECT_GT(stats.seconds_sum, 0);
  const DiskSpace disk = store_->Disk();
  EXPECT_GT(disk.bytes, disk.free_bytes);
}

}  // namespace
}  // namespace sealift::queue
