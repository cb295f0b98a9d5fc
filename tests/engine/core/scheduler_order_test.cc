// Which row goes next, what it needs for that, and that every row is claimed once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <set>

#include "tests/engine/core/row_taker.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SchedulerOrderTest : public RowTaker<ShardWorld> {
 protected:
  // Campaigns of the next rows, in the order of their turn.
  std::vector<std::string> TakeCampaigns(int rows) {
    std::vector<std::string> names;
    OnShard([&](Scheduler&) {
      for (int i = 0; i < rows; ++i) {
        const std::optional<Assignment> next = Take();
        names.push_back(next.has_value() ? next->queue->campaign->name : "none");
      }
    });
    return names;
  }
  bool EventuallyReady(size_t rows) {
    return Eventually([this, rows] { return RowsReady("d1.test") == rows; });
  }
  // With the options as they are now.
  void Reload() {
    OnShard([now = std::make_shared<const Options>(options_)](Scheduler& scheduler) {
      scheduler.Adopt(now, scheduler.services().signing_keys);
    });
  }
};

TEST_F(SchedulerOrderTest, TransactionalGoesFirstThenTheHigherPriority) {
  AddStream("bulk").priority = 50;
  StreamOptions& alerts = AddStream("alerts");
  alerts.kind = StreamKind::kTransactional;
  alerts.priority = 0;
  Start();
  Send("letter", Recipients(2, "d1.test"), {.stream = "news"});
  Send("offer", Recipients(2, "d1.test"), {.stream = "bulk"});
  Send("result", Recipients(2, "d1.test"), {.stream = "alerts"});
  ASSERT_TRUE(EventuallyReady(6));
  EXPECT_THAT(TakeCampaigns(7), ElementsAre("result", "result", "offer", "offer", "letter", "letter", "none"));
}

TEST_F(SchedulerOrderTest, ARetryThatBecomesDueGoesBeforeTheFreshRowsOfTheWindow) {
  options_.streams[0].retry = {absl::Milliseconds(10)};
  Start();
  const queue::CampaignId id = Send("spring", Recipients(300, "d1.test"));
  // Once the first row is taken the lane reads ahead: more than would be read again for want of rows.
  ASSERT_TRUE(EventuallyReady(queue::Pack::kRowsMax));
  OnShard([&](Scheduler&) { Deliver(*Take()); });
  ASSERT_TRUE(EventuallyReady(3 * queue::Pack::kRowsMax - 1));
  const queue::LaneId lane{id, store_->DestinationOf("d1.test")};
  const auto defer = [&](const Assignment& assignment) {
    scheduler().Conclude(assignment, {.verdict = {.action = Action::kDefer}, .code = 450, .date = absl::Now()});
  };
  const auto number_at = [&](size_t place) -> uint32_t {
    const RowWindow& window = scheduler().lanes().Find(lane)->window;
    if (window.size() <= place) return 0;
    const queue::Row& row = std::next(window.begin(), static_cast<std::ptrdiff_t>(place))->row();
    return row.attempts > 0 ? static_cast<uint32_t>(row.id) : 0;
  };
  std::optional<Assignment> first, second;
  OnShard([&](Scheduler&) {
    first = Take();
    second = Take();
    defer(*first);
  });
  ASSERT_TRUE(Eventually([&] { return number_at(0) == 2; }));
  OnShard([&](Scheduler&) { defer(*second); });
  EXPECT_TRUE(Eventually([&] { return number_at(0) == 2 && number_at(1) == 3; })) << "the earlier retry is in front";
}

TEST_F(SchedulerOrderTest, WhatComesLaterWithAHigherStandingOvertakes) {
  AddStream("alerts").kind = StreamKind::kTransactional;
  Start();
  Send("letter", Recipients(3, "d1.test"), {.stream = "news"});
  ASSERT_TRUE(EventuallyReady(3));
  EXPECT_THAT(TakeCampaigns(1), ElementsAre("letter"));
  Send("result", Recipients(1, "d1.test"), {.stream = "alerts"});
  ASSERT_TRUE(EventuallyReady(3));
  EXPECT_THAT(TakeCampaigns(3), ElementsAre("result", "letter", "letter"));
}

