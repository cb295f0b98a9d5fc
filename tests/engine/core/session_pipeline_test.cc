// Transactions that go ahead of their replies: the same stories whether one is in flight or sixteen, by DATA or by
// BDAT.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using Answer = MailServer::Answer;
using Conversation = MailServer::Conversation;
using queue::OutcomeKind;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr int kRows = 40;

size_t Count(const std::vector<std::string>& commands, std::string_view verb) {
  return static_cast<size_t>(
      std::ranges::count_if(commands, [&](const std::string& command) { return command.starts_with(verb); }));
}

class PipelineWorld : public ShardWorld {
 protected:
  MailServer& AddServer(int depth, bool chunking) {
    options_.smtp.pipeline_depth = depth;
    MailServer& mx = AddDomain("d1.test");
    if (chunking) mx.offers.emplace_back("CHUNKING");
    mx.strict = true;
    return mx;
  }

  int64_t InDoubt() { return static_cast<int64_t>(metrics_.counter(Metric::kMessagesInDoubt, {"news"})->value()); }

  // So many recipients got a message, each its own, once and in its own envelope.
  static void ExpectEachHasItsOwn(const MailServer& mx, int rows) {
    std::set<std::string> senders;
    std::map<std::string, int> recipients;
    for (const MailServer::Taken& taken : mx.accepted) {
      senders.insert(taken.sender);
      ++recipients[taken.recipient];
      const std::string address = taken.recipient.substr(9, taken.recipient.size() - 10);
      EXPECT_THAT(taken.content, HasSubstr("Hello " + address + "."));
    }
    EXPECT_THAT(recipients, SizeIs(rows));
    EXPECT_THAT(senders, SizeIs(rows)) << "an envelope sender leads a bounce back to its own row";
    for (const auto& [recipient, times] : recipients) EXPECT_EQ(times, 1) << recipient;
  }
};

class SessionPipelineTest : public PipelineWorld, public testing::WithParamInterface<std::tuple<int, bool>> {
 protected:
  int depth() const { return std::get<0>(GetParam()); }
  bool chunking() const { return std::get<1>(GetParam()); }
  MailServer& AddServer() { return PipelineWorld::AddServer(depth(), chunking()); }
};

INSTANTIATE_TEST_SUITE_P(, SessionPipelineTest, testing::Combine(testing::Values(1, 16), testing::Bool()),
                         [](const auto& way) {
                           return fmt::format("Depth{}By{}", std::get<0>(way.param),
                                              std::get<1>(way.param) ? "Bdat" : "Data");
                         });

TEST_P(SessionPipelineTest, EveryMessageArrivesOnceInItsOwnEnvelope) {
  MailServer& mx = AddServer();
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows));
  Stop();
  ExpectEachHasItsOwn(mx, kRows);
  EXPECT_THAT(mx.conversations, SizeIs(1));
  EXPECT_EQ(mx.conversations[0].commands.back(), "QUIT");
}

TEST_P(SessionPipelineTest, ARefusedRecipientBouncesAlone) {
  MailServer& mx = AddServer();
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    for (const std::string_view refused : {"a1@", "a7@", "a8@", "a40@"}) {
      if (command.starts_with(fmt::format("RCPT TO:<{}", refused))) return Answer{"550 5.1.1 user unknown"};
    }
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows - 4));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 4; }));
  Stop();
  ExpectEachHasItsOwn(mx, kRows - 4);
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
  EXPECT_THAT(mx.conversations, SizeIs(1)) << "the refusal was about the row, not about the connection";
}

TEST_P(SessionPipelineTest, AGoodbyeToAMailLeavesWhatFollowsUntried) {
  MailServer& mx = AddServer();
  mx.script = [&mx](const Conversation&, std::string_view command) -> std::optional<Answer> {
    const bool enough = mx.conversations.size() == 1 && mx.accepted.size() == 5;
    if (enough && command.starts_with("MAIL")) return Answer{"421 4.7.0 enough for one connection", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows));
  Stop();
  ExpectEachHasItsOwn(mx, kRows);
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
  EXPECT_EQ(InDoubt(), 0) << "who says 421 does nothing that was sent behind it";
}

