// How many connections there are, and how fast they are opened, to whoever judges them together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/explain.h"
#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

class ConnectionLimitsTest : public ShardWorld {
 protected:
  // Two domains, each a site of its own, that one provider serves. Messages end and are never answered.
  void AddProvider() {
    options_.providers = {{.name = "group", .mx = {"*.group.test"}}};
    for (const char* domain : {"d1.test", "d2.test"}) {
      const std::string host = std::string("mx-") + domain + ".group.test";
      AddDomain(domain);
      MailServer& mx = internet_->AddHost(host);
      mx.script = [](const MailServer::Conversation&, std::string_view command) -> std::optional<MailServer::Answer> {
        if (command == ".") return MailServer::Answer{""};
        return std::nullopt;
      };
      servers_.push_back(&mx);
      internet_->SetMx(domain, {{10, host}});
    }
  }

  size_t Open() const {
    size_t open = 0;
    for (const MailServer* server : servers_) open += server->conversations.size();
    return open;
  }

  void SendToBoth() {
    Send("spring", Recipients(20, "d1.test"));
    Send("summer", Recipients(20, "d2.test"));
  }

  std::vector<MailServer*> servers_;
};

TEST_F(ConnectionLimitsTest, TheSitesOfAProviderShareItsConnections) {
  AddProvider();
  options_.destinations = {{.provider = "group", .connections = {.count = 3, .origin = "t:1"}}};
  Start();
  SendToBoth();
  ASSERT_TRUE(Eventually([this] { return Open() == 3; }));
  const std::shared_ptr<Slots> slots = limits_.Count("provider group from " + options_.sources[0].name, {3}, 0,
                                                     "provider group from " + options_.sources[0].address);
  EXPECT_EQ(slots->used(), 3);
  // More slots are seen without anything else happening.
  limits_.Count("provider group from " + options_.sources[0].name, {5}, 0,
                "provider group from " + options_.sources[0].address);
  EXPECT_TRUE(Eventually([this] { return Open() == 5; }));
  Stop(absl::ZeroDuration());
  EXPECT_EQ(slots->used(), 0);
}

TEST_F(ConnectionLimitsTest, AReloadThatLeavesLessRoomEndsWhatIsOpenBeyondIt) {
  AddProvider();
  Signal answers;
  bool wait = true;  // on the shard's thread
  for (MailServer* server : servers_) {
    server->script = [&](const MailServer::Conversation&,
                         std::string_view command) -> std::optional<MailServer::Answer> {
      if (command != "." || !wait) return std::nullopt;
      return MailServer::Answer{.text = "250 2.0.0 ok", .after = &answers};
    };
  }
  options_.destinations = {{.provider = "group", .connections = {.count = 6, .origin = "t:1"}, .per = Per::kNode}};
  Start();
  const queue::CampaignId spring = Send("spring", Recipients(100, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return Open() == 6; }));
  const auto reload = [&] {
    OnShard([now = std::make_shared<const Options>(options_)](Scheduler& scheduler) {
      scheduler.Adopt(now, scheduler.services().signing_keys);
    });
  };
  const auto open = [this] { return PathTo(scheduler(), "d1.test").sessions; };
  options_.destinations[0].connections.count = 4;
  reload();
  OnShard([&](Scheduler&) {
    wait = false;
    answers.NotifyAll();
  });
  ASSERT_TRUE(EventuallyDelivered(spring, 100));
  EXPECT_TRUE(Eventually([&] { return open() == 4; }));
  // Those that wait for a row as well.
  options_.sources[0].connections = {.count = 2, .origin = "t:2"};
  reload();
  EXPECT_TRUE(Eventually([&] { return open() == 2; }));
  EXPECT_EQ(limits_.Count("provider group", {4})->used(), 2);
  Stop(absl::ZeroDuration());
  EXPECT_EQ(limits_.Count("provider group", {4})->used(), 0);
}

