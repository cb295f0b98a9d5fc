// How many connections carry the mail of a stream or a campaign at once, and how many messages each.
#include "engine/carriage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/explain.h"
#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using ::testing::Each;
using ::testing::Le;
using ::testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Duration kTurn = absl::Seconds(5);

class CarriageTest : public testing::Test {
 protected:
  Limits limits_;
  const std::shared_ptr<Slots> news_ = limits_.Count("stream news", {1, "t:1"});
  const std::shared_ptr<Slots> spring_ = limits_.Count("campaign spring", {1, "t:2"});
  Carried here_, there_;  // what the sessions of two paths have
};

TEST_F(CarriageTest, AConnectionIsCountedOnceForAllThatItCarriesOfOne) {
  Carriage one(here_), other(there_);
  EXPECT_TRUE(one.Take({news_, spring_}, kNow));
  EXPECT_TRUE(one.Take({news_}, kNow));
  EXPECT_EQ(news_->used(), 1);
  EXPECT_THAT(here_.slots, SizeIs(2));
  EXPECT_FALSE(other.Take({news_}, kNow));
  EXPECT_TRUE(other.Take({}, kNow)) << "what nothing counts goes by any";
  one.Release();
  EXPECT_THAT(here_.slots, SizeIs(0));
  EXPECT_TRUE(other.Take({news_}, kNow));
}

TEST_F(CarriageTest, WhoeverIsRefusedOneTakesNone) {
  Carriage one(here_), other(there_);
  ASSERT_TRUE(one.Take({spring_}, kNow));
  EXPECT_FALSE(other.Take({news_, spring_}, kNow));
  EXPECT_EQ(news_->used(), 0);
  EXPECT_THAT(there_.slots, SizeIs(0));
}

TEST_F(CarriageTest, WhatItCarriesNoMoreIsGivenBack) {
  Carriage one(here_);
  ASSERT_TRUE(one.Take({news_, spring_}, kNow));
  one.KeepOnly({news_});
  EXPECT_EQ(spring_->used(), 0);
  EXPECT_EQ(news_->used(), 1);
  EXPECT_EQ(here_.slots, SharedSlots{news_});
}

TEST_F(CarriageTest, ATurnIsOverWhenAnotherPathCalls) {
  Carriage one(here_), sibling(here_), other(there_);
  ASSERT_TRUE(one.Take({news_}, kNow));
  const absl::Time later = kNow + kTurn;
  EXPECT_FALSE(one.IsToGiveWay(kTurn, later)) << "nobody waits";
  ASSERT_FALSE(other.Take({news_}, kNow + absl::Seconds(1)));
  EXPECT_FALSE(one.IsToGiveWay(kTurn, kNow + absl::Seconds(1))) << "it has its turn";
  ASSERT_FALSE(other.Take({news_}, later));
  EXPECT_TRUE(one.IsToGiveWay(kTurn, later));
  EXPECT_TRUE(one.IsToGiveWay(kTurn, later + absl::Seconds(1))) << "until it has";
  one.GiveWay(later);
  const absl::Time soon = later + absl::Seconds(1);
  EXPECT_FALSE(one.Take({news_}, soon)) << "it is left to who called";
  EXPECT_FALSE(sibling.Take({news_}, soon)) << "by the others of its path too";
  EXPECT_FALSE(Carriage::MayTake({news_}, here_, soon));
  EXPECT_TRUE(other.Take({news_}, soon)) << "and none of these has called him back";
  EXPECT_FALSE(other.IsToGiveWay(kTurn, soon + kTurn));
  other.Release();
  EXPECT_TRUE(one.Take({news_}, soon + kTurn));
  EXPECT_FALSE(one.IsToGiveWay(kTurn, soon + kTurn));
}

TEST_F(CarriageTest, WhatWasLeftToSomebodyWhoCallsNoMoreIsTakenAgain) {
  Carriage one(here_), other(there_);
  ASSERT_TRUE(one.Take({news_}, kNow));
  ASSERT_FALSE(other.Take({news_}, kNow + kTurn));
  ASSERT_TRUE(one.IsToGiveWay(kTurn, kNow + kTurn));
  one.GiveWay(kNow + kTurn);
  EXPECT_TRUE(one.Take({news_}, kNow + kTurn + absl::Seconds(3)));
}