TEST_F(SchedulerOrderTest, CampaignsOfEqualStandingTakeTurns) {
  Start();
  Send("a", Recipients(3, "d1.test"));
  Send("b", Recipients(3, "d1.test"));
  Send("c", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyReady(9));
  const std::vector<std::string> names = TakeCampaigns(9);
  for (size_t round = 0; round < 9; round += 3) {
    std::vector<std::string> turn(names.begin() + static_cast<std::ptrdiff_t>(round),
                                  names.begin() + static_cast<std::ptrdiff_t>(round) + 3);
    std::ranges::sort(turn);
    EXPECT_THAT(turn, ElementsAre("a", "b", "c")) << "in the round from row " << round;
  }
}

TEST_F(SchedulerOrderTest, ATurnIsAsManyMessagesAsTheCampaignsWeight) {
  Start();
  Send("light", Recipients(4, "d1.test"));
  Send("heavy", Recipients(12, "d1.test"), {.weight = 3});
  ASSERT_TRUE(EventuallyReady(16));
  for (int round = 0; round < 4; ++round) {
    const std::vector<std::string> names = TakeCampaigns(4);
    EXPECT_EQ(std::ranges::count(names, "heavy"), 3) << "in round " << round;
    EXPECT_EQ(std::ranges::count(names, "light"), 1) << "in round " << round;
  }
}

TEST_F(SchedulerOrderTest, AWeightHoldsNobodyUpWhoHasTheRowsAlone) {
  Start();
  Send("light", Recipients(9, "d1.test"));
  Send("heavy", Recipients(1, "d1.test"), {.weight = 100});
  ASSERT_TRUE(EventuallyReady(10));
  const std::vector<std::string> names = TakeCampaigns(10);
  EXPECT_EQ(std::ranges::count(names, "heavy"), 1);
  EXPECT_EQ(std::ranges::count(names, "light"), 9);
}

TEST_F(SchedulerOrderTest, DomainsWithTheSameHostsTakeTurnsAPackEach) {
  constexpr size_t kPack = queue::Pack::kRowsMax;
  internet_->SetMx("d2.test", {{10, "mx.d1.test"}});
  Start();
  std::vector<std::string> recipients = Recipients(2 * kPack, "d1.test");
  for (const std::string& other : Recipients(2 * kPack, "d2.test")) recipients.push_back(other);
  Send("spring", recipients);
  ASSERT_TRUE(EventuallyReady(2 * kPack));
  std::vector<std::string> domains;
  const auto take = [&](size_t rows) {
    OnShard([&](Scheduler&) {
      for (size_t i = 0; i < rows; ++i) domains.push_back(Take()->lane->domain);
    });
  };
  take(1);  // its lane reads on: two packs of it are there then
  ASSERT_TRUE(EventuallyReady(3 * kPack - 1));
  take(3 * kPack - 1);
  const std::string first = domains.front(), second = first == "d1.test" ? "d2.test" : "d1.test";
  EXPECT_EQ(std::ranges::count(domains.begin(), domains.begin() + kPack, first), kPack);
  EXPECT_EQ(std::ranges::count(domains.begin() + kPack, domains.begin() + 2 * kPack, second), kPack);
  EXPECT_EQ(std::ranges::count(domains.begin() + 2 * kPack, domains.end(), first), kPack);
}

TEST_F(SchedulerOrderTest, EveryBlockThatBindsASiteHasALimitOfItsOwn) {
  const auto a_second = [](int count) {
    return RateLimit{.rate = {.count = count, .period = absl::Seconds(1)}, .origin = "sealift.toml:12"};
  };
  options_.destinations = {{.domains = {"*"}, .message_rate = a_second(3000)},
                           {.domains = {"d1.test", "d2.test"}, .message_rate = a_second(1000)},
                           {.mx = {"mx.d1.test"}, .message_rate = a_second(2000)}};
  internet_->SetMx("d3.test", {{10, "mx.d1.test"}});
  Start();
  Send("spring", Recipients(2, "d1.test"));
  Send("summer", Recipients(1, "d3.test"));
  ASSERT_TRUE(EventuallyReady(3));
  OnShard([&](Scheduler&) {
    std::map<std::string, std::vector<std::string>> names;  // by campaign
    for (int i = 0; i < 2; ++i) {
      const std::optional<Assignment> next = Take();
      ASSERT_TRUE(next.has_value());
      for (const auto& [rate, flow] : next->permits->rates) {
        names[next->queue->campaign->name].push_back(rate->name() + ": " + rate->value());
      }
    }
    EXPECT_THAT(names["spring"],
                ElementsAre("10 mx.d1.test for d1.test and 1 more from ip1: 1000/s",
                            "10 mx.d1.test for mx mx.d1.test from ip1: 2000/s", "10 mx.d1.test from ip1: 3000/s"));
    EXPECT_THAT(names["summer"],
                ElementsAre("10 mx.d1.test for mx mx.d1.test from ip1: 2000/s", "10 mx.d1.test from ip1: 3000/s"));
  });
}

