// Rows that an operator keeps, or sends another way: which are claimed, and when they go on.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/explain.h"
#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using Kind = Hold::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class HoldingTest : public ShardWorld {
 protected:
  std::shared_ptr<const Hold> MakeHold(QueueFilter filter, Kind kind = Kind::kHold, std::string to_pool = "") {
    auto hold = std::make_shared<Hold>();
    hold->number = ++number_;
    hold->kind = kind;
    hold->filter = std::move(filter);
    hold->to_pool = std::move(to_pool);
    hold->history.push_back({.time = absl::Now(), .what = "placed", .by = "ops", .reason = "a test"});
    return hold;
  }
  // The next set of holds.
  std::shared_ptr<const HoldSet> MakeSet(std::vector<std::shared_ptr<const Hold>> holds) {
    return std::make_shared<const HoldSet>(std::move(holds), *store_, ++generation_);
  }
  void Adopt(std::vector<std::shared_ptr<const Hold>> holds) {
    OnShard([&, set = MakeSet(std::move(holds))](Scheduler& scheduler) { scheduler.AdoptHolds(set); });
  }
  // No lane is read or sent from, looked at a few times.
  bool EventuallyStill() {
    const auto busy = [this] {
      bool any = false;
      scheduler().lanes().ForEach([&](Lane& lane) { any = any || lane.reading || lane.unsettled > 0; });
      return any;
    };
    for (int quiet = 0; quiet < 3;) {
      if (!Eventually([&] { return !busy(); })) return false;
      bool still = false;
      OnShard([&](Scheduler&) { still = !busy(); });
      quiet = still ? quiet + 1 : 0;
    }
    return true;
  }
  void AddSource(const std::string& name, const std::string& address) {
    options_.sources.push_back({.name = name, .address = address, .family = AF_INET, .hostname = "b.sender.test"});
  }
  std::map<std::string, uint64_t> Reasons(const std::string& domain) {
    std::map<std::string, uint64_t> reasons;
    OnShard([&](Scheduler& scheduler) {
      DomainExplanation explanation;
      ExplainDomain(scheduler, domain, explanation);
      for (const WaitReason& wait : explanation.waits) reasons[wait.reason] += wait.rows;
    });
    return reasons;
  }
  // What all rows of the domain wait for.
  WaitReason OnlyWait(const std::string& domain) {
    WaitReason wait;
    OnShard([&](Scheduler& scheduler) {
      DomainExplanation explanation;
      ExplainDomain(scheduler, domain, explanation);
      ASSERT_THAT(explanation.waits, SizeIs(1));
      wait = explanation.waits[0];
    });
    return wait;
  }
  std::vector<std::string> SourcesOf(queue::CampaignId id) {
    std::vector<std::string> sources;
    for (const queue::Event& event : EventsOf(id)) sources.push_back(event.evidence.source);
    std::ranges::sort(sources);
    return sources;
  }

 private:
  uint32_t number_ = 0;
  uint64_t generation_ = 0;
};

TEST_F(HoldingTest, ALaneFromAShardThatKnowsOfAReleaseIsNotKeptByTheHold) {
  shards_ = 2;
  std::vector<std::string> recipients;  // whose lanes this shard finds; half of the sites are the other's
  for (int n = 1; n <= 40; ++n) {
    const std::string domain = fmt::format("d{}.test", n);
    if (static_cast<uint64_t>(store_->DestinationOf(domain)) % 2 != 0) continue;
    AddDomain(domain);
    recipients.push_back("jane@" + domain);
  }
  std::vector<LaneHandover> handed;
  on_handover_ = [&](LaneHandover lane) { handed.push_back(std::move(lane)); };
  Start();
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).delivered + handed.size() == recipients.size(); }));
  ASSERT_THAT(handed, Not(IsEmpty()));

  // It still holds what the shard that found the lanes has heard to be released.
  const std::shared_ptr<const HoldSet> hold = MakeSet({MakeHold({.campaign = "spring"})}), released = MakeSet({});
  OnShard([&](Scheduler& scheduler) {
    scheduler.AdoptHolds(hold);
    for (LaneHandover& lane : handed) {
      lane.holds = released;
      scheduler.Receive(lane);
    }
    scheduler.AdoptHolds(hold);  // as late as that
  });
  EXPECT_TRUE(EventuallyDelivered(id, recipients.size()));
}

