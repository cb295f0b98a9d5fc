#include "engine/settler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using queue::OutcomeKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A settler of its own beside a shard that sends nothing, and rows claimed from the store for it.
class SettlerTest : public ShardWorld {
 protected:
  void Begin(int share) {
    also_on_durable_ = [this](uint64_t number) {
      durable_.push_back(number);
      durable_at_ = ring_->NowNanos();
      if (settler_ != nullptr) settler_->OnDurable(number);
    };
    at_end_of_turn_ = [this] {
      if (settler_ != nullptr) settler_->Flush();
    };
    Start();
    OnShard([&](Scheduler& scheduler) {
      lane_ = std::make_unique<Lane>(scheduler.lanes());
      settler_ = std::make_unique<Settler>(scheduler.services(), share,
                                           Settler::Callbacks{
                                               .deferred_durable = [this](Lane&, absl::Time due) { due_ = due; },
                                               .durable = [this](Lane&) { ++rows_durable_; },
                                               .room = [this] { ++rooms_; },
                                           });
    });
  }

  // The rows of a new campaign, claimed.
  std::vector<Claim> Claimed(const std::string& name, int rows, const Content& content = {}) {
    const queue::CampaignId id = Load(name, Recipients(rows, "d1.test"), content);
    campaign_ = id;
    OnShard([&](Scheduler&) { lane_->campaign = active_.at(id); });
    std::vector<queue::LaneRead> reads;
    reads.push_back({.lane = {id, store_->DestinationOf("d1.test")}, .now = absl::Now(), .packs_max = 16});
    std::promise<std::vector<queue::LaneWindow>> read;
    store_->ReadRows(std::move(reads),
                     [&](std::vector<queue::LaneWindow> windows) { read.set_value(std::move(windows)); });
    const std::vector<queue::LaneWindow> windows = read.get_future().get();
    std::vector<Claim> claims;
    for (const std::shared_ptr<queue::Pack>& pack : windows.at(0).packs) {
      auto open = std::make_shared<OpenPack>();
      open->pack = pack;
      for (size_t i = 0; i < pack->rows().size(); ++i) claims.push_back({open, static_cast<uint8_t>(i)});
    }
    EXPECT_THAT(claims, SizeIs(static_cast<size_t>(rows)));
    return claims;
  }

  static queue::Outcome Delivered() {
    queue::Outcome outcome;
    outcome.kind = OutcomeKind::kDelivered;
    outcome.time = absl::Now();
    outcome.attempt = 1;
    outcome.reason_class = "none";
    return outcome;
  }

  queue::CampaignId campaign_{};
  std::unique_ptr<Lane> lane_;
  std::unique_ptr<Settler> settler_;
  std::vector<uint64_t> durable_;  // the numbers that came back
  int64_t durable_at_ = 0;
  absl::Time due_ = absl::InfinitePast();
  int rows_durable_ = 0, rooms_ = 0;
};

TEST_F(SettlerTest, OutcomesThatComeTogetherAreOneBatch) {
  Begin(100);
  const std::vector<Claim> claims = Claimed("spring", 16);
  OnShard([&](Scheduler&) {
    for (const Claim& claim : claims) {
      settler_->Begin(*lane_);
      settler_->Settle(*lane_, claim, Delivered());
      settler_->Flush();
    }
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 16; }));
  Stop();
  EXPECT_THAT(durable_, ElementsAre(16)) << "one batch, its number that of its last outcome";
  EXPECT_EQ(CountersOf(campaign_).delivered, 16u);
  EXPECT_TRUE(settler_->empty());
  EXPECT_EQ(lane_->unsettled, 0);
}