TEST_F(SchedulerOrderTest, ARefusedPermitSaysWhichLimitAndUntilWhen) {
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:12"};
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyReady(2));
  OnShard([&](Scheduler& scheduler) {
    EXPECT_TRUE(Take().has_value());
    Refusal refusal;
    EXPECT_FALSE(Take(&refusal).has_value());
    ASSERT_EQ(refusal.kind, Refusal::Kind::kRate);
    EXPECT_EQ(refusal.rate->kind(), "source");
    EXPECT_EQ(refusal.rate->origin(), "sealift.toml:12");
    EXPECT_GT(refusal.until, scheduler.services().Now() + absl::Minutes(59));
    EXPECT_LE(refusal.until, scheduler.services().Now() + absl::Minutes(60));
  });
}

TEST_F(SchedulerOrderTest, ARefusalTakesNoPermitOfTheOtherLimits) {
  options_.sources[0].rate = {.rate = {.count = 100, .period = absl::Seconds(1)}, .origin = "sealift.toml:12"};
  StreamOptions& alerts = AddStream("alerts");
  alerts.kind = StreamKind::kTransactional;
  alerts.rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:20"};
  Start();
  const queue::CampaignId letter = Send("letter", Recipients(1, "d1.test"), {.stream = "news"});
  Send("result", Recipients(2, "d1.test"), {.stream = "alerts"});
  ASSERT_TRUE(EventuallyReady(3));
  OnShard([&](Scheduler&) {
    active_[letter]->sending = false;
    EXPECT_EQ(Take()->queue->campaign->name, "result");
    for (int i = 0; i < 1000; ++i) {
      Refusal refusal;
      ASSERT_FALSE(Take(&refusal).has_value());
      ASSERT_EQ(refusal.rate->kind(), "stream");
    }
    active_[letter]->sending = true;
    const std::optional<Assignment> next = Take();
    ASSERT_TRUE(next.has_value()) << "a thousand refusals must not have used up the source's rate";
    EXPECT_EQ(next->queue->campaign->name, "letter");
  });
}

TEST_F(SchedulerOrderTest, AReturnedRowIsNextAgainAndItsPermitsAreFree) {
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}};
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyReady(2));
  OnShard([&](Scheduler& scheduler) {
    const std::optional<Assignment> first = Take();
    ASSERT_TRUE(first.has_value());
    const queue::RowId row = first->claim.row().id;
    EXPECT_FALSE(Take().has_value());
    scheduler.Return(*first);
    const std::optional<Assignment> again = Take();
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->claim.row().id, row);
  });
}

TEST_F(SchedulerOrderTest, ACampaignsOwnRateBindsOnlyIt) {
  Start();
  Send("slow", Recipients(2, "d1.test"), {.limits = {.rate = {.count = 1, .period = absl::Hours(1)}}});
  Send("fast", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyReady(5));
  std::vector<std::string> names = TakeCampaigns(5);
  std::ranges::sort(names);
  EXPECT_THAT(names, ElementsAre("fast", "fast", "fast", "none", "slow"));
}

