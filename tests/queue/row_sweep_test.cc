#include "queue/row_sweep.h"

#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

Outcome Expired(absl::Time now) {
  Outcome outcome;
  outcome.kind = OutcomeKind::kExpired;
  outcome.time = now;
  outcome.reason_class = "expired";
  return outcome;
}

class RowSweepTest : public StoreTest {
 protected:
  static constexpr absl::Duration kLife = absl::Hours(72);  // of the fixture's campaigns

  void SetUp() override {
    Open();
    campaign_ = Create();
  }

  uint64_t Expire(absl::Time now) {
    const auto expired =
        store_->Expire(campaign_, now, [now](const Pack& /*pack*/, const Row& /*row*/) { return Expired(now); });
    EXPECT_TRUE(expired.ok()) << expired.status();
    return expired.value_or(0);
  }

  std::vector<OutcomeKind> EventsOf(uint32_t row) {
    std::vector<OutcomeKind> kinds;
    const auto page = store_->ReadEvents("", 10'000, {});
    EXPECT_TRUE(page.ok()) << page.status();
    for (const Event& event : page->events) {
      if (static_cast<uint32_t>(event.message.row) == row) kinds.push_back(event.kind);
    }
    return kinds;
  }

  void ExpectConserved() {
    const Counters counters = CountersOf(campaign_);
    uint64_t queued = 0, retrying = 0, in_doubt = 0;
    for (const LaneRecord& lane : Lanes(campaign_)) {
      queued += lane.queued;
      retrying += lane.retrying;
      in_doubt += lane.in_doubt;
    }
    EXPECT_EQ(counters.queued(), queued);
    EXPECT_EQ(counters.retrying, retrying);
    EXPECT_EQ(counters.in_doubt, in_doubt);
    const auto rows = store_->ListRows(campaign_, {}, "", 100'000);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ(rows->rows.size(), queued);
  }

  CampaignId campaign_{};
};

TEST_F(RowSweepTest, RowsExpireWhereverTheyStand) {
  LoadRows(campaign_, 1, 500, 40);
  const auto packs = ReadAll(campaign_);
  // Some are deferred far beyond their expiry, some are in doubt, some are claimed, and most are as they were.
  Settle({MakeOutcome(packs[0], 0, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1000)),
          MakeOutcome(packs[1], 0, OutcomeKind::kDeferred, kNow, absl::InfiniteFuture()),
          MakeOutcome(packs[2], 0, OutcomeKind::kDelivered)});
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 1u);
  ExpectConserved();
  EXPECT_TRUE(store_->Expiring(kNow + kLife - absl::Seconds(1)).empty());
  ASSERT_EQ(store_->Expiring(kNow + kLife), std::vector{campaign_});
  EXPECT_EQ(Expire(kNow + kLife - absl::Seconds(1)), 0u);
  EXPECT_EQ(store_->Expiring(kNow + kLife), std::vector{campaign_}) << "the look before has found when they expire";
  EXPECT_EQ(Expire(kNow + kLife), 499u);
  EXPECT_TRUE(store_->Expiring(kNow + kLife * 10).empty());
  const Counters counters = CountersOf(campaign_);
  EXPECT_EQ(counters.expired, 499u);
  EXPECT_EQ(counters.queued(), 0u);
  EXPECT_EQ(counters.retrying, 0u);
  EXPECT_EQ(counters.in_doubt, 0u);
  EXPECT_TRUE(Lanes(campaign_).empty());
  ExpectConserved();
  Reopen();
  EXPECT_EQ(CountersOf(campaign_), counters);
  EXPECT_TRUE(ReadAll(campaign_, kNow + absl::Hours(2000)).empty());
  // Lanes are read in the order of their keyed hashes, so which row was delivered is another in every run.
  const auto expired = store_->ReadRow(campaign_, packs[3]->rows()[0].id);
  ASSERT_TRUE(expired.ok()) << expired.status();
  EXPECT_TRUE(expired->parked);
}

TEST_F(RowSweepTest, WhatIsPutOffWithoutAnAttemptKeepsTheClassOfItsLast) {
  LoadRows(campaign_, 1, 2, 1);
  std::vector<Outcome> outcomes = AllOf(ReadAll(campaign_)[0], OutcomeKind::kDeferred, kNow, kNow + absl::Hours(4));
  outcomes[0].reason_class = kSatedClass;
  outcomes[1].reason_class = "greylisted";
  Settle(std::move(outcomes));
  const auto put_off = [](const Pack& /*pack*/, const Row& row) -> std::optional<Outcome> {
    Outcome outcome;
    outcome.kind = OutcomeKind::kDeferred;
    outcome.time = kNow;
    outcome.due = kNow + absl::Hours(1);
    outcome.attempt = row.attempts;
    outcome.reason_class = "operator";
    outcome.keeps_class = true;
    return outcome;
  };
  ASSERT_EQ(store_->SweepRows(campaign_, std::nullopt, put_off).value_or(0), 2u);
  const auto rows = store_->ListRows(campaign_, {}, "", 10);
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->rows.size(), 2u);
  EXPECT_EQ(rows->rows[0].reason_class, kSatedClass);
  EXPECT_EQ(rows->rows[1].reason_class, "greylisted");
  EXPECT_EQ(CountersOf(campaign_).sated, 1u);
  const auto events = store_->ReadEvents("", 10, {});
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ(events->events.back().reason_class, "operator") << "which says what was done";
}