TEST_F(HoldingTest, AHeldDomainWaitsAlsoForRowsThatArriveLaterAndGoesOnWhenReleased) {
  MailServer& held = AddDomain("d1.test");
  MailServer& free = AddDomain("d2.test");
  Start();
  Adopt({MakeHold({.domain = "d1.test"})});
  const queue::CampaignId first = Send("first", {"a@d1.test", "b@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(first, 1));
  const queue::CampaignId later = Send("later", {"c@d1.test", "d@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(later, 1));
  ASSERT_TRUE(EventuallyStill());
  EXPECT_EQ(CountersOf(first).queued(), 1u);
  Adopt({});
  ASSERT_TRUE(EventuallyDelivered(first, 2));
  ASSERT_TRUE(EventuallyDelivered(later, 2));
  Stop();
  EXPECT_THAT(held.contents, SizeIs(2));
  EXPECT_THAT(free.contents, SizeIs(2));
}

TEST_F(HoldingTest, RowsThatWereClaimedBeforeAHoldAreNotSent) {
  options_.streams[0].rate.rate = {.count = 1, .period = absl::Hours(1)};
  AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(16, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).delivered == 1 && RowsReady("d1.test") == 15; }));
  Adopt({MakeHold({.campaign = "spring"})});
  options_.streams[0].rate.rate = Rate{};
  const auto lifted = std::make_shared<const Options>(options_);
  OnShard([&](Scheduler& scheduler) { scheduler.Adopt(lifted, scheduler.services().signing_keys); });
  ASSERT_TRUE(EventuallyStill());
  EXPECT_EQ(CountersOf(id).delivered, 1u);
  OnShard([&](Scheduler& scheduler) { EXPECT_EQ(scheduler.lanes().size(), 0u) << "it takes up no room"; });
  Adopt({});
  EXPECT_TRUE(EventuallyDelivered(id, 16));
}

TEST_F(HoldingTest, OneHeldRowOfAPackDoesNotHoldTheOthers) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  Adopt({MakeHold({.recipient = "A3@d1.test"})});
  const queue::CampaignId id = Send("spring", Recipients(16, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 15));
  ASSERT_TRUE(EventuallyStill());
  EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("hold", 1)));
  EXPECT_THAT(mx.contents, SizeIs(15));
  ASSERT_THAT(RowsOf(id), SizeIs(1));
  EXPECT_EQ(RowsOf(id)[0].recipient, "a3@d1.test");
  Adopt({});
  EXPECT_TRUE(EventuallyDelivered(id, 16));
}

TEST_F(HoldingTest, AnOrderIsToldOfTheRowsThatItKeepsAlone) {
  AddDomain("d1.test");
  Start();
  const auto others = MakeHold({.domain = "d1.test", .reason_class = "full"});
  const auto two = MakeHold({.recipient = "a3@d1.test"}), three = MakeHold({.recipient = "a4@d1.test"});
  Adopt({others, two, three});
  const queue::CampaignId id = Send("spring", Recipients(16, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 14));
  ASSERT_TRUE(EventuallyStill());
  OnShard([&](Scheduler& scheduler) {
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    std::map<std::string, uint64_t> rows;
    for (const WaitReason& wait : explanation.waits) rows[wait.detail] += wait.rows;
    EXPECT_THAT(rows, UnorderedElementsAre(Pair("hold h2: recipient=(one)", 1), Pair("hold h3: recipient=(one)", 1)));
    EXPECT_EQ(CountBlocked(scheduler, id).held, 2u);
    EXPECT_EQ(CountBlocked(scheduler, id).held_retrying, 0u);
  });
}

