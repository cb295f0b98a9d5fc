// A cap on what one recipient gets of a stream: what is beyond waits, and is neither sent nor bounced.
#include "engine/recipient_cap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/explain.h"
#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RecipientCapTest : public ShardWorld {
 protected:
  RecipientCapTest() {
    options_.streams[0].recipient_cap = {.rate = {.count = 1, .period = absl::Hours(24)}, .origin = "sealift.toml:9"};
    server_ = &AddDomain("d1.test");
  }

  MailServer* server_;
};

TEST_F(RecipientCapTest, WhatIsBeyondItWaitsUntilThereIsRoomWhoeversCampaignItIs) {
  Start();
  const queue::CampaignId spring = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(spring, 3));
  const absl::Time delivered = absl::Now();
  const queue::CampaignId summer = Send("summer", {"a1@d1.test", "A2@d1.test", "new@d1.test"});
  ASSERT_TRUE(EventuallyTried(summer, 2));
  ASSERT_TRUE(EventuallyDelivered(summer, 1));
  OnShard([&](Scheduler& scheduler) {
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    ASSERT_EQ(explanation.waits.size(), 1u);
    EXPECT_EQ(explanation.waits[0].reason, "recipient_cap");
    EXPECT_EQ(explanation.waits[0].rows, 2u);
    EXPECT_EQ(explanation.waits[0].detail, "one recipient gets 1/d of stream news");
    EXPECT_EQ(explanation.waits[0].set_by, "sealift.toml:9");
    EXPECT_TRUE(explanation.waits[0].until.has_value());
  });
  Stop();
  EXPECT_EQ(CountersOf(summer).bounced, 0u);
  for (const queue::StoredRow& row : RowsOf(summer)) {
    EXPECT_EQ(row.attempts, 0) << "nothing was attempted";
    EXPECT_EQ(row.reason_class, kRecipientCapClass);
    // Who waits for long shares his due time with others (queue/due_horizon.h).
    EXPECT_LE(row.due, delivered + absl::Hours(24) + absl::Hours(24) / 64) << "a day after the other";
    EXPECT_GT(row.due, delivered);
  }
  for (const queue::Event& event : EventsOf(summer)) {
    if (event.kind != queue::OutcomeKind::kDeferred) continue;
    EXPECT_EQ(event.reason_class, kRecipientCapClass);
    EXPECT_THAT(event.reply, HasSubstr("has had 1 of stream news, which allows 1/d"));
  }
}

TEST_F(RecipientCapTest, WhoHasHadEnoughCostsNoConnection) {
  options_.smtp.messages_per_connection = 1;
  Start();
  const queue::CampaignId spring = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(spring, 3));
  const queue::CampaignId summer = Send("summer", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(summer, 3));
  Stop();
  EXPECT_EQ(server_->conversations.size(), 3u);
}

TEST_F(RecipientCapTest, TwoAtOnceSeeEachOther) {
  options_.smtp.connections = 4;
  // It never says what became of a message to this one.
  server_->script = [](const MailServer::Conversation& conversation,
                       std::string_view command) -> std::optional<MailServer::Answer> {
    if (command == "." && conversation.recipient.find("both@") != std::string::npos) return MailServer::Answer{""};
    return std::nullopt;
  };
  Start();
  // The others keep sessions coming that are free.
  std::vector<std::string> recipients = Recipients(8, "d1.test");
  recipients.insert(recipients.begin(), "both@d1.test");
  const queue::CampaignId spring = Send("spring", recipients);
  const queue::CampaignId summer = Send("summer", {"both@d1.test", "c1@d1.test", "c2@d1.test"});
  const auto put_off = [&] {
    std::vector<std::string> replies;
    for (const queue::CampaignId id : {spring, summer}) {
      for (const queue::Event& event : EventsOf(id)) {
        if (event.kind == queue::OutcomeKind::kDeferred) replies.push_back(event.reply);
      }
    }
    return replies;
  };
  ASSERT_TRUE(Eventually([&] { return !put_off().empty(); }));
  EXPECT_THAT(put_off(), ElementsAre(HasSubstr("1 to the recipient are under way, and stream news allows 1/d")));
  Stop(absl::ZeroDuration());
  int64_t to_both = 0;
  for (const MailServer::Conversation& conversation : server_->conversations) {
    to_both += std::ranges::count(conversation.commands, "RCPT TO:<both@d1.test>");
  }
  EXPECT_EQ(to_both, 1);
}