TEST_F(SettlerTest, AQuarterOfTheShareDoesNotWaitForMore) {
  Begin(64);
  const std::vector<Claim> claims = Claimed("spring", 17);
  const std::vector<queue::Outcome>& first = claims[0].open->outcomes;
  OnShard([&](Scheduler&) {
    for (size_t i = 0; i < 17; ++i) {
      settler_->Begin(*lane_);
      settler_->Settle(*lane_, claims[i], Delivered());
      if (i < 15) EXPECT_THAT(first, SizeIs(i + 1)) << "they gather";
      if (i == 15) EXPECT_THAT(first, IsEmpty());
    }
    EXPECT_THAT(claims[16].open->outcomes, SizeIs(1)) << "it begins to gather anew";
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 17; }));
}

TEST_F(SettlerTest, APackThatLacksOutcomesWaitsForThemWhileOthersGo) {
  Begin(64);
  const std::vector<Claim> claims = Claimed("spring", 32);
  const std::vector<queue::Outcome>&first = claims[0].open->outcomes, &second = claims[16].open->outcomes;
  ASSERT_NE(&first, &second);
  OnShard([&](Scheduler&) {
    for (size_t i = 0; i < 16; ++i) {
      settler_->Begin(*lane_);
      settler_->Settle(*lane_, claims[i % 2 == 0 ? i / 2 : 16 + i / 2], Delivered());
    }
    EXPECT_THAT(first, SizeIs(8)) << "a quarter of the share is here, and no pack is whole";
    for (size_t i = 8; i < 16; ++i) {
      settler_->Begin(*lane_);
      settler_->Settle(*lane_, claims[i], Delivered());
    }
    for (size_t i = 24; i < 31; ++i) {
      settler_->Begin(*lane_);
      settler_->Settle(*lane_, claims[i], Delivered());
    }
    EXPECT_THAT(second, SizeIs(15));
    settler_->Begin(*lane_);
    settler_->Settle(*lane_, claims[31], Delivered());
    EXPECT_THAT(first, IsEmpty());
    EXPECT_THAT(second, IsEmpty());
    settler_->Flush();
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 32; }));
  Stop();
  EXPECT_EQ(CountersOf(campaign_).delivered, 32u);
  EXPECT_THAT(durable_, ElementsAre(32)) << "each was written once";
}

TEST_F(SettlerTest, WhatHoldsAPackBackIsNotWaitedForForLong) {
  Begin(4);
  const std::vector<Claim> claims = Claimed("spring", 4);
  OnShard([&](Scheduler&) {
    settler_->Begin(*lane_);
    settler_->Settle(*lane_, claims[0], Delivered());
    EXPECT_THAT(claims[0].open->outcomes, SizeIs(1)) << "a quarter of the share, and of the pack";
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 1; }));
}

TEST_F(SettlerTest, APackWithADeferralWaitsForNothing) {
  Begin(16);
  const std::vector<Claim> first = Claimed("spring", 16), second = Claimed("summer", 16);
  OnShard([&](Scheduler&) {
    const auto settle = [&](const Claim& claim, queue::Outcome outcome) {
      settler_->Begin(*lane_);
      settler_->Settle(*lane_, claim, std::move(outcome));
    };
    queue::Outcome deferred = Delivered();
    deferred.kind = OutcomeKind::kDeferred;
    deferred.due = absl::Now() + absl::Hours(1);
    settle(first[0], deferred);
    for (size_t i = 0; i < 3; ++i) settle(second[i], Delivered());
    EXPECT_THAT(first[0].open->outcomes, IsEmpty());
    EXPECT_THAT(second[0].open->outcomes, SizeIs(3));
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 4; }));
}

TEST_F(SettlerTest, APackOfAFewRowsWaitsForTheOthersOfItsLane) {
  Begin(32);
  const std::vector<Claim> few = Claimed("spring", 4), others = Claimed("summer", 12);
  OnShard([&](Scheduler&) {
    const auto settle = [&](const Claim& claim) {
      settler_->Begin(*lane_);
      settler_->Settle(*lane_, claim, Delivered());
    };
    settler_->Begin(*lane_);  // another row of the lane is under way
    for (const Claim& claim : few) settle(claim);
    for (size_t i = 0; i < 4; ++i) settle(others[i]);
    EXPECT_THAT(few[0].open->outcomes, SizeIs(4)) << "a quarter of the share is here";
    settler_->Return(*lane_);
    for (size_t i = 4; i < 12; ++i) settle(others[i]);
    EXPECT_THAT(few[0].open->outcomes, IsEmpty());
    EXPECT_THAT(others[0].open->outcomes, IsEmpty());
    settler_->Flush();
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 16; }));
}