TEST_F(HoldingTest, ARowThatBecomesOldEnoughWhileItIsClaimedIsKeptBeforeMail) {
  options_.streams[0].rate.rate = {.count = 1, .period = absl::Hours(1)};
  AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(4, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).delivered == 1 && RowsReady("d1.test") == 3; }));
  Adopt({MakeHold({.older_than = absl::Hours(1)})});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 3; })) << "they are not old";
  // Time passes, told as a hold on what is younger: the set is exchanged under rows that stay claimed.
  OnShard([&](Scheduler& scheduler) {
    scheduler.services().holds = std::make_shared<const HoldSet>(
        std::vector<std::shared_ptr<const Hold>>{MakeHold({.older_than = absl::ZeroDuration()})}, *store_);
    Options open = options_;
    open.streams[0].rate.rate = Rate{};
    scheduler.Adopt(std::make_shared<const Options>(open), scheduler.services().signing_keys);
  });
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 0; }));
  ASSERT_TRUE(EventuallyStill());
  EXPECT_EQ(CountersOf(id).delivered, 1u);
  EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("hold", 3)));
}

TEST_F(HoldingTest, ByProviderALaneIsHeldOnceItsSiteIsKnown) {
  options_.providers.push_back({.name = "group", .mx = {"mx.d1.test"}});
  MailServer& mx = AddDomain("d1.test");
  AddDomain("d2.test");
  Start();
  Adopt({MakeHold({.provider = "group"})});
  const queue::CampaignId id = Send("spring", {"a@d1.test", "b@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(EventuallyStill());
  EXPECT_THAT(mx.contents, IsEmpty());
  EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("hold", 1)));
  Adopt({});
  EXPECT_TRUE(EventuallyDelivered(id, 2));
}

TEST_F(HoldingTest, ASuspendedSourceSendsNothingAndItsSiblingSendsOn) {
  AddSource("ip2", "127.0.0.2");
  options_.pools[0] = {.name = "main", .sources = {"ip1", "ip2"}, .source_indexes = {0, 1}};
  AddDomain("d1.test");
  Start();
  Adopt({MakeHold({.source = "ip1"}, Kind::kSuspension)});
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 3));
  EXPECT_THAT(SourcesOf(id), ElementsAre("ip2", "ip2", "ip2"));

  const auto both = MakeHold({.source = "ip2"}, Kind::kSuspension);
  Adopt({MakeHold({.source = "ip1"}, Kind::kSuspension), both});
  const queue::CampaignId none = Send("none", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 3; }));
  ASSERT_TRUE(EventuallyStill());
  EXPECT_EQ(CountersOf(none).queued(), 3u);
  EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("hold", 3)));
  Adopt({both});
  ASSERT_TRUE(EventuallyDelivered(none, 3));
  EXPECT_THAT(SourcesOf(none), ElementsAre("ip1", "ip1", "ip1"));
}

TEST_F(HoldingTest, WhereASuspensionEndsBeforeASourcesLimitLetsGoItIsWhatRowsWaitFor) {
  AddSource("ip2", "127.0.0.2");
  AddSource("elsewhere", "127.0.0.3");
  options_.pools[0] = {.name = "main", .sources = {"ip1", "ip2"}, .source_indexes = {0, 1}};
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:9"};
  AddDomain("d1.test");
  Start();
  const auto until = [&](const std::string& source, absl::Duration wait) {
    Hold hold = *MakeHold({.source = source}, Kind::kSuspension);
    hold.until = absl::FromUnixMillis(absl::ToUnixMillis(absl::Now() + wait));
    return std::make_shared<const Hold>(std::move(hold));
  };
  const auto soon = until("ip2", absl::Minutes(40));
  Adopt({until("ip2", absl::Minutes(20)), soon, until("elsewhere", absl::Minutes(1))});
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(EventuallyStill());
  const auto first = [&] { return OnlyWait("d1.test"); };
  EXPECT_EQ(first().reason, "hold");
  EXPECT_EQ(first().until, soon->until) << "both must have ended";
  EXPECT_EQ(first().rows, 2u);
  Adopt({until("ip2", absl::Hours(2))});
  EXPECT_EQ(first().reason, "source") << "its rate lets a row go before the suspension ends";
}