TEST_P(SessionPipelineTest, AGoodbyeToTheContentDefersThatMessageOnly) {
  MailServer& mx = AddServer();
  mx.script = [&mx](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "." && mx.contents.size() == 3) return Answer{"421 4.3.2 shutting down", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows - 1));
  Stop();
  ExpectEachHasItsOwn(mx, kRows - 1);
  EXPECT_EQ(CountersOf(id).deferrals, 1u);
  EXPECT_EQ(InDoubt(), 0) << "it was answered";
}

TEST_P(SessionPipelineTest, WhatALostConnectionLeavesUnansweredIsInDoubtAndGoesAgainAsItWas) {
  MailServer& mx = AddServer();
  options_.streams[0].retry = {absl::Milliseconds(100)};
  mx.script = [&mx](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "." && mx.conversations.size() == 1 && mx.contents.size() == 3) return Answer{"", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows));
  Stop();

  ExpectEachHasItsOwn(mx, kRows);
  EXPECT_EQ(static_cast<uint64_t>(InDoubt()), CountersOf(id).deferrals);
  if (depth() == 1) EXPECT_EQ(InDoubt(), 1);
  if (depth() > 1 && chunking()) EXPECT_GT(InDoubt(), 1) << "whoever was past its end";
  EXPECT_LE(InDoubt(), depth());
  // The server had read the third one before it went; what came again is the same, its Message-ID too.
  const std::string& lost = mx.contents[2];
  EXPECT_EQ(std::ranges::count(mx.contents, lost), 2);
  EXPECT_THAT(lost, HasSubstr("Message-ID: <"));
}

TEST_P(SessionPipelineTest, AReplyTooManyEndsTheSessionAndLosesNothing) {
  MailServer& mx = AddServer();
  mx.script = [&mx](const Conversation&, std::string_view command) -> std::optional<Answer> {
    const bool third = mx.conversations.size() == 1 && mx.contents.size() == 3;
    if (command == "." && third) return Answer{"250 2.0.0 taken\r\n250 2.0.0 taken"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).delivered + CountersOf(id).deferrals == kRows; }));
  Stop();
  // What had been sent behind it waits for its time: in doubt where it was sent whole.
  EXPECT_LE(CountersOf(id).deferrals, static_cast<uint64_t>(depth()));
  if (depth() == 1) EXPECT_EQ(InDoubt(), 0);
  EXPECT_LE(CountersOf(id).delivered, mx.accepted.size());
  EXPECT_NE(mx.conversations[0].commands.back(), "QUIT") << "a session that saw a protocol error says no more";
}