TEST_F(ConnectionLimitsTest, WhatAReloadBeginsToCountIsCountedWithWhatIsOpen) {
  AddProvider();
  options_.destinations = {{.domains = {"*"}, .connections = {.count = 3, .origin = "t:1"}}};
  Start();
  SendToBoth();
  ASSERT_TRUE(Eventually([this] { return Open() == 6; }));
  options_.destinations.push_back({.provider = "group", .connections = {.count = 2, .origin = "t:2"}});
  const auto now = std::make_shared<const Options>(options_);
  OnShard([&](Scheduler& scheduler) { scheduler.Adopt(now, scheduler.services().signing_keys); });
  const std::shared_ptr<Slots> slots = limits_.Count("provider group from " + options_.sources[0].name, {2}, 0,
                                                     "provider group from " + options_.sources[0].address);
  EXPECT_EQ(slots->used(), 6);
  Stop(absl::ZeroDuration());
  EXPECT_EQ(slots->used(), 0);
}

// Each has a limit of its own: one that both asked would have had what the first took.
TEST_F(ConnectionLimitsTest, ADomainThatTwoBlocksBindIsConnectedTo) {
  AddDomain("d1.test");
  options_.destinations = {
      {.domains = {"*"}, .connection_rate = {.rate = {.count = 100, .period = absl::Seconds(1)}, .origin = "t:1"}},
      {.domains = {"d1.test"},
       .connection_rate = {.rate = {.count = 10, .period = absl::Seconds(1)}, .origin = "t:2"}}};
  Start();
  EXPECT_TRUE(EventuallyDelivered(Send("spring", Recipients(3, "d1.test")), 3));
}

// Not what the first of them was allowed, whichever that is.
TEST_F(ConnectionLimitsTest, EachDomainOfASiteOpensAsManyAsItsOwnBlockAllows) {
  MailServer& server = AddDomain("d1.test");
  server.script = [](const MailServer::Conversation&, std::string_view command) -> std::optional<MailServer::Answer> {
    if (command == ".") return MailServer::Answer{""};
    return std::nullopt;
  };
  internet_->SetMx("d2.test", {{10, "mx.d1.test"}});
  options_.destinations = {{.domains = {"d1.test"}, .connections = {.count = 1, .origin = "t:1"}},
                           {.domains = {"d2.test"}, .connections = {.count = 3, .origin = "t:2"}}};
  Start();
  Send("spring", Recipients(20, "d1.test"));
  const auto wait_of = [this](const std::string& domain) {
    DomainExplanation explanation;
    ExplainDomain(scheduler(), domain, explanation);
    const auto found = std::ranges::find(explanation.waits, "connections", &WaitReason::reason);
    return found == explanation.waits.end() ? WaitReason{} : *found;
  };
  ASSERT_TRUE(Eventually([&] { return wait_of("d1.test").rows == 19; }));
  OnShard([&](Scheduler&) {
    EXPECT_EQ(wait_of("d1.test").detail, "connections from ip1 to 10 mx.d1.test: 1 of 1 open");
    EXPECT_EQ(wait_of("d1.test").set_by, "t:1");
  });
  Send("summer", Recipients(20, "d2.test"));
  ASSERT_TRUE(Eventually([&] { return server.conversations.size() == 3; }));
  ASSERT_TRUE(Eventually([&] { return wait_of("d2.test").rows >= 18; }));
  OnShard([&](Scheduler&) { EXPECT_EQ(wait_of("d2.test").set_by, "t:2"); });
  Stop(absl::ZeroDuration());
}

TEST_F(ConnectionLimitsTest, AConnectionCarriesAsManyAsTheStrictestOfItsMailAllows) {
  const MailServer& server = AddDomain("d2.test");
  internet_->SetMx("d1.test", {{10, "mx.d2.test"}});
  options_.smtp.connections = 1;
  options_.destinations = {{.domains = {"d1.test"}, .messages_per_connection = 2}};
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", Recipients(6, "d2.test")), 6));
  OnShard([&](Scheduler&) { EXPECT_EQ(server.conversations.size(), 1u); });
  ASSERT_TRUE(EventuallyDelivered(Send("summer", Recipients(6, "d1.test")), 6));
  OnShard([&](Scheduler&) { EXPECT_EQ(server.conversations.size(), 4u); });
}

// Who has mail for as long as others wait would have every connection that he had before, one after another.
TEST_F(ConnectionLimitsTest, AConnectionThatIsUsedUpIsLeftToASiteThatHasNone) {
  AddProvider();
  for (MailServer* server : servers_) server->script = nullptr;
  options_.destinations = {
      {.provider = "group", .connections = {.count = 1, .origin = "t:1"}, .messages_per_connection = 2}};
  Start();
  const queue::CampaignId spring =
      Send("spring", Recipients(200, "d1.test"), {.limits = {.rate = {.count = 100, .period = absl::Seconds(1)}}});
  const queue::CampaignId summer = Send("summer", Recipients(4, "d2.test"));
  ASSERT_TRUE(EventuallyDelivered(summer, 4));
  EXPECT_GT(CountersOf(spring).queued(), 0u);
}