TEST_F(SchedulerOrderTest, APoolsRateBindsWhateverLeavesFromItsSources) {
  options_.sources.push_back(
      {.name = "ip2", .address = "127.0.0.1", .family = AF_INET, .hostname = "mail.sender.test"});
  options_.pools.push_back({.name = "small",
                            .sources = {"ip2", "ip1"},
                            .source_indexes = {1, 0},
                            .rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:9"}});
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyReady(2));
  Refusal refusal;
  OnShard([&](Scheduler&) {
    EXPECT_TRUE(Take().has_value());
    EXPECT_FALSE(Take(&refusal).has_value()) << "the stream's own pool has no rate, the source's other one has";
  });
  ASSERT_NE(refusal.rate, nullptr);
  EXPECT_EQ(refusal.rate->kind() + " " + refusal.rate->name(), "pool small");
  EXPECT_EQ(refusal.rate->origin(), "sealift.toml:9");
}

TEST_F(SchedulerOrderTest, WhatMayNotLeaveFromANewSourceLeavesFromItsWarmSibling) {
  options_.sources.push_back(
      {.name = "ip2", .address = "127.0.0.2", .family = AF_INET, .hostname = "mail.sender.test"});
  options_.sources[0].warmup = {.start = "2999-01-01", .per_day = {{"default", {1}}}, .overflow = "wait"};
  options_.pools[0] = {.name = "main", .sources = {"ip1", "ip2"}, .source_indexes = {0, 1}};
  warmups_.Adopt(options_);
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyReady(2));
  OnShard([&](Scheduler& scheduler) {
    Refusal refusal;
    EXPECT_FALSE(Take(&refusal).has_value());
    Site& site = PathTo(scheduler, "d1.test").site;
    Path& sibling = scheduler.paths().PathOf(site, 1, site.queues.front()->requirement);
    EXPECT_TRUE(NextFor(scheduler, sibling, refusal).has_value());
  });
}

TEST_F(SchedulerOrderTest, WhatADestinationAllowsAPoolBindsEveryPoolOfASource) {
  options_.pools.push_back({.name = "other", .sources = {"ip1"}, .source_indexes = {0}});
  options_.destinations.push_back({.domains = {"*"}, .per = Per::kPool});
  options_.destinations.back().message_rate = {.rate = {.count = 1, .period = absl::Hours(1)}};
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyReady(2));
  OnShard([&](Scheduler&) {
    const std::optional<Assignment> first = Take();
    ASSERT_TRUE(first.has_value());
    std::vector<std::string> names;
    for (const auto& [rate, flow] : first->permits->rates) names.push_back(rate->name());
    EXPECT_THAT(names, ElementsAre(EndsWith(" from pool main"), EndsWith(" from pool other")));
  });
}

// Of every scope that reaches beyond the site: a reply at one binds rows that have stood ready at another since before.
TEST_F(SchedulerOrderTest, WhatAReplySlowsIsSlowedAtEverySite) {
  const std::vector<std::string> scopes = {"source", "stream", "campaign"};
  AddDomain("d2.test");
  for (const std::string& scope : scopes) {
    AddStream(scope);
    options_.sources.push_back(
        {.name = "ip-" + scope, .address = "127.0.0.1", .family = AF_INET, .hostname = "mail.sender.test"});
    const int index = static_cast<int>(options_.sources.size()) - 1;
    options_.pools.push_back({.name = scope, .sources = {"ip-" + scope}, .source_indexes = {index}});
    options_.streams.back().pool = scope;
    options_.streams.back().pool_index = static_cast<int>(options_.pools.size()) - 1;
    options_.rules.push_back({.match = "slow the " + scope, .scope = scope, .actions = {"backoff"}, .factor = 0.5});
  }
  ASSERT_TRUE(restraints_.Adopt(std::make_shared<const Options>(options_)).ok());
  Start();
  for (const std::string& scope : scopes) Send(scope, {"a1@d1.test", "a2@d2.test"}, {.stream = scope});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 3 && RowsReady("d2.test") == 3; }));
  OnShard([&](Scheduler& scheduler) {
    const auto path_to = [&](const std::string& domain, const std::string& scope) -> Path& {
      const Site* const site = scheduler.directory().FindSite(domain);
      const auto queue = std::ranges::find_if(
          site->queues, [&](const std::unique_ptr<SendQueue>& at) { return at->campaign->name == scope; });
      return scheduler.paths().PathOf(*(*queue)->site, (*queue)->permits.front()->source, (*queue)->requirement);
    };
    for (const std::string& scope : scopes) {
      Refusal refusal;
      const std::optional<Assignment> here = NextFor(scheduler, path_to("d1.test", scope), refusal);
      ASSERT_TRUE(here.has_value()) << scope;
      const auto evidence = std::make_shared<queue::Evidence>();
      evidence->source = "ip-" + scope;
      scheduler.Conclude(
          *here,
          {.verdict = {.action = Action::kDefer}, .code = 451, .text = "slow the " + scope, .evidence = evidence});
      EXPECT_FALSE(NextFor(scheduler, path_to("d2.test", scope), refusal).has_value()) << scope;
      ASSERT_NE(refusal.rate, nullptr) << scope;
      EXPECT_EQ(refusal.rate->kind(), "backoff");
    }
  });
}