// By BDAT every reply is a 250, and those behind the surplus one would each be taken for the answer to the next.
TEST_P(SessionPipelineTest, AReplyTooManyDeliversNobodyWhoWasRefused) {
  MailServer& mx = AddServer();
  const auto refused = [](uint32_t row) { return row % 2 == 0; };
  mx.script = [&](const Conversation& conversation, std::string_view command) -> std::optional<Answer> {
    if (command != ".") return std::nullopt;
    if (mx.conversations.size() == 1 && mx.contents.size() == 3) return Answer{"250 2.0.0 taken\r\n250 2.0.0 taken"};
    for (uint32_t row = 1; row <= kRows; ++row) {
      const bool named = conversation.recipient == fmt::format("RCPT TO:<a{}@d1.test>", row);
      if (named && refused(row)) return Answer{"554 5.6.0 malformed"};
    }
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(Eventually([&] {
    const queue::Counters now = CountersOf(id);
    return now.delivered + now.bounced + now.deferrals >= kRows;
  }));
  Stop();
  std::set<uint32_t> delivered;
  for (const queue::Event& event : EventsOf(id)) {
    if (event.kind == OutcomeKind::kDelivered) delivered.insert(static_cast<uint32_t>(event.message.row));
  }
  std::set<std::string> taken;
  for (const MailServer::Taken& message : mx.accepted) taken.insert(message.recipient);
  for (const uint32_t row : delivered) EXPECT_THAT(taken, Contains(fmt::format("RCPT TO:<a{}@d1.test>", row)));
}

TEST_P(SessionPipelineTest, RepliesBeforeTheirCommandsDeliverNothing) {
  MailServer& mx = AddServer();
  mx.script = [this](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (!command.starts_with("EHLO")) return std::nullopt;
    return Answer{fmt::format("250-mx\r\n{}250 PIPELINING\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok",
                              chunking() ? "250-CHUNKING\r\n" : "")};
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "protocol");
  EXPECT_THAT(mx.conversations[0].commands, ElementsAre("EHLO mail.sender.test"));
  EXPECT_EQ(CountersOf(id).delivered, 0u);
}

TEST_P(SessionPipelineTest, AGoodbyeInPlaceOfTheAnswerIsNoDelivery) {
  MailServer& mx = AddServer();
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == ".") return Answer{"221 2.0.0 bye", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "protocol");
  EXPECT_EQ(CountersOf(id).delivered, 0u);
  EXPECT_EQ(InDoubt(), 1);
}

TEST_P(SessionPipelineTest, QuitNeverFollowsAMessageThatIsNotAnswered) {
  MailServer& mx = AddServer();
  mx.script = [&mx](const Conversation&, std::string_view) -> std::optional<Answer> {
    if (!mx.contents.empty()) return Answer{""};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return !mx.contents.empty(); }));
  Stop(absl::Milliseconds(50));
  EXPECT_THAT(mx.conversations[0].commands, Not(testing::Contains("QUIT")));
  EXPECT_EQ(CountersOf(id).delivered, 0u);
  EXPECT_GE(InDoubt(), 1);
}

TEST_P(SessionPipelineTest, NoConnectionCarriesMoreThanTheServerSays) {
  MailServer& mx = AddServer();
  mx.offers.emplace_back("LIMITS MAILMAX=7 RCPTMAX=1");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows));
  Stop();
  ExpectEachHasItsOwn(mx, kRows);
  EXPECT_THAT(mx.conversations, SizeIs((kRows + 6) / 7));
  for (const Conversation& one : mx.conversations) EXPECT_THAT(Count(one.commands, "MAIL"), Le(7u));
}

TEST_P(SessionPipelineTest, NoConnectionCarriesMoreThanItsDestinationIsSetTo) {
  MailServer& mx = AddServer();
  options_.smtp.messages_per_connection = 9;
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "RCPT TO:<a3@d1.test>") return Answer{"550 5.1.1 user unknown"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows - 1));
  Stop();
  for (const Conversation& one : mx.conversations) EXPECT_THAT(Count(one.commands, "MAIL"), Le(9u));
}

// ---------------------------------------------------------------------------------------------------------------------

class SessionDepthTest : public PipelineWorld {};

TEST_F(SessionDepthTest, BehindTheFirstMessageManyGoAheadOfTheirReplies) {
  MailServer& mx = AddServer(16, /*chunking=*/true);
  mx.withhold = 16;  // the rows that are read together
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows));
  Stop();
  ExpectEachHasItsOwn(mx, kRows);
}

TEST_F(SessionDepthTest, ByDataTheNextEnvelopeFollowsTheContent) {
  MailServer& mx = AddServer(16, /*chunking=*/false);
  bool unanswered = false;
  mx.script = [&](const Conversation&, std::string_view command) -> std::optional<Answer> {
    // One reply for two: the second message is answered once the third one's RSET is there.
    if (command == "." && mx.contents.size() == 2) {
      unanswered = true;
      return Answer{""};
    }
    if (command == "RSET" && std::exchange(unanswered, false)) return Answer{"250 2.0.0 taken\r\n250 2.0.0 reset"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 3));
  Stop();
  ASSERT_THAT(mx.conversations, SizeIs(1));
  EXPECT_THAT(mx.conversations[0].commands,
              ElementsAre("EHLO mail.sender.test", StartsWith("MAIL"), StartsWith("RCPT"), "DATA", ".",
                          StartsWith("MAIL"), StartsWith("RCPT"), "DATA", ".", "RSET", StartsWith("MAIL"),
                          StartsWith("RCPT"), "DATA", ".", "QUIT"));
  for (const std::string& read : mx.conversations[0].reads) {
    if (read.find("DATA\r\n") != std::string::npos) EXPECT_THAT(read, EndsWith("DATA\r\n")) << "DATA ends its group";
  }
}

