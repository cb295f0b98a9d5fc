// What a session says when all is well, and how it goes on after what concerns one message only.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class SessionDialogueTest : public ShardWorld {};

TEST_F(SessionDialogueTest, MailRcptAndDataGoOutAsOneGroup) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  ASSERT_THAT(mx.conversations, SizeIs(1));
  ASSERT_THAT(mx.conversations[0].reads, SizeIs(4));
  EXPECT_EQ(mx.conversations[0].reads[0], "EHLO mail.sender.test\r\n");
  EXPECT_THAT(
      mx.conversations[0].reads[1],
      AllOf(StartsWith("MAIL FROM:<b+"), HasSubstr("\r\nRCPT TO:<jane@d1.test>\r\n"), EndsWith("\r\nDATA\r\n")));
  EXPECT_THAT(mx.conversations[0].reads[2], EndsWith("\r\nHello jane@d1.test.\r\n.\r\n"));
  EXPECT_EQ(mx.conversations[0].reads[3], "QUIT\r\n");
}

TEST_F(SessionDialogueTest, ADeliveryKeepsTheReplyAndHowItWasMade) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == ".") return Answer{"250 2.6.0 <jane@d1.test> queued as 4711"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  const std::vector<queue::Event> events = EventsOf(id);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, OutcomeKind::kDelivered);
  EXPECT_EQ(events[0].attempt, 1);
  EXPECT_EQ(events[0].code, 250);
  EXPECT_EQ(events[0].enhanced, "2.6.0");
  EXPECT_THAT(events[0].reply, AllOf(HasSubstr("4711"), Not(HasSubstr("jane"))));
  EXPECT_EQ(events[0].evidence.stream, "news");
  EXPECT_EQ(events[0].evidence.source, "ip1");
  EXPECT_EQ(events[0].evidence.mx, "mx.d1.test [127.0.1.1:25]");
  EXPECT_EQ(events[0].evidence.tls_version, "none");
  EXPECT_EQ(events[0].evidence.policy, "opportunistic");
}