TEST_F(RowSweepTest, WhatWasLoadedLaterExpiresLater) {
  LoadRows(campaign_, 1, 100);
  LoadRows(campaign_, 101, 150, 3, kNow + absl::Hours(5));
  EXPECT_EQ(Expire(kNow + kLife), 100u);
  ExpectConserved();
  EXPECT_TRUE(store_->Expiring(kNow + kLife + absl::Hours(4)).empty());
  EXPECT_EQ(store_->Expiring(kNow + kLife + absl::Hours(5)), std::vector{campaign_});
  // Neither is forgotten over a restart.
  Reopen();
  EXPECT_EQ(store_->Expiring(kNow + kLife + absl::Hours(5)), std::vector{campaign_});
  EXPECT_EQ(Expire(kNow + kLife + absl::Hours(5)), 50u);
  EXPECT_EQ(CountersOf(campaign_).expired, 150u);
}

TEST_F(RowSweepTest, WhatIsLoadedAfterItsExpiryExpiresToo) {
  const auto load = store_->BeginLoad(campaign_, kNow);
  ASSERT_TRUE(load.ok()) << load.status();
  for (uint32_t id = 1; id <= 10; ++id) ASSERT_TRUE(Add(**load, MakeRow(id)).ok());
  ASSERT_TRUE((*load)->Commit(100, "digest", false).ok());
  EXPECT_EQ(Expire(kNow + kLife), 10u);
  EXPECT_TRUE(store_->Expiring(kNow + kLife * 10).empty());
  for (uint32_t id = 11; id <= 20; ++id) ASSERT_TRUE(Add(**load, MakeRow(id)).ok());
  ASSERT_TRUE((*load)->Commit(200, "digest", true).ok());
  EXPECT_EQ(store_->Expiring(kNow + kLife), std::vector{campaign_});
  EXPECT_EQ(Expire(kNow + kLife), 10u);
}

TEST_F(RowSweepTest, WhatIsReplayedWhileALookIsTakenExpires) {
  LoadRows(campaign_, 1, 10);
  EXPECT_EQ(Expire(kNow + kLife), 10u);
  ReplayStep step{.campaign = campaign_, .mailing = {}, .accepted = kNow, .rows = {}, .record = nullptr};
  step.rows.push_back({RowId{3}, kNow + kLife, kNow + kLife * 2});
  step.meant = [&](const ParkedRow&) { return Expire(kNow + kLife) == 0; };  // finds nothing: it is not committed yet
  ASSERT_TRUE(store_->ReplaySome(step).ok());
  EXPECT_EQ(store_->Expiring(kNow + kLife * 2), std::vector{campaign_});
  EXPECT_EQ(Expire(kNow + kLife * 2), 1u);
}

TEST_F(RowSweepTest, ARowThatMovesBeforeItIsSettledIsLookedForAgain) {
  LoadRows(campaign_, 1, 16, 1);
  const auto pack = ReadAll(campaign_).at(0);
  bool moved = false;
  const auto expired = store_->Expire(campaign_, kNow + kLife, [&](const Pack& /*pack*/, const Row& /*row*/) {
    if (!std::exchange(moved, true)) {
      Settle({MakeOutcome(pack, 3, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1000))});
    }
    return Expired(kNow + kLife);
  });
  ASSERT_TRUE(expired.ok()) << expired.status();
  EXPECT_EQ(*expired, 15u);
  ASSERT_EQ(store_->Expiring(kNow + kLife), std::vector{campaign_});
  EXPECT_EQ(Expire(kNow + kLife), 1u);
  EXPECT_TRUE(store_->Expiring(kNow + kLife * 10).empty());
  ExpectConserved();
}

TEST_F(RowSweepTest, AnOutcomeThatComesTooLateChangesNothing) {
  LoadRows(campaign_, 1, 16, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDelivered)});
  EXPECT_EQ(Expire(kNow + kLife), 15u);
  Settle({MakeOutcome(pack, 1, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1)),
          MakeOutcome(pack, 2, OutcomeKind::kExpired), MakeOutcome(pack, 3, OutcomeKind::kSuppressed)});
  const Counters counters = CountersOf(campaign_);
  EXPECT_EQ(counters.expired, 15u);
  EXPECT_EQ(counters.delivered, 1u);
  EXPECT_EQ(counters.retrying, 0u);
  EXPECT_EQ(EventsOf(2), std::vector{OutcomeKind::kExpired});
  EXPECT_EQ(EventsOf(3), std::vector{OutcomeKind::kExpired});
  ExpectConserved();
}