TEST_F(CarriageTest, WhatALowerLimitDoesNotAllowIsGivenUpAtOnce) {
  const SharedSlots two = {limits_.Count("stream codes", {2, "t:3"})};
  Carriage one(here_), other(here_);
  ASSERT_TRUE(one.Take(two, kNow));
  ASSERT_TRUE(other.Take(two, kNow));
  limits_.Count("stream codes", {1, "t:3"});
  EXPECT_TRUE(one.IsToGiveWay(kTurn, kNow));
  one.GiveWay(kNow);
  EXPECT_FALSE(other.IsToGiveWay(kTurn, kNow)) << "it is one of those that the limit allows";
  EXPECT_FALSE(one.Take(two, kNow));
  other.Release();
  EXPECT_TRUE(one.Take(two, kNow));
}

TEST_F(CarriageTest, APathThatHasOneCallsForNoOther) {
  Carriage one(here_), sibling(here_);
  ASSERT_TRUE(one.Take({news_}, kNow));
  ASSERT_FALSE(sibling.Take({news_}, kNow + kTurn));
  EXPECT_FALSE(one.IsToGiveWay(kTurn, kNow + kTurn));
}

// Servers that count how many connections have a message of each sender under way.
class CarryingTest : public ShardWorld {
 protected:
  CarryingTest() {
    options_.smtp.connections = 10;
    for (const char* domain : {"d1.test", "d2.test", "d3.test"}) {
      MailServer& server = AddDomain(domain);
      server.script = [this](const MailServer::Conversation& of,
                             std::string_view command) -> std::optional<MailServer::Answer> {
        if (command.starts_with("MAIL")) carrying_.insert(&of);
        most_ = std::max(most_, carrying_.size());
        if (command != ".") return std::nullopt;
        carrying_.erase(&of);
        return MailServer::Answer{.text = "250 2.0.0 ok", .after = &turn_};
      };
      servers_.push_back(&server);
    }
    at_end_of_turn_ = [this] { turn_.NotifyAll(); };
  }

  std::vector<size_t> MessagesOfConversations() const {
    std::vector<size_t> messages;
    for (const MailServer* server : servers_) {
      for (const MailServer::Conversation& conversation : server->conversations) {
        messages.push_back(static_cast<size_t>(std::ranges::count(conversation.commands, ".")));
      }
    }
    return messages;
  }

  std::vector<MailServer*> servers_;
  // On the shard's thread:
  Signal turn_;  // messages are answered at the end of a turn, so that those of several connections meet
  std::set<const MailServer::Conversation*> carrying_;
  size_t most_ = 0;
};

TEST_F(CarryingTest, NoMoreConnectionsThanAStreamMayHaveCarryItsMail) {
  options_.streams[0].connections = {.count = 2, .origin = "t:1"};
  Start();
  std::vector<queue::CampaignId> campaigns;
  for (const char* domain : {"d1.test", "d2.test", "d3.test"}) {
    campaigns.push_back(Send(std::string("to-") + domain, Recipients(40, domain)));
  }
  for (const queue::CampaignId campaign : campaigns) ASSERT_TRUE(EventuallyDelivered(campaign, 40));
  OnShard([&](Scheduler&) { EXPECT_LE(most_, 2u); });
  Stop();
  EXPECT_EQ(limits_.Count("stream " + options_.streams[0].name, {2})->used(), 0);
}

TEST_F(CarryingTest, OfACampaignAsItsLoadSays) {
  Start();
  const queue::CampaignId slow = Send("slow", Recipients(20, "d1.test"), {.limits = {.connections = 1}});
  ASSERT_TRUE(EventuallyDelivered(slow, 20));
  OnShard([&](Scheduler&) {
    EXPECT_EQ(most_, 1u);
    EXPECT_THAT(servers_[0]->conversations, SizeIs(1)) << "none was opened that could carry nothing";
  });
}