TEST_F(SchedulerOrderTest, AReloadLiftsALimitThatRefused) {
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}};
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyReady(2));
  EXPECT_EQ(TakeCampaigns(2).back(), "none");
  options_.sources[0].rate = {};
  Reload();
  EXPECT_THAT(TakeCampaigns(1), ElementsAre("spring"));
}

TEST_F(SchedulerOrderTest, WhoRaisesALimitDoesNotWaitOutTheOldOne) {
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}};
  Start();
  Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyReady(3));
  EXPECT_EQ(TakeCampaigns(2).back(), "none");
  options_.sources[0].rate = {.rate = {.count = 100, .period = absl::Seconds(1)}};
  Reload();
  EXPECT_TRUE(Eventually([&] { return Take().has_value(); }));
}

TEST_F(SchedulerOrderTest, AConnectionThatIsUsedUpIsReplacedAtOnceUnlessTheHostIsFull) {
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyReady(2));
  OnShard([&](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    path.site.queues.front()->settings.connections.count = 5;
    const absl::Time now = scheduler.services().SteadyNow();
    path.next_added = now + Paths::kPace / 2;
    path.next_open = now + absl::Minutes(1);
    scheduler.paths().OnUsedUp(path);
    scheduler.paths().Pump(path.site);
    EXPECT_EQ(path.sessions, 0) << "the host has as many as it likes";
    path.next_open = now;
    scheduler.paths().Pump(path.site);
    EXPECT_EQ(path.sessions, 1);
    // Where connections are used up in less than kPace, as good as none would be added otherwise.
    EXPECT_EQ(path.next_added, now + Paths::kPace / 2) << "the next that is added waits no longer for it";
    scheduler.paths().Pump(path.site);
    EXPECT_EQ(path.sessions, 1) << "it replaces one";
  });
}

TEST_F(SchedulerOrderTest, RowsBeyondTheUnsettledShareWaitForOutcomesToBeDurable) {
  unsettled_share_ = 2;
  Start();
  Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyReady(3));
  std::optional<Assignment> first;
  OnShard([&](Scheduler&) {
    first = Take();
    EXPECT_TRUE(Take().has_value());
    Refusal refusal;
    EXPECT_FALSE(Take(&refusal).has_value());
    EXPECT_EQ(refusal.kind, Refusal::Kind::kUnsettled);
    Deliver(*first);
    EXPECT_FALSE(Take().has_value()) << "known is not durable";
  });
  ASSERT_TRUE(Eventually([&] { return Take().has_value(); }));
}

TEST_F(SchedulerOrderTest, NothingBeginsWhileOutcomesCannotBeKept) {
  Start();
  Send("spring", Recipients(1, "d1.test"));
  ASSERT_TRUE(EventuallyReady(1));
  OnShard([&](Scheduler& scheduler) {
    scheduler.AllowSending(false);
    EXPECT_FALSE(Take().has_value());
    EXPECT_FALSE(scheduler.Head(PathTo(scheduler, "d1.test")).has_value());
    scheduler.AllowSending(true);
    EXPECT_TRUE(Take().has_value());
  });
}

