#include "engine/limits.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sealift::engine {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

RateLimit AnHour(int64_t count, std::string origin = "sealift.toml:7") {
  return {.rate = {.count = count, .period = absl::Hours(1)}, .origin = std::move(origin)};
}

TEST(LimitsTest, ARateIsSharedByWhoeverNamesIt) {
  Limits limits;
  const std::shared_ptr<RateInForce> one = limits.Rate("source", "ip1", AnHour(1));
  const std::shared_ptr<RateInForce> other = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(one, other);
  EXPECT_EQ(one->Acquire(kNow, {0}), absl::ZeroDuration());
  EXPECT_GT(other->Acquire(kNow, {0}), absl::ZeroDuration());
}

TEST(LimitsTest, KindAndNameTogetherNameARate) {
  Limits limits;
  const std::shared_ptr<RateInForce> source = limits.Rate("source", "a", AnHour(1));
  const std::shared_ptr<RateInForce> stream = limits.Rate("stream", "a", AnHour(1));
  EXPECT_NE(source, stream);
  EXPECT_NE(source, limits.Rate("source", "b", AnHour(1)));
  EXPECT_EQ(source->Acquire(kNow, {0}), absl::ZeroDuration());
  EXPECT_EQ(stream->Acquire(kNow, {0}), absl::ZeroDuration());
}

TEST(LimitsTest, WhatASourceHasUsedIsUsedUnderAnotherNameToo) {
  Limits limits;
  const std::shared_ptr<RateInForce> before = limits.Rate("source", "ip1", AnHour(1), "192.0.2.1");
  EXPECT_EQ(before->Acquire(kNow, {0}), absl::ZeroDuration());
  const std::shared_ptr<RateInForce> after = limits.Rate("source", "berlin", AnHour(1), "192.0.2.1");
  EXPECT_GT(after->Acquire(kNow, {0}), absl::ZeroDuration());
  EXPECT_EQ(after->name(), "berlin");
  EXPECT_EQ(Limits::KeyOf(*after), "source/192.0.2.1");
  EXPECT_EQ(limits.Rate("source", "ip1", AnHour(1), "192.0.2.2")->Acquire(kNow, {0}), absl::ZeroDuration())
      << "another address";
}

// Of every site that was ever sent to there would be some otherwise.
TEST(LimitsTest, RatesThatNobodyHasAreForgottenOnceTheyAreAsGoodAsNew) {
  Limits limits;
  const auto all = [&] {
    size_t count = 0;
    limits.ForEach([&](const RateInForce&) { ++count; }, [](const std::string&, const Slots&) {});
    return count;
  };
  const std::shared_ptr<RateInForce> kept = limits.Rate("destination", "in use", AnHour(1));
  EXPECT_EQ(limits.Rate("destination", "taken", AnHour(1))->Acquire(kNow, {0}), absl::ZeroDuration());
  for (int i = 0; i < 5000; ++i) limits.Rate("destination", fmt::format("mx.d{}.test", i), AnHour(1));
  ASSERT_EQ(all(), 5002u);
  limits.Forget(kNow + absl::Minutes(59));
  EXPECT_EQ(all(), 2u);
  EXPECT_GT(limits.Rate("destination", "taken", AnHour(1))->Acquire(kNow + absl::Minutes(59), {0}),
            absl::ZeroDuration());
  EXPECT_EQ(limits.Rate("destination", "in use", AnHour(1)), kept);
}

TEST(LimitsTest, AReloadKeepsWhatWasTaken) {
  const absl::Time now = absl::Now();
  Limits limits;
  const std::shared_ptr<RateInForce> rate = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(rate->Acquire(now, {0}), absl::ZeroDuration());
  limits.Rate("source", "ip1", AnHour(2));
  EXPECT_GT(rate->Acquire(now, {0}), absl::ZeroDuration());
}