TEST_F(CarryingTest, WhoWaitsForOneIsToldWhich) {
  options_.streams[0].connections = {.count = 1, .origin = "t:1"};
  servers_[0]->script = [](const MailServer::Conversation&,
                           std::string_view command) -> std::optional<MailServer::Answer> {
    if (command == ".") return MailServer::Answer{""};  // never answered
    return std::nullopt;
  };
  Start();
  Send("spring", Recipients(1, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return servers_[0]->conversations.size() == 1; }));
  Send("summer", Recipients(3, "d2.test"));
  ASSERT_TRUE(Eventually([this] {
    DomainExplanation explanation;
    ExplainDomain(scheduler(), "d2.test", explanation);
    const auto wait = std::ranges::find(explanation.waits, "connections", &WaitReason::reason);
    return wait != explanation.waits.end() && wait->rows == 3 && wait->set_by == "t:1" &&
           wait->limit == "stream " + options_.streams[0].name &&
           wait->detail == "connections of stream " + options_.streams[0].name + ": 1 of 1 open";
  }));
  OnShard([this](Scheduler&) { EXPECT_THAT(servers_[1]->conversations, SizeIs(0)); });
  Stop(absl::ZeroDuration());
}

TEST_F(CarryingTest, AReloadThatAllowsFewerIsFollowedWhileMailLasts) {
  options_.streams[0].connections = {.count = 5, .origin = "t:1"};
  Start();
  const std::shared_ptr<Slots> slots =
      limits_.PassingCount("stream " + options_.streams[0].name, options_.streams[0].connections);
  const queue::CampaignId spring = Send("spring", Recipients(30'000, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return slots->used() == 5; })) << servers_[0]->conversations.size();
  options_.streams[0].connections = {.count = 1, .origin = "t:1"};
  OnShard([now = std::make_shared<const Options>(options_)](Scheduler& scheduler) {
    scheduler.Adopt(now, scheduler.services().signing_keys);
  });
  ASSERT_TRUE(Eventually([&] { return slots->used() == 1; }));
  EXPECT_GT(CountersOf(spring).queued(), 0u);
  Stop(absl::ZeroDuration());
}

// A host that greets nobody has its own connection for minutes.
TEST_F(CarryingTest, AHostThatSaysNothingKeepsNoStreamWaiting) {
  options_.streams[0].connections = {.count = 1, .origin = "t:1"};
  servers_[0]->greeting = "";
  Start();
  Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return servers_[0]->conversations.size() == 1; }));
  ASSERT_TRUE(EventuallyDelivered(Send("summer", Recipients(40, "d2.test")), 40));
  Stop(absl::ZeroDuration());
}

// Mail that allows few messages a connection has its turn beside mail that allows many.
TEST_F(CarryingTest, WhoNeedsAFreshConnectionGetsOne) {
  options_.smtp.connections = 1;
  Start();
  const queue::CampaignId many = Send("many", Recipients(30'000, "d1.test"), {.weight = 10});
  ASSERT_TRUE(EventuallyDelivered(many, 50));
  const queue::CampaignId few = Send("few", Recipients(20, "d1.test"), {.limits = {.messages_per_connection = 1}});
  ASSERT_TRUE(EventuallyDelivered(few, 20));
  EXPECT_GT(CountersOf(many).queued(), 0u) << "in turn: ten of the other for each of these";
}

TEST_F(CarryingTest, AConnectionCarriesNoMoreThanAStreamOrACampaignSays) {
  options_.streams[0].messages_per_connection = 4;
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", Recipients(12, "d1.test")), 12));
  OnShard([&](Scheduler&) { EXPECT_THAT(MessagesOfConversations(), Each(Le(4u))); });
  ASSERT_TRUE(
      EventuallyDelivered(Send("summer", Recipients(12, "d2.test"), {.limits = {.messages_per_connection = 3}}), 12));
  OnShard([&](Scheduler&) {
    for (const MailServer::Conversation& conversation : servers_[1]->conversations) {
      EXPECT_LE(std::ranges::count(conversation.commands, "."), 3);
    }
  });
}

}  // namespace
}  // namespace sealift::engine
