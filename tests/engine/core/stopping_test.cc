// What a stop waits for: the transactions in flight, and nobody who has none.
#include <gtest/gtest.h>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using Answer = MailServer::Answer;
using Conversation = MailServer::Conversation;

constexpr absl::Duration kDrain = absl::Seconds(20), kAtOnce = absl::Seconds(5);

class StoppingTest : public ShardWorld {
 protected:
  MailServer& AddSilentAt(std::string command) {
    MailServer& server = AddDomain("silent.test");
    server.script = [command = std::move(command)](const Conversation&, std::string_view said) {
      return said.starts_with(command) ? std::optional(Answer{""}) : std::nullopt;
    };
    return server;
  }
  absl::Duration TimeToStop() {
    const absl::Time began = absl::Now();
    Stop(kDrain);
    return absl::Now() - began;
  }
  void ExpectUntouched(queue::CampaignId id) {
    const queue::Counters counters = CountersOf(id);
    EXPECT_EQ(counters.queued(), 1u);
    EXPECT_EQ(counters.retrying, 0u);
    EXPECT_EQ(counters.deferrals, 0u);
  }
};

TEST_F(StoppingTest, AHostThatDoesNotGreetIsNotWaitedFor) {
  MailServer& server = AddDomain("silent.test");
  server.greeting = "";
  Start();
  const queue::CampaignId id = Send("spring", {"jane@silent.test"});
  ASSERT_TRUE(Eventually([&] { return server.conversations.size() == 1; }));
  EXPECT_LT(TimeToStop(), kAtOnce);
  ExpectUntouched(id);
}

TEST_F(StoppingTest, AHostThatDoesNotAnswerEhloIsNotWaitedFor) {
  const MailServer& server = AddSilentAt("EHLO");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@silent.test"});
  ASSERT_TRUE(
      Eventually([&] { return server.conversations.size() == 1 && server.conversations[0].commands.size() == 1; }));
  EXPECT_LT(TimeToStop(), kAtOnce);
  ExpectUntouched(id);
}

TEST_F(StoppingTest, AHostThatDoesNotBeginTlsIsNotWaitedFor) {
  MailServer& server = AddSilentAt("STARTTLS");
  server.offers.emplace_back("STARTTLS");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@silent.test"});
  ASSERT_TRUE(
      Eventually([&] { return server.conversations.size() == 1 && server.conversations[0].commands.size() == 2; }));
  EXPECT_LT(TimeToStop(), kAtOnce);
  ExpectUntouched(id);
}

TEST_F(StoppingTest, TheAnswerToQuitIsNotWaitedFor) {
  const MailServer& server = AddSilentAt("QUIT");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@silent.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  EXPECT_LT(TimeToStop(), kAtOnce);
  EXPECT_EQ(server.conversations.at(0).commands.back(), "QUIT");
}

TEST_F(StoppingTest, TheAnswerToResetIsNotWaitedFor) {
  MailServer& server = AddDomain("silent.test");
  server.offers = {"SIZE 1000000"};
  server.script = [](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said.starts_with("RCPT")) return Answer{"450 4.2.1 later"};
    if (said == "RSET") return Answer{""};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "silent.test"));
  ASSERT_TRUE(Eventually(
      [&] { return server.conversations.size() == 1 && server.conversations[0].commands.back() == "RSET"; }));
  EXPECT_LT(TimeToStop(), kAtOnce);
  ReopenStore();
  EXPECT_EQ(CountersOf(id).queued(), 2u);
  EXPECT_EQ(CountersOf(id).deferrals, 1u) << "the second was not tried";
}

TEST_F(StoppingTest, ATransactionInFlightEndsWhileThoseWithoutOneAreNotWaitedFor) {
  Signal drains;
  MailServer& busy = AddDomain("busy.test");
  busy.script = [&](const Conversation&, std::string_view said) {
    return said == "." ? std::optional(Answer{.text = "250 2.0.0 taken", .after = &drains}) : std::nullopt;
  };
  MailServer& silent = AddDomain("silent.test");
  silent.greeting = "";
  at_end_of_turn_ = [&] {
    if (scheduler().draining()) drains.NotifyAll();
  };
  Start();
  const queue::CampaignId sent = Send("spring", {"jane@busy.test"});
  const queue::CampaignId waits = Send("summer", {"jane@silent.test"});
  ASSERT_TRUE(Eventually([&] { return drains.waiting() == 1 && silent.conversations.size() == 1; }));
  EXPECT_LT(TimeToStop(), kAtOnce);
  ReopenStore();
  EXPECT_EQ(CountersOf(sent).delivered, 1u);
  ExpectUntouched(waits);
}

}  // namespace
}  // namespace sealift::engine
