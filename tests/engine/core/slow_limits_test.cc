// Limits whose permits are a second and more apart: whose the next one is, and what is opened for it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

class SlowLimitsTest : public ShardWorld {
 protected:
  SlowLimitsTest() { options_.smtp.idle_timeout = absl::Milliseconds(300); }

  MailServer& AddRows(const std::string& domain, int rows, const std::string& campaign,
                      const std::string& stream = "news") {
    MailServer& mx = AddDomain(domain);
    sends_.push_back([=, this] { Send(campaign, Recipients(rows, domain), {.stream = stream}); });
    return mx;
  }
  void Begin() {
    Start();
    for (const auto& send : sends_) send();
  }

  std::vector<std::function<void()>> sends_;
};

constexpr Rate kASecond = {.count = 60, .period = absl::Minutes(1)};

TEST_F(SlowLimitsTest, AConnectionIsOpenedForAMessageAndNoneForNothing) {
  options_.sources[0].rate = {.rate = kASecond, .origin = "t:1"};
  std::vector<const MailServer*> servers;
  for (int i = 0; i < 20; ++i) {
    servers.push_back(&AddRows(fmt::format("d{}.test", i), 3, fmt::format("c{}", i)));
  }
  Begin();
  const auto sum = [&](auto count) {
    size_t all = 0;
    for (const MailServer* server : servers) all += count(*server);
    return all;
  };
  const auto taken = [](const MailServer& server) { return server.accepted.size(); };
  const auto called = [](const MailServer& server) { return server.conversations.size(); };
  ASSERT_TRUE(Eventually([&] { return sum(taken) == 4; }));
  Stop(absl::ZeroDuration());
  EXPECT_LE(sum(called), sum(taken) + 6)
      << "the next one's may be open, and before the first came some for whom it was not";
  for (const MailServer* server : servers) EXPECT_LE(server->accepted.size(), 1u) << "each has its turn";
}

TEST_F(SlowLimitsTest, TransactionalMailWithALimitOfItsOwnHasItBesideBulk) {
  options_.sources[0].rate = {.rate = kASecond, .origin = "t:1"};
  options_.destinations = {
      {.domains = {"own.test"}, .message_rate = {.rate = {.count = 30, .period = absl::Minutes(1)}, .origin = "t:2"}}};
  AddStream("codes").kind = StreamKind::kTransactional;
  const MailServer& bulk = AddRows("bulk.test", 50, "spring");
  const MailServer& own = AddRows("own.test", 20, "code", "codes");
  Begin();
  ASSERT_TRUE(Eventually([&] { return own.accepted.size() == 3; }));
  EXPECT_LE(bulk.accepted.size(), 7u) << "four seconds, and the start";
  EXPECT_GE(bulk.accepted.size(), 1u);
  Stop(absl::ZeroDuration());
}

TEST_F(SlowLimitsTest, WhoIsTurnedAwayLeavesTheNextPermitToOthers) {
  options_.sources[0].rate = {.rate = kASecond, .origin = "t:1"};
  StreamOptions& codes = AddStream("codes");
  codes.kind = StreamKind::kTransactional;
  codes.retry = {absl::Seconds(1)};
  AddRows("busy.test", 5, "code", "codes").greeting = "421 4.3.2 busy";
  const MailServer& bulk = AddRows("bulk.test", 20, "spring");
  Begin();
  EXPECT_TRUE(Eventually([&] { return bulk.accepted.size() == 4; }));
  Stop(absl::ZeroDuration());
}

TEST_F(SlowLimitsTest, DomainsTakeTurnsAtAnOpeningRate) {
  options_.pools[0].connection_rate = {.rate = kASecond, .origin = "t:1"};
  options_.destinations = {{.domains = {"*"}, .messages_per_connection = 1}};
  std::vector<const MailServer*> servers;
  for (const char* domain : {"d1.test", "d2.test", "d3.test"}) servers.push_back(&AddRows(domain, 20, domain));
  Begin();
  ASSERT_TRUE(Eventually(
      [&] { return servers[0]->accepted.size() + servers[1]->accepted.size() + servers[2]->accepted.size() == 6; }));
  Stop(absl::ZeroDuration());
  for (const MailServer* server : servers) EXPECT_GE(server->accepted.size(), 1u) << "one had none before";
}

}  // namespace
}  // namespace sealift::engine