// One that carries mail all the time as well, once it has had its turn: it would be kept for a thousand messages.
TEST_F(ConnectionLimitsTest, ASitesOnlyConnectionIsLeftAfterATurnToASiteThatHasNone) {
  AddProvider();
  for (MailServer* server : servers_) server->script = nullptr;
  options_.destinations = {{.provider = "group", .connections = {.count = 1, .origin = "t:1"}}};
  Start();
  const queue::CampaignId spring =
      Send("spring", Recipients(900, "d1.test"), {.limits = {.rate = {.count = 25, .period = absl::Seconds(1)}}});
  ASSERT_TRUE(EventuallyDelivered(spring, 1));
  const queue::CampaignId summer = Send("summer", Recipients(4, "d2.test"));
  ASSERT_TRUE(EventuallyDelivered(summer, 4));
  EXPECT_GT(CountersOf(spring).queued(), 0u);
  Stop(absl::ZeroDuration());
  EXPECT_GT(servers_[0]->conversations.front().commands.size(), 10u) << "it had a turn";
}

// A receiver that lets no more than two of our connections in is asked for a third once, by one site of his, and
// whoever waits is told.
TEST_F(ConnectionLimitsTest, AReceiverThatLetsNoMoreConnectionsInIsNotAskedAgainAtOnce) {
  AddProvider();
  options_.providers.clear();
  options_.destinations = {{.domains = {"*"}, .connections = {.count = 10, .origin = "t:1"}}};
  servers_[0]->connections_max = 2;
  Start();
  Send("spring", Recipients(20, "d1.test"));
  Send("summer", Recipients(20, "d2.test"));
  ASSERT_TRUE(Eventually([this] { return Open() == 13; })) << "three there, and ten at the other";
  ASSERT_TRUE(Eventually([this] {
    DomainExplanation explanation;
    ExplainDomain(scheduler(), "d1.test", explanation);
    const auto wait = std::ranges::find(explanation.waits, "connections", &WaitReason::reason);
    return wait != explanation.waits.end() && wait->rows == 18 && wait->until > absl::Now() &&
           wait->detail ==
               "connections from ip1 to 10 mx-d1.test.group.test: 2 open, and the receiver let no further one in";
  }));
  Stop(absl::ZeroDuration());
  EXPECT_EQ(servers_[0]->turned_away, 1);
}

TEST_F(ConnectionLimitsTest, AReceiverIsFullAlsoWhileThoseThatHeLetInAreNotReadyYet) {
  AddProvider();
  servers_[0]->connections_max = 2;
  servers_[0]->script = [](const MailServer::Conversation&, std::string_view command) {
    return command.starts_with("EHLO") ? std::optional(MailServer::Answer{""}) : std::nullopt;
  };
  options_.smtp.connections = 10;
  Start();
  const queue::CampaignId spring = Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return servers_[0]->turned_away == 1; }));
  OnShard([&](Scheduler& scheduler) {
    EXPECT_GT(limits_.ReceptionOf(options_.sources[0].name, "group")->full_until(), scheduler.services().SteadyNow());
    EXPECT_EQ(PathTo(scheduler, "d1.test").block.failures, 0);
  });
  Stop(absl::ZeroDuration());
  EXPECT_EQ(CountersOf(spring).deferrals, 0u);
}

TEST_F(ConnectionLimitsTest, OnlyAReplyAboutHowManyThereAreIsTakenForThatBehindTheGreeting) {
  AddProvider();
  servers_[0]->script = [](const MailServer::Conversation&, std::string_view command) {
    return command.starts_with("EHLO") ? std::optional(MailServer::Answer{""}) : std::nullopt;
  };
  Start();
  Send("spring", Recipients(1, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return Open() == 1; }));
  OnShard([](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    Reception::Visit visit(path.reception, scheduler.services().SteadyNow());
    visit.LetIn();
    Attempt attempt;
    attempt.code = 454;
    attempt.verdict.reason_class = ReasonClass::kTls;
    scheduler.paths().OnUnreachable(path, Lack::kTls, attempt);
    EXPECT_EQ(path.reception->full_until(), absl::InfinitePast()) << "the provider's other sites may have more";
    attempt.code = 421;
    attempt.verdict.reason_class = ReasonClass::kRate;
    scheduler.paths().OnUnreachable(path, Lack::kNone, attempt);
    EXPECT_GT(path.reception->full_until(), scheduler.services().SteadyNow());
  });
  Stop(absl::ZeroDuration());
}