TEST_F(SessionDepthTest, WhatIsHeldInDoubtGoesAlone) {
  MailServer& mx = AddServer(16, /*chunking=*/true);
  options_.streams[0].in_doubt = InDoubt::kHold;
  Start();
  const queue::CampaignId id = Send("spring", Recipients(kRows, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, kRows));
  Stop();
  EXPECT_THAT(mx.conversations[0].commands, Not(testing::Contains("RSET")));
  for (const std::string& read : mx.conversations[0].reads) {
    EXPECT_THAT(Count({read}, "MAIL"), Le(1u));
    EXPECT_THAT(read, Not(HasSubstr("\r\nRSET\r\n")));
  }
}

// A reply too many could not be told from the next one's answer.
TEST_F(SessionDepthTest, WhereRepliesDoNotSayWhatTheyAnswerDepthIsOne) {
  MailServer& mx = AddServer(16, /*chunking=*/true);
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    return command.starts_with("EHLO") || command == "QUIT" ? std::nullopt : std::optional(Answer{"250 2.0.0 ok"});
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(5, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 5));
  Stop();
  EXPECT_THAT(mx.conversations[0].commands, Not(testing::Contains("RSET")));
  EXPECT_THAT(mx.conversations[0].reads, SizeIs(7)) << "EHLO, five messages, QUIT";
}

TEST_F(SessionDepthTest, WithoutPipeliningDepthIsOne) {
  MailServer& mx = AddServer(16, /*chunking=*/true);
  mx.offers = {"CHUNKING"};
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 3));
  Stop();
  EXPECT_THAT(mx.conversations[0].reads, SizeIs(11)) << "EHLO, thrice three, QUIT";
}

TEST_F(SessionDepthTest, OneWriteCarriesAMessageByChunking) {
  MailServer& mx = AddServer(1, /*chunking=*/true);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"},
                                    {.text = "From: news@sender.test\r\nSubject: Hi\r\n\r\nfirst\r\n.\r\n.second\r\n"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  ASSERT_THAT(mx.conversations[0].reads, SizeIs(3));
  EXPECT_THAT(
      mx.conversations[0].reads[1],
      AllOf(StartsWith("MAIL FROM:<b+"), HasSubstr("\r\nRCPT TO:<jane@d1.test>\r\nBDAT "), HasSubstr(" LAST\r\n")));
  EXPECT_THAT(mx.contents[0], EndsWith("\r\nfirst\r\n.\r\n.second\r\n")) << "BDAT doubles no dots";
}

TEST_F(SessionDepthTest, ALargeMessageIsNotSentBeforeItsRecipientIsTaken) {
  MailServer& mx = AddServer(16, /*chunking=*/true);
  mx.offers = {"PIPELINING", "CHUNKING"};
  std::string text = "From: news@sender.test\r\nSubject: Hi\r\n\r\n";
  while (text.size() < 300'000) text += "a line of a long letter to somebody who may not be there\r\n";
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "RCPT TO:<a1@d1.test>") return Answer{"550 5.1.1 user unknown"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"), {.text = text});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 1; }));
  Stop();
  EXPECT_THAT(mx.contents, SizeIs(1));
  EXPECT_EQ(Count(mx.conversations[0].commands, "BDAT"), 0u) << "DATA and BDAT are never mixed in a transaction";
}

}  // namespace
}  // namespace sealift::engine