TEST_F(SessionDialogueTest, ARecipientBeyondAsciiIsAnnounced) {
  MailServer& mx = AddDomain("d1.test");
  mx.offers = {"PIPELINING", "8BITMIME", "SMTPUTF8"};
  Start();
  const queue::CampaignId id = Send("spring", {"j\xC3\xA4ne@d1.test", "jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  Stop();

  std::string said;
  for (const Conversation& conversation : mx.conversations) {
    for (const std::string& read : conversation.reads) said += read;
  }
  EXPECT_THAT(said, HasSubstr("> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<j\xC3\xA4ne@d1.test>\r\n"));
  EXPECT_THAT(said, HasSubstr("\r\nTo: j\xC3\xA4ne@d1.test\r\n"));
  EXPECT_THAT(said, HasSubstr(">\r\nRCPT TO:<jane@d1.test>\r\n")) << "an ASCII address needs no SMTPUTF8";
}

// RFC 3461: what a report that comes back is to be known by.
TEST_F(SessionDialogueTest, WhereReportsAreOfferedTheyLeadBack) {
  MailServer& mx = AddDomain("d1.test");
  MailServer& other = AddDomain("d2.test");
  mx.offers = {"PIPELINING", "DSN"};
  Start();
  const queue::CampaignId id = Send("spring", {"jane+news@d1.test", "jane+news@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  Stop();
  EXPECT_THAT(mx.conversations.at(0).commands,
              Contains(testing::MatchesRegex("MAIL FROM:<b\\+([a-z0-9]+)@[a-z.]+> ENVID=[a-z0-9]+")));
  EXPECT_THAT(mx.conversations[0].commands, Contains("RCPT TO:<jane+news@d1.test> ORCPT=rfc822;jane+2Bnews@d1.test"));
  EXPECT_THAT(other.conversations.at(0).commands, Contains("RCPT TO:<jane+news@d2.test>"));
}

TEST_F(SessionDialogueTest, ARecipientBeyondAsciiBouncesWhereTheServerCannotTakeIt) {
  MailServer& mx = AddDomain("d1.test");
  mx.offers = {"PIPELINING", "SMTPUTF8"};  // without 8BITMIME it is none (RFC 6531 3.1)
  Start();
  const queue::CampaignId id = Send("spring", {"j\xC3\xA4ne@d1.test", "jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  const std::vector<queue::Event> events = EventsOf(id);
  ASSERT_THAT(events, SizeIs(2));
  const queue::Event& bounced = events[0].kind == OutcomeKind::kBounced ? events[0] : events[1];
  EXPECT_EQ(bounced.kind, OutcomeKind::kBounced);
  EXPECT_EQ(bounced.enhanced, "5.6.7");
  EXPECT_EQ(bounced.reason_class, "content");
  EXPECT_THAT(bounced.reply, HasSubstr("the server offers no SMTPUTF8"));
  for (const Conversation& conversation : mx.conversations) {
    for (const std::string& read : conversation.reads) EXPECT_THAT(read, Not(HasSubstr("\xC3\xA4")));
  }
}

TEST_F(SessionDialogueTest, AServerWithoutPipeliningIsSpokenToCommandByCommand) {
  MailServer& mx = AddDomain("d1.test");
  mx.offers = {"ENHANCEDSTATUSCODES"};
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  ASSERT_THAT(mx.conversations, SizeIs(1));
  EXPECT_THAT(mx.conversations[0].reads,
              ElementsAre("EHLO mail.sender.test\r\n", AllOf(StartsWith("MAIL FROM:<b+"), EndsWith(">\r\n")),
                          "RCPT TO:<jane@d1.test>\r\n", "DATA\r\n", EndsWith("\r\n.\r\n"), "QUIT\r\n"));
}

TEST_F(SessionDialogueTest, ARefusedRecipientBouncesAndTheConnectionGoesOnAfterReset) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const Conversation& conversation, std::string_view command) -> std::optional<Answer> {
    if (command == "RCPT TO:<a1@d1.test>") return Answer{"550 5.1.1 user unknown"};
    if (command == "DATA" && conversation.commands.size() == 4) return Answer{"503 5.5.1 no valid recipients"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  EXPECT_EQ(CountersOf(id).bounced, 1u);
  ASSERT_THAT(mx.conversations, SizeIs(1)) << "the refusal was about the row, not about the connection";
  EXPECT_THAT(mx.conversations[0].commands,
              ElementsAre("EHLO mail.sender.test", StartsWith("MAIL"), "RCPT TO:<a1@d1.test>", "DATA", "RSET",
                          StartsWith("MAIL"), "RCPT TO:<a2@d1.test>", "DATA", ".", "QUIT"));
  const std::vector<queue::Event> events = EventsOf(id);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].kind, OutcomeKind::kBounced);
  EXPECT_EQ(events[0].reason_class, "bad_mailbox");
  EXPECT_EQ(events[0].code, 550);
  EXPECT_EQ(events[0].enhanced, "5.1.1");
}

TEST_F(SessionDialogueTest, ContentThatNobodyIsToGetIsALoneDot) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "RCPT TO:<a1@d1.test>") return Answer{"550 5.1.1 user unknown"};
    return std::nullopt;  // 354 to DATA, although nobody is to get it
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  EXPECT_EQ(CountersOf(id).bounced, 1u);
  ASSERT_THAT(mx.contents, SizeIs(2));
  EXPECT_EQ(mx.contents[0], "");
  ASSERT_THAT(mx.conversations, SizeIs(1));
  EXPECT_THAT(mx.conversations[0].commands,
              ElementsAre("EHLO mail.sender.test", StartsWith("MAIL"), "RCPT TO:<a1@d1.test>", "DATA", ".",
                          StartsWith("MAIL"), "RCPT TO:<a2@d1.test>", "DATA", ".", "QUIT"));
}

TEST_F(SessionDialogueTest, AMessageOverTheServersSizeBouncesWithoutBeingOffered) {
  MailServer& mx = AddDomain("d1.test");
  mx.offers = {"PIPELINING", "SIZE 20"};
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 1; }));
  Stop();

  const std::vector<queue::Event> events = EventsOf(id);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].enhanced, "5.3.4");
  EXPECT_EQ(events[0].reason_class, "too_large");
  EXPECT_THAT(mx.conversations[0].commands, ElementsAre("EHLO mail.sender.test", "QUIT"));
}

TEST_F(SessionDialogueTest, TheSizeOfTheMessageIsSaidWhereItIsUnderstood) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(mx.conversations[0].commands[1], EndsWith(fmt::format(" SIZE={}", mx.contents[0].size())));
}