TEST(LimitsTest, AReloadChangesTheWords) {
  Limits limits;
  const std::shared_ptr<RateInForce> rate = limits.Rate("source", "ip1", AnHour(20'000));
  EXPECT_EQ(rate->kind(), "source");
  EXPECT_EQ(rate->name(), "ip1");
  EXPECT_EQ(rate->value(), "20000/h");
  EXPECT_EQ(rate->origin(), "sealift.toml:7");
  limits.Rate("source", "ip1", AnHour(5, "sealift.toml:9"));
  EXPECT_EQ(rate->value(), "5/h");
  EXPECT_EQ(rate->origin(), "sealift.toml:9");
}

TEST(LimitsTest, ALiftedLimitRefusesNobody) {
  Limits limits;
  const std::shared_ptr<RateInForce> rate = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(rate->Acquire(kNow, {0}), absl::ZeroDuration());
  limits.Rate("source", "ip1", {});
  EXPECT_EQ(rate->Acquire(kNow, {0}), absl::ZeroDuration());
  EXPECT_EQ(rate->value(), "unlimited");
}

TEST(LimitsTest, WhatIsScarceIsKeptForTheHigherStandingThatWaits) {
  Limits limits;
  const std::shared_ptr<RateInForce> rate = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(rate->Acquire(kNow, {1}), absl::ZeroDuration());
  EXPECT_EQ(rate->Acquire(kNow, {5}), absl::Hours(1));
  const absl::Time free = kNow + absl::Hours(1);
  EXPECT_GT(rate->Acquire(free, {1}), absl::ZeroDuration()) << "free, and kept for who matters more";
  EXPECT_EQ(rate->Acquire(free, {5}), absl::ZeroDuration());
  EXPECT_EQ(rate->Acquire(free + absl::Hours(1), {1}), absl::ZeroDuration()) << "nobody waits any more";
}

TEST(LimitsTest, WhoeverDoesNotComeIsNotWaitedForLong) {
  Limits limits;
  const std::shared_ptr<RateInForce> rate = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(rate->Acquire(kNow, {1}), absl::ZeroDuration());
  EXPECT_EQ(rate->Acquire(kNow, {5}), absl::Hours(1));
  EXPECT_EQ(rate->Acquire(kNow + absl::Hours(1) + absl::Seconds(1), {1}), absl::ZeroDuration());
}

TEST(LimitsTest, AClockThatIsSetBackNeitherStopsARateNorFreesAPermitTwice) {
  Limits limits;
  const RateLimit ten_a_second{.rate = {.count = 10, .period = absl::Seconds(1)}};
  const std::shared_ptr<RateInForce> rate = limits.Rate("source", "ip1", ten_a_second);
  const std::shared_ptr<RateInForce> day = limits.OwnedRate("warmup", "ip1", ten_a_second);
  EXPECT_EQ(rate->Acquire(kNow, {1}), absl::ZeroDuration());
  EXPECT_EQ(day->Acquire(kNow, {1}), absl::ZeroDuration());
  EXPECT_GT(rate->Acquire(kNow, {1}), absl::ZeroDuration());
  const absl::Time then = kNow - absl::Hours(1);
  EXPECT_GT(rate->Acquire(then, {0}), absl::Minutes(59));
  limits.StepBack(absl::Hours(1), then - absl::Seconds(1), then);
  EXPECT_GT(rate->Acquire(then, {1}), absl::ZeroDuration()) << "it had this one";
  EXPECT_EQ(rate->Acquire(then + absl::Milliseconds(150), {1}), absl::ZeroDuration());
  EXPECT_GT(day->Acquire(then, {1}), absl::Minutes(59)) << "its owner says when";
}

TEST(LimitsTest, APermitThatIsTakenSinceTheClockWasSetBackIsNotFreeTwice) {
  Limits limits;
  const std::shared_ptr<RateInForce> slow = limits.Rate("source", "ip1", AnHour(1));
  const std::shared_ptr<RateInForce> fast = limits.Rate("source", "ip2", AnHour(36'000));
  EXPECT_EQ(slow->Acquire(kNow - absl::Hours(3), {1}), absl::ZeroDuration());
  const absl::Time then = kNow - absl::Hours(1), noticed = then + absl::Milliseconds(500);
  EXPECT_EQ(slow->Acquire(then, {1}), absl::ZeroDuration());
  EXPECT_EQ(fast->Acquire(noticed, {1}), absl::ZeroDuration());
  const absl::Duration left = fast->Peek(noticed);
  EXPECT_GT(left, absl::ZeroDuration());
  limits.StepBack(absl::Hours(1), then - absl::Milliseconds(500), noticed);
  EXPECT_EQ(slow->Peek(noticed), absl::Hours(1) - absl::Milliseconds(500));
  EXPECT_EQ(fast->Peek(noticed), left);
}

TEST(LimitsTest, APermitThatWasTakenBeforeTheClockWasSetBackIsFreeAsSoonAsItWouldHaveBeen) {
  Limits limits;
  const RateLimit a_day{.rate = {.count = 1, .period = absl::Hours(24)}};
  const std::shared_ptr<RateInForce> rate = limits.Rate("source", "ip1", a_day);
  EXPECT_EQ(rate->Acquire(kNow - absl::Hours(12), {1}), absl::ZeroDuration());
  const absl::Time then = kNow - absl::Hours(1);
  limits.StepBack(absl::Hours(1), then - absl::Seconds(1), then);
  EXPECT_EQ(rate->Peek(then), absl::Hours(12));
}

// Who asks for a permit at each step of time, one after the other as often as it has sites, and what it has got.
struct Campaign {
  std::shared_ptr<FairQueueing::Flow> flow;
  int sites;
  int got = 0;
};

void AskInTurns(RateInForce& rate, std::vector<Campaign*> campaigns, absl::Time from, absl::Time to) {
  for (absl::Time now = from; now < to; now += absl::Milliseconds(1)) {
    for (Campaign* const campaign : campaigns) {
      for (int site = 0; site < campaign->sites; ++site) {
        if (rate.Acquire(now, {1}, campaign->flow.get()) == absl::ZeroDuration()) ++campaign->got;
      }
    }
  }
}

TEST(LimitsTest, EqualsShareWhatIsScarceByTheirWeightHoweverManySitesTheyHave) {
  Limits limits;
  const std::shared_ptr<RateInForce> rate =
      limits.Rate("source", "ip1", {.rate = {.count = 100, .period = absl::Seconds(1)}});
  Campaign many{.flow = rate->FlowOf("many", 1, 1), .sites = 20},
      heavy{.flow = rate->FlowOf("heavy", 1, 3), .sites = 1};
  const absl::Time end = kNow + absl::Seconds(40);
  AskInTurns(*rate, {&many, &heavy}, kNow, end);
  EXPECT_NEAR(heavy.got, 3 * many.got, 10);
  EXPECT_GE(many.got + heavy.got, 3860) << "nothing is lost by that of what the limit's period allows";

  Campaign late{.flow = rate->FlowOf("late", 1, 1), .sites = 1};
  many.got = heavy.got = 0;
  AskInTurns(*rate, {&many, &heavy, &late}, end, end + absl::Seconds(50));
  EXPECT_NEAR(heavy.got, 3 * many.got, 10);
  EXPECT_NEAR(late.got, many.got, 30) << "having had nothing before is worth a quarter of a second";
}

TEST(LimitsTest, WhoAsksForLessThanHisShareLeavesTheRest) {
  Limits limits;
  const std::shared_ptr<RateInForce> rate =
      limits.Rate("source", "ip1", {.rate = {.count = 100, .period = absl::Seconds(1)}});
  Campaign many{.flow = rate->FlowOf("many", 1, 1), .sites = 20}, few{.flow = rate->FlowOf("few", 1, 1), .sites = 1};
  absl::Time now = kNow;
  for (int i = 0; i < 20; ++i, now += absl::Milliseconds(500)) {  // a mail each half second
    for (int tries = 0; few.got == i && tries < 100; ++tries, now += absl::Milliseconds(1)) {
      AskInTurns(*rate, {&many}, now, now + absl::Milliseconds(1));
      if (rate->Acquire(now, {1}, few.flow.get()) == absl::ZeroDuration()) ++few.got;
    }
    ASSERT_EQ(few.got, i + 1);
    AskInTurns(*rate, {&many}, now, now + absl::Milliseconds(500));
  }
  EXPECT_GE(many.got, 930);
}

TEST(LimitsTest, ATurnThatIsGivenBackComesAgain) {
  Limits limits;
  const std::shared_ptr<RateInForce> rate = limits.Rate("source", "ip1", AnHour(1));
  const auto flow = rate->FlowOf("spring", 1, 1), other = rate->FlowOf("summer", 1, 1);
  EXPECT_EQ(rate->Acquire(kNow, {1}, flow.get()), absl::ZeroDuration());
  rate->Return(kNow, kNow, flow.get());
  EXPECT_EQ(rate->Acquire(kNow, {1}, other.get()), absl::ZeroDuration());
  EXPECT_EQ(rate->Acquire(kNow, {1}, flow.get()), absl::Hours(1));
  const absl::Time free = kNow + absl::Hours(1);
  EXPECT_GT(rate->Acquire(free, {1}, other.get()), absl::ZeroDuration()) << "it had the last one";
  EXPECT_EQ(rate->Acquire(free, {1}, flow.get()), absl::ZeroDuration());
}

// A node's limits: its ledger writes what is asked for.
class KeptLimitsTest : public testing::Test {
 protected:
  void Start(absl::Time now, std::map<std::string, absl::Time, std::less<>> free = {}) {
    limits_ = std::make_unique<Limits>();
    limits_->KeepOnDisk(now, std::move(free));
  }

  // Writes what was asked for; returns when each is free again.
  std::map<std::string, absl::Time, std::less<>> Write() {
    std::map<std::string, absl::Time, std::less<>> written;
    for (const RateInForce::Cover& cover : limits_->AwaitAsked()) {
      written[Limits::KeyOf(*cover.rate)] = cover.free_again;
      limits_->Take(cover);
    }
    return written;
  }

  std::unique_ptr<Limits> limits_;
};

TEST_F(KeptLimitsTest, APermitOfASlowLimitIsWrittenBeforeItIsTaken) {
  const absl::Time now = absl::Now();
  Start(now);
  const std::shared_ptr<RateInForce> rate = limits_->Rate("source", "ip1", AnHour(60));
  EXPECT_GT(rate->Acquire(now, {1}), absl::ZeroDuration()) << "the disk does not know of it";
  const auto written = Write();
  ASSERT_TRUE(written.contains("source/ip1"));
  EXPECT_EQ(rate->Acquire(absl::Now(), {1}), absl::ZeroDuration());
  EXPECT_GE(written.at("source/ip1"), absl::Now() + rate->Peek(absl::Now()));
  // Nobody needs the disk to be told that there is none free.
  EXPECT_GT(rate->Acquire(absl::Now(), {1}), absl::Seconds(30));
  limits_->Wake();
  EXPECT_TRUE(limits_->AwaitAsked().empty());
}

TEST_F(KeptLimitsTest, WhatWasWrittenAndNotUsedInTimeIsWrittenAgain) {
  const absl::Time now = absl::Now();
  Start(now);
  const std::shared_ptr<RateInForce> rate = limits_->Rate("source", "ip1", AnHour(60));
  EXPECT_GT(rate->Acquire(now, {1}), absl::ZeroDuration());
  Write();
  EXPECT_GT(rate->Acquire(absl::Now() + 2 * RateInForce::kSlow, {1}), absl::ZeroDuration());
  EXPECT_FALSE(Write().empty());
}

TEST_F(KeptLimitsTest, AfterARestartASlowLimitGoesOnWhereItWas) {
  const absl::Time now = absl::Now();
  Start(now, {{"source/ip1", now + absl::Minutes(40)}, {"source/ip2", now + absl::Hours(9)}});
  EXPECT_EQ(limits_->Rate("source", "ip1", AnHour(1))->Peek(now), absl::Minutes(40));
  // A clock that has stepped back since is not waited for.
  EXPECT_EQ(limits_->Rate("source", "ip2", AnHour(1))->Peek(now), absl::Hours(1) + RateInForce::kSlow);
  EXPECT_EQ(limits_->Rate("source", "ip3", AnHour(1))->Peek(now), absl::ZeroDuration()) << "it was not in use";
}

TEST_F(KeptLimitsTest, WhatWasWrittenByASourcesNameIsKnownByItsAddress) {
  Start(kNow, {{"source/ip1", kNow + absl::Minutes(30)}});
  const std::shared_ptr<RateInForce> rate = limits_->Rate("source", "ip1", AnHour(1), "192.0.2.1");
  EXPECT_GT(rate->Peek(kNow), absl::Minutes(29));
}

TEST_F(KeptLimitsTest, SinceARestoreEverySlowLimitCountsAsTaken) {
  const absl::Time now = absl::Now();
  limits_ = std::make_unique<Limits>();
  limits_->KeepOnDisk(now, {}, Limits::Unnamed::kTaken);
  EXPECT_EQ(limits_->Rate("source", "ip1", AnHour(1))->Peek(now), absl::Hours(1));
}

TEST_F(KeptLimitsTest, AFastLimitBeginsWithNothingLeft) {
  const absl::Time now = absl::Now();
  Start(now);
  const std::shared_ptr<RateInForce> rate = limits_->Rate("source", "ip1", AnHour(3600 * 100));
  int taken = 0;
  for (absl::Time at = now; at < now + absl::Seconds(1); at += absl::Milliseconds(1)) {
    taken += rate->Acquire(at, {1}) == absl::ZeroDuration() ? 1 : 0;
  }
  // In the second that a kill cut in two a hundred may have left before it; a burst more would be too many.
  EXPECT_LE(taken, 100);
  EXPECT_EQ(Limits().Rate("source", "ip1", AnHour(3600 * 100))->Peek(now), absl::ZeroDuration());
  EXPECT_GT(limits_->Rate("source", "ip2", AnHour(3600 * 100))->Peek(now), absl::ZeroDuration());
  EXPECT_EQ(limits_->Rate("source", "ip3", AnHour(3600 * 100))->Peek(now + absl::Seconds(2)), absl::ZeroDuration());
}

TEST_F(KeptLimitsTest, AReloadThatMakesItSlowerIsWrittenFirst) {
  const absl::Time now = absl::Now();
  Start(now);
  const std::shared_ptr<RateInForce> rate = limits_->Rate("source", "ip1", AnHour(60));
  EXPECT_GT(rate->Acquire(now, {1}), absl::ZeroDuration());
  Write();
  limits_->Rate("source", "ip1", AnHour(1));
  EXPECT_GT(rate->Acquire(absl::Now(), {1}), absl::ZeroDuration());
  EXPECT_GE(Write().at("source/ip1"), now + absl::Hours(1));
  EXPECT_EQ(rate->Acquire(absl::Now(), {1}), absl::ZeroDuration());
}

TEST_F(KeptLimitsTest, AnOwnedRateDoesNotWaitForTheDisk) {
  Start(kNow);
  EXPECT_EQ(limits_->OwnedRate("backoff", "ip1 to google", AnHour(1))->Acquire(kNow, {1}), absl::ZeroDuration());
}

TEST(SlotsTest, NoMoreThanTheMaximumAreTaken) {
  Limits limits;
  const std::shared_ptr<Slots> slots = limits.Count("source ip1", {2, "a.toml:3"});
  EXPECT_EQ(slots->origin(), "a.toml:3");
  EXPECT_TRUE(slots->TryTake());
  EXPECT_TRUE(slots->TryTake());
  EXPECT_FALSE(slots->TryTake());
  slots->Return();
  EXPECT_TRUE(slots->TryTake());
}

TEST(SlotsTest, APassingOneIsInForceForAsLongAsSomebodyHasIt) {
  Limits limits;
  const auto in_force = [&] {
    size_t count = 0;
    limits.ForEach([](const RateInForce&) {}, [&](const std::string&, const Slots&) { ++count; });
    return count;
  };
  std::shared_ptr<Slots> spring = limits.PassingCount("campaign spring", {2, "a.toml:3"});
  ASSERT_TRUE(spring->TryTake());
  EXPECT_EQ(limits.PassingCount("campaign spring", {3, "a.toml:3"}), spring);
  EXPECT_EQ(spring->max(), 3);
  EXPECT_EQ(in_force(), 1u);
  spring.reset();
  EXPECT_EQ(in_force(), 0u);
  limits.Forget(absl::Now());
  EXPECT_EQ(limits.PassingCount("campaign spring", {2, "a.toml:3"})->used(), 0);
}

TEST(SlotsTest, ALowerMaximumWaitsUntilEnoughCameBack) {
  Limits limits;
  const std::shared_ptr<Slots> slots = limits.Count("source ip1", {2, "a.toml:3"});
  EXPECT_TRUE(slots->TryTake());
  EXPECT_TRUE(slots->TryTake());
  EXPECT_EQ(limits.Count("source ip1", {1, "a.toml:3"}), slots);
  slots->Return();
  EXPECT_FALSE(slots->TryTake());
  slots->Return();
  EXPECT_TRUE(slots->TryTake());
  EXPECT_EQ(slots->used(), 1);
}

TEST(SlotsTest, WhatIsReservedIsLeftByEverybodyElse) {
  Limits limits;
  const std::shared_ptr<Slots> slots = limits.Count("source ip1", {3, "a.toml:3"}, 1);
  EXPECT_TRUE(slots->TryTake());
  EXPECT_TRUE(slots->TryTake());
  EXPECT_TRUE(slots->IsFull());
  EXPECT_FALSE(slots->TryTake());
  EXPECT_EQ(slots->used(), 2) << "a refusal takes nothing";
  EXPECT_FALSE(slots->IsFull(Slots::For::kReserved));
  EXPECT_TRUE(slots->TryTake(Slots::For::kReserved));
  EXPECT_FALSE(slots->TryTake(Slots::For::kReserved));
  EXPECT_EQ(slots->Describe(), "3 of 3 open, 1 of these for transactional mail alone");
  slots->Return(Slots::For::kReserved);
  EXPECT_FALSE(slots->TryTake()) << "what the reserve gives back is the reserve's";
  slots->Return();
  EXPECT_TRUE(slots->TryTake());
  EXPECT_TRUE(slots->TryTake(Slots::For::kReserved));
}

TEST(SlotsTest, ThreadsTogetherStayWithinTheMaximum) {
  Limits limits;
  const std::shared_ptr<Slots> slots = limits.Count("source ip1", {3, "a.toml:3"});
  std::atomic<int> held{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20'000; ++round) {
        if (!slots->TryTake()) continue;
        const int now = held.fetch_add(1) + 1;
        int seen = most.load();
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        held.fetch_sub(1);
        slots->Return();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(slots->used(), 0);
}

}  // namespace
}  // namespace sealift::engine