TEST_F(HoldingTest, ALimitThatOutlastsASuspensionIsWhatRowsWaitFor) {
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:9"};
  AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  const auto wait_under = [&](absl::Duration suspension) {
    Hold hold = *MakeHold({.source = "ip1"}, Kind::kSuspension);
    hold.until = absl::Now() + suspension;
    Adopt({std::make_shared<const Hold>(hold)});
    return OnlyWait("d1.test");
  };
  const absl::Time now = absl::Now();
  const WaitReason short_one = wait_under(absl::Minutes(20));
  EXPECT_EQ(short_one.reason, "source");
  EXPECT_EQ(short_one.set_by, "sealift.toml:9");
  EXPECT_GT(short_one.until, now + absl::Minutes(50));
  EXPECT_EQ(short_one.rows, 2u);
  const WaitReason long_one = wait_under(absl::Hours(2));
  EXPECT_EQ(long_one.reason, "hold");
  EXPECT_GT(long_one.until, now + absl::Minutes(110));
  EXPECT_EQ(wait_under(absl::InfiniteDuration()).until, std::nullopt);
}

TEST_F(HoldingTest, RowsGoOnceTheLastOfTheOrdersThatKeepThemIsOver) {
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:9"};
  AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  const auto until = [&](std::vector<absl::Duration> lengths) {
    std::vector<std::shared_ptr<const Hold>> holds;
    for (const absl::Duration length : lengths) {
      Hold hold = *MakeHold({.provider = "other"});
      hold.until = absl::Now() + length;
      holds.push_back(std::make_shared<const Hold>(hold));
    }
    Adopt(holds);
    std::optional<absl::Time> told;
    OnShard([&](Scheduler& scheduler) {
      DomainExplanation explanation;
      ExplainDomain(scheduler, "d1.test", explanation);
      ASSERT_THAT(explanation.waits, SizeIs(1));
      EXPECT_EQ(explanation.waits[0].reason, "hold");
      told = explanation.waits[0].until;
    });
    return told;
  };
  const absl::Time now = absl::Now();
  EXPECT_GT(until({absl::Hours(2), absl::Hours(3)}), now + absl::Minutes(170)) << "the first is over before";
  EXPECT_GT(until({absl::Minutes(10)}), now + absl::Minutes(50)) << "the source's rate lets nothing go before";
  EXPECT_EQ(until({absl::Minutes(10), absl::InfiniteDuration()}), std::nullopt);
}

TEST_F(HoldingTest, ASuspendedSourceOfThePoolThatAWarmupOverflowsToIsNamed) {
  AddSource("ip2", "127.0.0.2");
  options_.pools.push_back({.name = "warm", .sources = {"ip2"}, .source_indexes = {1}});
  options_.sources[0].warmup = {.start = "2999-01-01", .per_day = {{"default", {1}}}, .overflow = "warm"};
  warmups_.Adopt(options_);
  AddDomain("d1.test");
  Start();
  Hold soon = *MakeHold({.source = "ip2"}, Kind::kSuspension);
  soon.until = absl::FromUnixMillis(absl::ToUnixMillis(absl::Now() + absl::Minutes(20)));
  Adopt({std::make_shared<const Hold>(soon)});
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 3; }));
  warmups_.Tick(absl::Now(), {});  // it says how long there is nothing
  ASSERT_TRUE(EventuallyStill());
  OnShard([&](Scheduler& scheduler) {
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    ASSERT_THAT(explanation.waits, SizeIs(1));
    EXPECT_EQ(explanation.waits[0].reason, "hold") << explanation.waits[0].detail;
    EXPECT_EQ(explanation.waits[0].until, soon.until);
  });
  Adopt({});
  ASSERT_TRUE(EventuallyDelivered(id, 3));
  EXPECT_THAT(SourcesOf(id), ElementsAre("ip2", "ip2", "ip2"));
}