TEST_F(RowSweepTest, AnOutcomeThatIsAFactIsCountedAsWhatHappened) {
  LoadRows(campaign_, 1, 16, 1);
  const auto pack = ReadAll(campaign_).at(0);
  EXPECT_EQ(Expire(kNow + kLife), 16u);
  Settle({MakeOutcome(pack, 4, OutcomeKind::kDelivered), MakeOutcome(pack, 5, OutcomeKind::kBounced)});
  const Counters counters = CountersOf(campaign_);
  EXPECT_EQ(counters.expired, 14u);
  EXPECT_EQ(counters.delivered, 1u);
  EXPECT_EQ(counters.bounced, 1u);
  EXPECT_EQ(counters.queued(), 0u);
  EXPECT_EQ(EventsOf(5), (std::vector{OutcomeKind::kExpired, OutcomeKind::kDelivered}));
  EXPECT_FALSE(store_->ReadRow(campaign_, RowId{5}).ok()) << "it is delivered: there is nothing to replay";
  ASSERT_TRUE(store_->ReadRow(campaign_, RowId{6}).ok());
  EXPECT_EQ(store_->ReadRow(campaign_, RowId{6})->outcome, OutcomeKind::kBounced);
  ExpectConserved();
}

TEST_F(RowSweepTest, AFactSettlesARowThatWasReplayedSinceItsMessageWasBegun) {
  LoadRows(campaign_, 1, 16, 1);
  const auto pack = ReadAll(campaign_).at(0);
  EXPECT_EQ(Expire(kNow + kLife), 16u);
  const absl::Time later = kNow + kLife;
  ReplayStep step{.campaign = campaign_, .mailing = {}, .accepted = later, .rows = {}, .record = nullptr};
  for (uint32_t row = 1; row <= 8; ++row) step.rows.push_back({RowId{row}, later, later + kLife});
  ASSERT_TRUE(store_->ReplaySome(step).ok());
  const auto again = ReadAll(campaign_, later + absl::Seconds(1));
  ASSERT_EQ(RowIds(again), Range(1, 8));

  Outcome in_doubt = MakeOutcome(pack, 2, OutcomeKind::kDeferred, kNow, absl::InfiniteFuture());
  in_doubt.reason_class = kInDoubtClass;
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDelivered), MakeOutcome(pack, 1, OutcomeKind::kBounced),
          MakeOutcome(pack, 3, OutcomeKind::kDeferred, kNow, kNow + kLife * 2), std::move(in_doubt)});
  EXPECT_EQ(EventsOf(1), (std::vector{OutcomeKind::kExpired, OutcomeKind::kDelivered}));
  EXPECT_EQ(RowIds(ReadAll(campaign_, later + kLife * 3)), Range(4, 8));
  ExpectConserved();
  // Whoever claimed it once more tells that it arrived twice.
  Settle({MakeOutcome(again[0], 0, OutcomeKind::kDelivered), MakeOutcome(again[0], 3, OutcomeKind::kDelivered)});
  EXPECT_EQ(EventsOf(1), (std::vector{OutcomeKind::kExpired, OutcomeKind::kDelivered, OutcomeKind::kDelivered}));
  const Counters counters = CountersOf(campaign_);
  EXPECT_EQ(counters.delivered, 2u);
  EXPECT_EQ(counters.bounced, 1u);
  EXPECT_EQ(counters.expired, 8u);
  EXPECT_EQ(counters.in_doubt, 1u);
  EXPECT_EQ(counters.queued(), 5u);
  ExpectConserved();
  Reopen();
  EXPECT_EQ(CountersOf(campaign_), counters);
}

TEST_F(RowSweepTest, AClaimOfRowsThatStayIsAsGoodAsBefore) {
  LoadRows(campaign_, 1, 64, 2);
  const auto packs = ReadAll(campaign_);
  // Half of each pack is bounced by hand while all of it is claimed.
  const auto bounced =
      store_->SweepRows(campaign_, std::nullopt, [](const Pack& /*pack*/, const Row& row) -> std::optional<Outcome> {
        if (static_cast<uint32_t>(row.id) > 32) return std::nullopt;
        Outcome outcome = Expired(kNow);
        outcome.kind = OutcomeKind::kBounced;
        return outcome;
      });
  ASSERT_TRUE(bounced.ok()) << bounced.status();
  EXPECT_EQ(*bounced, 32u);
  for (const auto& pack : packs) Settle(AllOf(pack, OutcomeKind::kSuppressed));
  const Counters counters = CountersOf(campaign_);
  EXPECT_EQ(counters.bounced, 32u);
  EXPECT_EQ(counters.suppressed, 32u);
  EXPECT_EQ(counters.queued(), 0u);
  ExpectConserved();
}

TEST_F(RowSweepTest, OneDestinationIsSweptAlone) {
  LoadRows(campaign_, 1, 90, 3);
  const DestinationId destination = store_->DestinationOf("d1.test");
  const auto swept =
      store_->SweepRows(campaign_, destination, [](const Pack& /*pack*/, const Row& /*row*/) { return Expired(kNow); });
  ASSERT_TRUE(swept.ok()) << swept.status();
  EXPECT_EQ(*swept, 30u);
  for (const LaneRecord& lane : Lanes(campaign_)) EXPECT_NE(lane.domain, "d1.test");
  ExpectConserved();
}

}  // namespace
}  // namespace sealift::queue
