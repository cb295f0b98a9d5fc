// How many connections there are, and how fast they are opened, to whoever judges them together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  Slots* const slots = limits_.Count("provider group from " + options_.sources[0].name, 3);
  EXPECT_EQ(slots->used(), 3);
  // More slots are seen without anything else happening.
  limits_.Count("provider group from " + options_.sources[0].name, 5);
  EXPECT_TRUE(Eventually([this] { return Open() == 5; }));
  Stop(absl::ZeroDuration());
  EXPECT_EQ(slots->used(), 0);
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