TEST_F(SchedulerOrderTest, EveryRowIsHandedOutOnce) {
  Start();
  const queue::CampaignId id = Send("spring", Recipients(500, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") > 0; }));
  EXPECT_EQ(TakeAll(500), Numbers(1, 500));
  ASSERT_TRUE(EventuallyDelivered(id, 500));
  OnShard([&](Scheduler& scheduler) {
    EXPECT_FALSE(Take().has_value());
    EXPECT_EQ(scheduler.lanes().size(), 0u) << "nothing is left of it, so it is forgotten";
  });
}

TEST_F(SchedulerOrderTest, APauseGivesRowsBackAndARunFindsEachOfThemOnce) {
  Start();
  const queue::CampaignId id = Send("spring", Recipients(40, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") > 0; }));
  std::vector<Assignment> sending;
  OnShard([&](Scheduler&) {
    for (int i = 0; i < 5; ++i) sending.push_back(*Take());
  });
  const std::shared_ptr<std::atomic<bool>> stopped = Pause(id);
  OnShard([&](Scheduler&) {
    EXPECT_FALSE(Take().has_value());
    EXPECT_FALSE(*stopped) << "five are being sent";
    for (const Assignment& assignment : sending) Deliver(assignment);
  });
  ASSERT_TRUE(Eventually([&] { return stopped->load(); }));
  EXPECT_EQ(CountersOf(id).delivered, 5u);

  Run(id);
  EXPECT_EQ(TakeAll(35), Numbers(6, 40));
  ASSERT_TRUE(EventuallyDelivered(id, 40));
}

TEST_F(SchedulerOrderTest, ARunWhileRowsOfThePauseAreStillBeingSentFindsTheOthersOnce) {
  Start();
  const queue::CampaignId id = Send("spring", Recipients(40, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") > 0; }));
  std::vector<Assignment> sending;
  OnShard([&](Scheduler&) {
    for (int i = 0; i < 5; ++i) sending.push_back(*Take());
  });
  Pause(id);
  Run(id);
  OnShard([&](Scheduler& scheduler) {
    for (int i = 0; i < 4; ++i) Deliver(sending[static_cast<size_t>(i)]);
    scheduler.Return(sending[4]);
  });
  EXPECT_EQ(TakeAll(36), Numbers(5, 40)) << "the row that came back is found like the others";
  ASSERT_TRUE(EventuallyDelivered(id, 40));
}

TEST_F(SchedulerOrderTest, ARetryThatIsDueGoesBeforeFreshRows) {
  Start();
  const queue::CampaignId id = Send("spring", Recipients(200, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") > 0; }));
  queue::RowId deferred{};
  OnShard([&](Scheduler& scheduler) {
    const std::optional<Assignment> first = Take();
    deferred = first->claim.row().id;
    scheduler.Conclude(*first, {.verdict = {.action = Action::kDefer, .reason_class = ReasonClass::kFull}});
  });
  ASSERT_TRUE(EventuallyTried(id, 1));
  const std::shared_ptr<std::atomic<bool>> stopped = Pause(id);
  ASSERT_TRUE(Eventually([&] { return stopped->load(); }));
  std::promise<uint64_t> moved;
  store_->MoveDue({id, store_->DestinationOf("d1.test")}, "", absl::Now() - absl::Seconds(1),
                  [&](absl::StatusOr<uint64_t> rows) { moved.set_value(rows.value_or(0)); });
  EXPECT_EQ(moved.get_future().get(), 1u);
  const std::vector<queue::StoredRow> rows = RowsOf(id);
  const auto retry = std::ranges::find(rows, 1, &queue::StoredRow::attempts);
  ASSERT_NE(retry, rows.end());
  absl::Time now;
  do {  // the store rounds a due time up, by a tenth of a second at most
    OnShard([&](Scheduler& scheduler) { now = scheduler.services().Now(); });
  } while (now <= retry->due);
  Run(id);
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") > 0; }));
  OnShard([&](Scheduler&) {
    const std::optional<Assignment> next = Take();
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->claim.row().id, deferred);
    EXPECT_EQ(next->claim.row().attempts, 1);
  });
}

TEST_F(SchedulerOrderTest, MakingALaneDueNeedsNoWaitForItsTime) {
  Start();
  const queue::CampaignId id = Send("spring", Recipients(1, "d1.test"));
  ASSERT_TRUE(EventuallyReady(1));
  OnShard([&](Scheduler& scheduler) {
    scheduler.Conclude(*Take(), {.verdict = {.action = Action::kDefer, .reason_class = ReasonClass::kFull}});
  });
  ASSERT_TRUE(EventuallyTried(id, 1));
  const queue::LaneRecord record{.lane = {id, store_->DestinationOf("d1.test")}, .domain = "d1.test"};
  uint64_t moved = 0;
  OnShard([&](Scheduler& scheduler) {
    scheduler.MakeDue(record, active_[id], absl::Now() - absl::Seconds(1),
                      [&](absl::StatusOr<uint64_t> rows) { moved = rows.value_or(0); });
  });
  EXPECT_EQ(TakeAll(1), Numbers(1, 1)) << "its retry schedule said an hour";
  EXPECT_EQ(moved, 1u);
}

}  // namespace
}  // namespace sealift::engine