TEST_F(SettlerTest, NoPackWaitsWhereTheShareIsScarce) {
  Begin(64);
  const std::vector<Claim> claims = Claimed("spring", 32);
  const std::vector<queue::Outcome>&first = claims[0].open->outcomes, &second = claims[16].open->outcomes;
  OnShard([&](Scheduler&) {
    for (int begun = 0; begun < 49; ++begun) settler_->Begin(*lane_);
    for (size_t i = 0; i < 8; ++i) settler_->Settle(*lane_, claims[i], Delivered());
    for (size_t i = 16; i < 23; ++i) settler_->Settle(*lane_, claims[i], Delivered());
    EXPECT_THAT(first, SizeIs(8)) << "less than a quarter of the share";
    settler_->Settle(*lane_, claims[23], Delivered());
    EXPECT_THAT(first, IsEmpty());
    EXPECT_THAT(second, IsEmpty());
    settler_->Flush();
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 16; }));
  OnShard([&](Scheduler&) {
    for (int begun = 16; begun < 49; ++begun) settler_->Return(*lane_);
  });
}

TEST_F(SettlerTest, AnOutcomeOfAnExpiredPackDoesNotWait) {
  Begin(64);
  const std::vector<Claim> claims = Claimed("spring", 2, {.accepted = absl::Now() - absl::Hours(24 * 30)});
  ASSERT_LE(claims[0].pack().expires(), absl::Now());
  OnShard([&](Scheduler&) {
    settler_->Begin(*lane_);
    settler_->Settle(*lane_, claims[0], Delivered());
    EXPECT_THAT(claims[0].open->outcomes, IsEmpty());
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 1; }));
}

TEST_F(SettlerTest, AnEventCarriesTheRowsKey) {
  Begin(100);
  const std::vector<Claim> claims = Claimed("spring", 1, {.key = "K-7"});
  OnShard([&](Scheduler&) {
    settler_->Begin(*lane_);
    settler_->Settle(*lane_, claims[0], Delivered());
    settler_->Flush();
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 1; }));
  Stop();
  const absl::StatusOr<queue::EventsPage> page = store_->ReadEvents("", 10, {});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_THAT(page->events, SizeIs(1));
  EXPECT_EQ(page->events[0].key, "K-7");
}

TEST_F(SettlerTest, NumbersGoOnFromBatchToBatch) {
  Begin(100);
  const std::vector<Claim> first = Claimed("spring", 3);
  const std::vector<Claim> second = Claimed("summer", 2);
  for (const std::vector<Claim>& claims : {first, second}) {
    const int before = rows_durable_;
    OnShard([&](Scheduler&) {
      for (const Claim& claim : claims) {
        settler_->Begin(*lane_);
        settler_->Settle(*lane_, claim, Delivered());
      }
    });
    ASSERT_TRUE(Eventually([&, before] { return rows_durable_ == before + static_cast<int>(claims.size()); }));
  }
  Stop();
  EXPECT_THAT(durable_, ElementsAre(3, 5));
}

TEST_F(SettlerTest, AnOutcomeWaitsAMomentForOthers) {
  Begin(100);
  const std::vector<Claim> claims = Claimed("spring", 3);
  int64_t settled_at = 0;
  OnShard([&](Scheduler&) {
    settled_at = ring_->NowNanos();
    settler_->Begin(*lane_);
    settler_->Settle(*lane_, claims[0], Delivered());
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 1; })) << "the rest never comes";
  Stop();
  EXPECT_GE(durable_at_ - settled_at, absl::ToInt64Nanoseconds(Settler::kLinger) - 1'000'000);
  EXPECT_EQ(CountersOf(campaign_).queued(), 2u);
}