TEST_F(SessionDialogueTest, LinesThatBeginWithADotAreStuffed) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"},
                                    {.text = "From: news@sender.test\r\nSubject: Hi\r\n\r\nfirst\r\n.\r\n.second\r\n"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  ASSERT_THAT(mx.contents, SizeIs(1)) << "a dot of the message must not end it";
  EXPECT_THAT(mx.contents[0], EndsWith("\r\nfirst\r\n..\r\n..second\r\n"));
}

TEST_F(SessionDialogueTest, ASecondAttemptIsTheSameMessageByteForByte) {
  MailServer& mx = AddDomain("d1.test");
  options_.streams[0].retry = {absl::Milliseconds(1200)};  // the Date counts seconds
  mx.script = [&mx](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "." && mx.contents.size() == 1) return Answer{"451 4.3.0 come back later"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  ASSERT_THAT(mx.contents, SizeIs(2));
  EXPECT_THAT(mx.contents[0], AllOf(HasSubstr("Message-ID: <"), HasSubstr("Date: ")));
  EXPECT_EQ(mx.contents[0], mx.contents[1]);
  const std::vector<queue::Event> events = EventsOf(id);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[1].attempt, 2);
}

TEST_F(SessionDialogueTest, AConnectionCarriesAtMostTheMessagesItMay) {
  MailServer& mx = AddDomain("d1.test");
  options_.smtp.messages_per_connection = 2;
  Start();
  const queue::CampaignId id = Send("spring", Recipients(5, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 5));
  Stop();
  ASSERT_THAT(mx.conversations, SizeIs(3));
  EXPECT_THAT(mx.conversations[0].commands, SizeIs(10));  // EHLO, twice four, QUIT
}

TEST_F(SessionDialogueTest, AnIdleConnectionIsUsedAgainWhenRowsCome) {
  MailServer& mx = AddDomain("d1.test");
  options_.smtp.idle_timeout = absl::Minutes(10);
  Start();
  const queue::CampaignId first = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(first, 1));
  const queue::CampaignId second = Send("summer", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(second, 1));
  Stop();
  EXPECT_THAT(mx.conversations, SizeIs(1));
  EXPECT_EQ(mx.conversations[0].commands.back(), "QUIT");
}

// It is rendered in one buffer, and sent from another.
TEST_F(SessionDialogueTest, AnIdleConnectionHoldsNoMemoryOfItsMessage) {
  for (const bool chunking : {false, true}) {
    MailServer& mx = AddDomain(chunking ? "d2.test" : "d1.test");
    if (chunking) mx.offers.emplace_back("CHUNKING");
  }
  Start();
  const Content letter{.text = "From: news@sender.test\r\nSubject: Hello\r\n\r\n" + std::string(900, 'm') + "\r\n"};
  for (const char* const domain : {"d1.test", "d2.test"}) {
    OnShard([&](Scheduler& scheduler) { scheduler.services().spare_buffers = {}; });
    const queue::CampaignId id = Send(domain, {std::string("jane@") + domain}, letter);
    ASSERT_TRUE(EventuallyDelivered(id, 1));
    size_t spare = 0;
    OnShard([&](Scheduler& scheduler) { spare = scheduler.services().spare_buffers.bytes(); });
    EXPECT_GT(spare, 2 * letter.text.size()) << domain;
  }
  Stop();
}

TEST_F(SessionDialogueTest, AnIdleConnectionEndsAfterItsTime) {
  MailServer& mx = AddDomain("d1.test");
  options_.smtp.idle_timeout = absl::Milliseconds(30);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return mx.conversations.size() == 1 && mx.conversations[0].ended; }));
  EXPECT_EQ(mx.conversations[0].commands.back(), "QUIT");
  EXPECT_TRUE(EventuallyDelivered(id, 1));
}

TEST_F(SessionDialogueTest, HeloIsSaidToAServerThatDoesNotKnowEhlo) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command.starts_with("EHLO")) return Answer{"502 what?"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_EQ(mx.conversations[0].commands[1], "HELO mail.sender.test");
  EXPECT_EQ(mx.conversations[0].reads[3], "RCPT TO:<jane@d1.test>\r\n")
      << "HELO offers nothing, so nothing is pipelined";
}

}  // namespace
}  // namespace sealift::engine