TEST_F(ConnectionLimitsTest, SitesOfAProviderTogetherAskForOneConnectionTooMany) {
  AddProvider();
  for (MailServer* server : servers_) server->connections_max = 2;
  options_.smtp.connections = 10;
  Start();
  SendToBoth();
  const auto turned_away = [this] { return servers_[0]->turned_away + servers_[1]->turned_away; };
  ASSERT_TRUE(Eventually([&] { return turned_away() > 0; }));
  const std::string source = options_.sources[0].name;
  OnShard([&](Scheduler& scheduler) {
    const std::shared_ptr<Reception> reception = limits_.ReceptionOf(source, "group");
    EXPECT_GT(reception->full_until(), scheduler.services().SteadyNow());
    EXPECT_EQ(reception->most(), reception->let_in());
    EXPECT_EQ(limits_.ReceptionOf(source, "group"), reception);
  });
  Stop(absl::ZeroDuration());
  EXPECT_EQ(turned_away(), 1);
}

// Two streams to one domain whose server never answers a message.
class ReservedConnectionsTest : public ShardWorld {
 protected:
  ReservedConnectionsTest() {
    AddStream("codes").kind = StreamKind::kTransactional;
    server_ = &AddDomain("d1.test");
    server_->script = [](const MailServer::Conversation&,
                         std::string_view command) -> std::optional<MailServer::Answer> {
      if (command == ".") return MailServer::Answer{""};
      return std::nullopt;
    };
  }
  void TearDown() override { Stop(absl::ZeroDuration()); }

  WaitReason OnlyWaitOf(const std::string& reason) {
    DomainExplanation explanation;
    ExplainDomain(scheduler(), "d1.test", explanation);
    WaitReason found;
    for (WaitReason& wait : explanation.waits) {
      if (wait.reason == reason) found = std::move(wait);
    }
    return found;
  }

  MailServer* server_;
};

TEST_F(ReservedConnectionsTest, MarketingMailNeverTakesTheLastOnesOfADestination) {
  options_.destinations = {
      {.domains = {"*"}, .connections = {.count = 4, .origin = "t:1"}, .reserved_for_transactional = {.percent = 10}}};
  Start();
  Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return server_->conversations.size() == 3; }));
  ASSERT_TRUE(Eventually([this] { return OnlyWaitOf("connections").rows == 17; }));
  OnShard([&](Scheduler&) {
    const WaitReason wait = OnlyWaitOf("connections");
    EXPECT_EQ(wait.detail,
              "connections from ip1 to 10 mx.d1.test: 3 of 4 open, 1 of these for transactional mail alone");
    EXPECT_EQ(wait.set_by, "t:1");
    EXPECT_EQ(OnlyWaitOf("sending").rows, 3u) << "those that have a connection";
  });
  const queue::CampaignId codes = Send("code", {"b1@d1.test"}, {.stream = "codes"});
  ASSERT_TRUE(Eventually([this] { return server_->conversations.size() == 4; }));
  OnShard([&](Scheduler& scheduler) {
    EXPECT_EQ(PathTo(scheduler, "d1.test").reserved_sessions, 1);
    EXPECT_EQ(scheduler.lanes().Find({codes, store_->DestinationOf("d1.test")})->unsettled, 1) << "it is being sent";
  });
}

TEST_F(ReservedConnectionsTest, MarketingMailNeverTakesTheLastOnesOfASource) {
  options_.smtp.connections = 20;
  options_.sources[0].connections = {.count = 3, .origin = "t:2"};
  options_.sources[0].reserved_for_transactional = {.percent = 50};
  Start();
  Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return OnlyWaitOf("connections").rows == 19; }));
  OnShard([&](Scheduler&) {
    EXPECT_EQ(OnlyWaitOf("connections").detail,
              "connections of source ip1: 1 of 3 open, 2 of these for transactional mail alone");
  });
  Send("code", Recipients(9, "d1.test"), {.stream = "codes"});
  ASSERT_TRUE(Eventually([this] { return server_->conversations.size() == 3; }));
  ASSERT_TRUE(Eventually([this] { return OnlyWaitOf("connections").rows == 19 + 7; }));
}