// The disk hears of the first a tenth of a second later.
TEST_F(RecipientCapTest, OneThatFollowsAtOnceWaitsUntilThereIsRoomAndNoLonger) {
  options_.smtp.connections = 1;
  Start();
  const auto delivered = [this] { return metrics_.counter(Metric::kMessagesDelivered, {"news", "ip1", "other"}); };
  Send("spring", {"a1@d1.test"});
  ASSERT_TRUE(Eventually([&] { return delivered()->value() == 1; }));
  const queue::CampaignId summer = Send("summer", {"a1@d1.test"});
  ASSERT_TRUE(EventuallyTried(summer, 1));
  Stop();
  const std::vector<queue::StoredRow> rows = RowsOf(summer);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_GT(rows[0].due, absl::Now() + absl::Hours(23));
}

// One that is delivered and not durable is one, not two.
TEST_F(RecipientCapTest, WhatHasArrivedIsNotUnderWayAsWell) {
  options_.streams[0].recipient_cap.rate.count = 2;
  options_.smtp.connections = 1;
  Start();
  std::vector<queue::CampaignId> ids;
  for (const char* name : {"spring", "summer", "autumn"}) {
    if (!ids.empty()) {
      ASSERT_TRUE(Eventually([&] { return server_->accepted.size() == ids.size(); }));
    }
    ids.push_back(Send(name, {"a1@d1.test"}));
  }
  const auto sum = [&](uint64_t queue::Counters::* count) {
    uint64_t all = 0;
    for (const queue::CampaignId id : ids) all += CountersOf(id).*count;
    return all;
  };
  ASSERT_TRUE(
      Eventually([&] { return sum(&queue::Counters::delivered) == 2 && sum(&queue::Counters::deferrals) == 1; }));
  Stop();
  for (const queue::CampaignId id : ids) {
    for (const queue::StoredRow& row : RowsOf(id)) EXPECT_GT(row.due, absl::Now() + absl::Hours(23));
  }
}

TEST_F(RecipientCapTest, WhatWasNotDeliveredDoesNotCount) {
  server_->script = [n = 0](const MailServer::Conversation&,
                            std::string_view command) mutable -> std::optional<MailServer::Answer> {
    if (command.starts_with("RCPT") && n++ == 0) return MailServer::Answer{"554 5.7.1 Not this one\r\n"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId spring = Send("spring", {"a1@d1.test"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(spring).bounced + CountersOf(spring).deferrals == 1; }));
  const queue::CampaignId summer = Send("summer", {"a1@d1.test"});
  EXPECT_TRUE(EventuallyDelivered(summer, 1));
}

TEST_F(RecipientCapTest, AStreamWithoutOneWritesAndAsksNothing) {
  options_.streams[0].recipient_cap = {};
  Start();
  const queue::CampaignId spring = Send("spring", {"a1@d1.test"});
  const queue::CampaignId summer = Send("summer", {"a1@d1.test"});
  EXPECT_TRUE(EventuallyDelivered(spring, 1));
  EXPECT_TRUE(EventuallyDelivered(summer, 1));
  std::atomic<bool> read = false;
  store_->ReadReceived("news", "a1@d1.test", absl::InfinitePast(), 10,
                       [&](const absl::StatusOr<std::vector<absl::Time>>& times) {
                         EXPECT_TRUE(times.ok() && times->empty());
                         read = true;
                       });
  EXPECT_TRUE(Eventually([&] { return read.load(); }));
}

}  // namespace
}  // namespace sealift::engine