TEST_F(HoldingTest, ARouteSendsFromAnotherPoolUnderItsSourcesLimits) {
  AddSource("ip2", "127.0.0.2");
  options_.sources[1].rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:9"};
  options_.pools.push_back({.name = "other", .sources = {"ip2"}, .source_indexes = {1}});
  AddDomain("d1.test");
  AddDomain("d2.test");
  Start();
  const queue::CampaignId id = Load("spring", {"a@d1.test", "b@d1.test", "c@d2.test"});
  Adopt({MakeHold({.domain = "d1.test"}, Kind::kRoute, "other")});
  Run(id);
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  ASSERT_TRUE(EventuallyStill());
  EXPECT_THAT(SourcesOf(id), UnorderedElementsAre("ip1", "ip2"));
  EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("source", 1))) << "its rate binds";
  Adopt({});
  EXPECT_TRUE(EventuallyDelivered(id, 3));
}

TEST_F(HoldingTest, AHoldOfAProviderKeepsTheSitesThatAReloadMakesPartOfIt) {
  AddDomain("d1.test");
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:9"};
  Start();
  Adopt({MakeHold({.provider = "mine"})});
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(EventuallyStill());
  EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("source", 2)));
  options_.providers.push_back({.name = "mine", .mx = {"mx.d1.test"}});
  options_.sources[0].rate = {};
  const auto now = std::make_shared<const Options>(options_);
  OnShard([&](Scheduler& scheduler) { scheduler.Adopt(now, scheduler.services().signing_keys); });
  ASSERT_TRUE(EventuallyStill());
  EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("hold", 2)));
  OnShard([](Scheduler& scheduler) {
    EXPECT_EQ(scheduler.directory().FindSite("d1.test")->provider, "mine");
    EXPECT_EQ(scheduler.directory().FindSite("d1.test")->judge, "mine");
  });
}

TEST_F(HoldingTest, OfTwoRoutesTheOneThatWasGivenLastDecides) {
  Start();
  const std::string domain = "d1.test", provider = "google";
  LaneFacts lane;
  lane.id.destination = store_->DestinationOf(domain);
  lane.domain = domain;
  lane.provider = &provider;
  const auto wide = MakeHold({.provider = provider}, Kind::kRoute, "wide");
  const auto narrow = MakeHold({.domain = domain}, Kind::kRoute, "narrow");
  const auto again = MakeHold({.provider = provider}, Kind::kRoute, "again");
  EXPECT_EQ(MakeSet({wide, narrow})->PlacementOf(lane).pool, "narrow");
  EXPECT_EQ(MakeSet({wide, narrow, again})->PlacementOf(lane).pool, "again");
}

TEST_F(HoldingTest, ByClassOnlyRowsWhoseLastAttemptEndedSoAreHeld) {
  options_.streams[0].retry = {absl::Milliseconds(1)};
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const MailServer::Conversation&, std::string_view command) -> std::optional<MailServer::Answer> {
    if (!command.starts_with("RCPT TO:<a1@")) return std::nullopt;
    return MailServer::Answer{.text = "451 4.7.1 Greylisted, please come back later"};
  };
  Start();
  Adopt({MakeHold({.reason_class = "greylisted"})});
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  ASSERT_TRUE(EventuallyTried(id, 1));
  ASSERT_TRUE(EventuallyStill());
  EXPECT_EQ(CountersOf(id).deferrals, 1u);
  EXPECT_EQ(CountersOf(id).queued(), 1u);
  ASSERT_TRUE(Eventually([&] { return CountBlocked(scheduler(), id).held == 1; }));
  OnShard([&](Scheduler& scheduler) { EXPECT_EQ(CountBlocked(scheduler, id).held_retrying, 1u); });
}

}  // namespace
}  // namespace sealift::engine