TEST_F(SettlerTest, EverythingCanBeHandedOverAtOnce) {
  Begin(100);
  const std::vector<Claim> claims = Claimed("spring", 3);
  OnShard([&](Scheduler&) {
    settler_->Begin(*lane_);
    settler_->Settle(*lane_, claims[1], Delivered());
    settler_->FlushAll();
    settler_->Begin(*lane_);
    settler_->Settle(*lane_, claims[2], Delivered());
    settler_->FlushAll();
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 2; }));
}

TEST_F(SettlerTest, NothingBeginsBeyondTheShareUntilOutcomesAreDurable) {
  Begin(2);
  const std::vector<Claim> claims = Claimed("spring", 2);
  OnShard([&](Scheduler&) {
    EXPECT_TRUE(settler_->MayBegin());
    settler_->Begin(*lane_);
    EXPECT_TRUE(settler_->MayBegin());
    settler_->Begin(*lane_);
    EXPECT_FALSE(settler_->MayBegin());
    settler_->Settle(*lane_, claims[0], Delivered());
    settler_->FlushAll();
    EXPECT_FALSE(settler_->MayBegin()) << "known is not durable";
    EXPECT_EQ(rooms_, 0);
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 1; }));
  OnShard([&](Scheduler&) {
    EXPECT_TRUE(settler_->MayBegin());
    EXPECT_EQ(rooms_, 1);
    EXPECT_EQ(settler_->begun(), 1);
  });
}

TEST_F(SettlerTest, MarketingMailLeavesASixteenthOfTheShareToTransactional) {
  Begin(32);
  OnShard([&](Scheduler&) {
    for (int begun = 0; begun < 30; ++begun) {
      EXPECT_TRUE(settler_->MayBegin());
      settler_->Begin(*lane_);
    }
    EXPECT_FALSE(settler_->MayBegin());
    EXPECT_TRUE(settler_->MayBegin(Settler::For::kTransactional));
    settler_->Begin(*lane_);
    settler_->Begin(*lane_);
    EXPECT_FALSE(settler_->MayBegin(Settler::For::kTransactional)) << "nobody goes beyond the share";
    for (int begun = 0; begun < 32; ++begun) settler_->Return(*lane_);
  });
}

TEST_F(SettlerTest, ATransactionThatWasNotBegunGivesItsPlaceBack) {
  Begin(1);
  OnShard([&](Scheduler&) {
    settler_->Begin(*lane_);
    EXPECT_FALSE(settler_->MayBegin());
    settler_->Return(*lane_);
    EXPECT_TRUE(settler_->MayBegin());
    EXPECT_EQ(lane_->unsettled, 0);
    EXPECT_TRUE(settler_->empty());
  });
}

TEST_F(SettlerTest, ADurableDeferralSaysWhenItsRowIsDueAsTheStoreRoundsIt) {
  Begin(10);
  const std::vector<Claim> claims = Claimed("spring", 1);
  const absl::Time due = absl::FromUnixMillis(absl::ToUnixMillis(absl::Now()) + 3'600'001);
  const absl::Time time = due - absl::Hours(1);
  OnShard([&](Scheduler&) {
    queue::Outcome outcome = Delivered();
    outcome.kind = OutcomeKind::kDeferred;
    outcome.due = due;
    outcome.time = time;
    settler_->Begin(*lane_);
    settler_->Settle(*lane_, claims[0], std::move(outcome));
  });
  ASSERT_TRUE(Eventually([&] { return rows_durable_ == 1; }));
  Stop();
  EXPECT_EQ(due_, queue::Store::RoundDue(due, time));
  EXPECT_EQ(RowsOf(campaign_).at(0).due, due_) << "what the lane waits for is what the store has";
}

}  // namespace
}  // namespace sealift::engine