TEST_F(ReservedConnectionsTest, AConnectionOfTheReserveCarriesNoMarketingMailLater) {
  options_.smtp.connections = 0;  // no session is opened: the test takes the rows
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") == 2; }));
  Send("code", {"b1@d1.test"}, {.stream = "codes"});
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") == 3; }));
  OnShard([&](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    Refusal refusal;
    const std::optional<Assignment> code = NextFor(scheduler, path, refusal, Slots::For::kReserved);
    ASSERT_TRUE(code.has_value());
    EXPECT_EQ(code->lane->campaign->name, "code");
    EXPECT_FALSE(NextFor(scheduler, path, refusal, Slots::For::kReserved).has_value());
    EXPECT_TRUE(NextFor(scheduler, path, refusal).has_value()) << "marketing mail goes by the others";
  });
}

TEST_F(ConnectionLimitsTest, APoolsAndTheNodesAreSharedByAllSites) {
  AddProvider();
  options_.providers.clear();
  options_.destinations = {{.domains = {"*"}, .connections = {.count = 10, .origin = "t:3"}}};
  options_.pools[0].connections = {.count = 4, .origin = "t:1"};
  options_.node.connections = {.count = 3, .origin = "t:2"};
  Start();
  SendToBoth();
  ASSERT_TRUE(Eventually([this] { return Open() == 3; }));
  EXPECT_EQ(limits_.Count("pool " + options_.pools[0].name, {4})->used(), 3);
  limits_.Count("node " + options_.node.hostname, {10});
  EXPECT_TRUE(Eventually([this] { return Open() == 4; })) << "the pool has no more";
  Stop(absl::ZeroDuration());
  EXPECT_EQ(Open(), 4u);
}

// While it says nothing it has two of what others share with it; who answers has as many again as it has let in.
TEST_F(ConnectionLimitsTest, AHostThatDoesNotGreetLeavesTheOthersTheirs) {
  AddProvider();
  options_.destinations = {{.provider = "group", .connections = {.count = 3, .origin = "t:1"}}};
  servers_[0]->greeting = "";
  Start();
  Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return Open() == 2; }));
  Send("summer", Recipients(20, "d2.test"));
  ASSERT_TRUE(Eventually([this] { return servers_[1]->conversations.size() == 1; }));
  OnShard([&](Scheduler&) {
    EXPECT_EQ(servers_[0]->conversations.size(), 2u);
    DomainExplanation explanation;
    ExplainDomain(scheduler(), "d1.test", explanation);
    const auto wait = std::ranges::find(explanation.waits, "connections", &WaitReason::reason);
    ASSERT_NE(wait, explanation.waits.end());
    EXPECT_EQ(wait->detail, "connections from ip1 to 10 mx-d1.test.group.test: 2 wait for a greeting");
  });
  Stop(absl::ZeroDuration());
}

TEST_F(ConnectionLimitsTest, OtherSitesHaveTheirOwn) {
  AddProvider();
  options_.providers.clear();
  options_.destinations = {{.domains = {"*"}, .connections = {.count = 3, .origin = "t:1"}}};
  Start();
  SendToBoth();
  EXPECT_TRUE(Eventually([this] { return Open() == 6; }));
  Stop(absl::ZeroDuration());
}

TEST_F(ConnectionLimitsTest, TheSitesOfAProviderShareItsConnectionRate) {
  AddProvider();
  options_.destinations = {
      {.provider = "group", .connection_rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "t:1"}}};
  Start();
  SendToBoth();
  ASSERT_TRUE(Eventually([this] { return Open() == 1; }));
  // The other one is told which limit it is.
  EXPECT_TRUE(Eventually([this] {
    for (const char* domain : {"d1.test", "d2.test"}) {
      DomainExplanation explanation;
      ExplainDomain(scheduler(), domain, explanation);
      for (const WaitReason& wait : explanation.waits) {
        if (wait.detail.find("connection_rate rate of group from") != std::string::npos) return true;
      }
    }
    return false;
  }));
  Stop(absl::ZeroDuration());
  EXPECT_EQ(Open(), 1u);
}

}  // namespace
}  // namespace sealift::engine
