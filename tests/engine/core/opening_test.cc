// What a session that finds no host at once may do, and who hears what it was told.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

class OpeningTest : public ShardWorld {
 protected:
  OpeningTest() { internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}}); }
  void Begin() {
    ASSERT_TRUE(restraints_.Adopt(std::make_shared<const Options>(options_)).ok());
    Start();
  }
  size_t Calls(std::string_view host) const {
    return static_cast<size_t>(
        std::ranges::count(internet_->connects, host, [](const auto& connect) { return connect.first; }));
  }
  // It lets two connections in, and answers no message.
  MailServer& AddCrowdedDomain() {
    MailServer& mx = AddDomain("d2.test");
    options_.destinations = {{.domains = {"*"}, .connections = {.count = 10, .origin = "t:1"}}};
    mx.connections_max = 2;
    mx.script = [](const MailServer::Conversation&, std::string_view command) -> std::optional<MailServer::Answer> {
      if (command == ".") return MailServer::Answer{""};
      return std::nullopt;
    };
    return mx;
  }

  MailServer& first_ = internet_->AddHost("mx1.d1.test");
  MailServer& second_ = internet_->AddHost("mx2.d1.test");
};

// A host that turns everybody away would double what the receiver counts.
TEST_F(OpeningTest, EachHostThatIsCalledCountsInALimitOnConnections) {
  options_.sources[0].connection_rate = {.rate = {.count = 600, .period = absl::Minutes(1)}, .origin = "t:1"};
  options_.destinations = {{.domains = {"*"}, .messages_per_connection = 1}};
  first_.greeting = "451 4.3.2 not now";
  Begin();
  const absl::Time began = absl::Now();
  const queue::CampaignId id = Send("spring", Recipients(9, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 9));
  const absl::Duration took = absl::Now() - began;
  Stop();
  EXPECT_EQ(Calls("mx1.d1.test"), 1u) << "who is passed by for another is not asked first again";
  EXPECT_EQ(Calls("mx2.d1.test"), 9u);
  EXPECT_EQ(second_.contents.size(), 9u);
  EXPECT_GE(took, absl::Milliseconds(880)) << "ten connections, 100 ms apart, of which the last may be 15 ms early";
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
}

TEST_F(OpeningTest, WhereTheNextConnectionMayNotBeSoonTheNextSessionAsksTheOtherHost) {
  options_.sources[0].connection_rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "t:1"};
  first_.greeting = "451 4.3.2 not now";
  Begin();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([this] { return Calls("mx1.d1.test") == 1 && scheduler().paths().sessions() == 0; }));
  OnShard([](Scheduler& scheduler) {
    const Path& path = PathTo(scheduler, "d1.test");
    EXPECT_EQ(path.block.until, absl::InfinitePast()) << "there is another host";
    // Until there is a permit, which is far longer than hosts are passed over by themselves.
    const std::vector<dns::MxHost> hosts =
        scheduler.paths().failed_hosts().Without(path.site.hosts, path.source_name, absl::Now() + absl::Minutes(90));
    EXPECT_THAT(hosts, ElementsAre(Field(&dns::MxHost::name, "mx2.d1.test")));
  });
  Stop(absl::ZeroDuration());
  EXPECT_EQ(metrics_.counter(Metric::kSmtpSessions, {"ip1", "refused"})->value(), 1u);
  EXPECT_EQ(Calls("mx2.d1.test"), 0u);
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
}

TEST_F(OpeningTest, RulesHearWhoTurnsASessionAwayThoughAnotherHostTakesItsMail) {
  options_.rules = {{.name = "mine", .match = "go easy", .scope = "source", .actions = {"backoff"}, .factor = 0.5}};
  first_.greeting = "421 4.7.0 go easy";
  Begin();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(restraints_.List(), ElementsAre(Field(&Restraints::Slowed::rule, "mine")));
  EXPECT_EQ(metrics_.counter(Metric::kSmtpSessions, {"ip1", "refused"})->value(), 1u);
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
}

TEST_F(OpeningTest, WhoIsBlockedDoesNotMoveItsMailToTheReceiversOtherHost) {
  first_.greeting = "554 5.7.1 your IP address is blocked using zen.spamhaus.org";
  Begin();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  EXPECT_EQ(Calls("mx2.d1.test"), 0u);
  EXPECT_THAT(restraints_.List(), Each(AllOf(Field(&Restraints::Slowed::rule, "any.block_list"),
                                             Field(&Restraints::Slowed::suspended, true))));
  EXPECT_EQ(metrics_.counter(Metric::kRuleHits, {"any.block_list"})->value(), 1u) << "it was said once";
  OnShard([](Scheduler& scheduler) {
    const Path& path = PathTo(scheduler, "d1.test");
    const std::vector<dns::MxHost> hosts =
        scheduler.paths().failed_hosts().Without(path.site.hosts, path.source_name, absl::Now() + absl::Minutes(61));
    EXPECT_THAT(hosts, ElementsAre(Field(&dns::MxHost::name, "mx2.d1.test"))) << "once it is over";
  });
  Stop();
  EXPECT_EQ(CountersOf(id).delivered, 0u);
}

// Its limit is learnt: to send less by each connection would not help.
TEST_F(OpeningTest, OneConnectionTooManySlowsNothing) {
  MailServer& mx = AddCrowdedDomain();
  Begin();
  Send("spring", Recipients(20, "d2.test"));
  EXPECT_TRUE(Eventually([&] { return mx.turned_away == 1 && scheduler().paths().sessions() == 2; }));
  Stop(absl::ZeroDuration());
  EXPECT_THAT(restraints_.List(), IsEmpty());
  EXPECT_EQ(metrics_.counter(Metric::kRuleHits, {"any.slow"})->value(), 0u);
}

TEST_F(OpeningTest, ARuleOfTheConfigurationHearsOfOneConnectionTooMany) {
  options_.rules = {{.name = "mine", .match = "too many", .scope = "source", .actions = {"alert"}}};
  MailServer& mx = AddCrowdedDomain();
  Begin();
  Send("spring", Recipients(20, "d2.test"));
  EXPECT_TRUE(Eventually([&] { return mx.turned_away == 1 && scheduler().paths().sessions() == 2; }));
  Stop(absl::ZeroDuration());
  EXPECT_EQ(metrics_.counter(Metric::kRuleHits, {"mine"})->value(), 1u);
}

}  // namespace
}  // namespace sealift::engine
