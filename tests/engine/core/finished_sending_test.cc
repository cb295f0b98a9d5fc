// Messages that arrived finished: read in pieces and sent as they are, or not at all.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "engine/finished_loader.h"
#include "tests/engine/core/busy_readers.h"
#include "tests/engine/core/message_frames.h"
#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using queue::OutcomeKind;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class FinishedSendingTest : public ShardWorld {
 protected:
  queue::CampaignId Activate(const std::string& name) {
    const absl::StatusOr<queue::Campaign> campaign = store_->FindCampaign(name);
    CHECK(campaign.ok(), "it was loaded");
    active_[campaign->id] = std::make_shared<ActiveCampaign>(campaign->id, name, campaign->spec.stream, absl::Now(),
                                                             CampaignLimits(), std::nullopt);
    Run(campaign->id);
    return campaign->id;
  }

  queue::CampaignId SendMessages(const std::vector<std::string>& messages) {
    const std::vector<std::unique_ptr<Shard>> shards;
    Campaigns campaigns(*store_, shards, Delivery::kLive,
                        {.may_send = [] { return absl::OkStatus(); }, .cancelled = {}});
    LoadRequest request{.name = "statements", .stream = "news", .messages = true};
    queue::CampaignSpec spec{
        .name = request.name, .stream = request.stream, .mode = "live", .settings_json = "{}", .finished = true};
    FinishedMessageLoader loader(
        *store_, campaigns, request, spec, StreamKind::kMarketing, [] { return absl::OkStatus(); }, [](uint64_t) {},
        FinishedMessageLoader::FromRule{.misaligned = [](const std::string&) { return std::string(); }});
    const std::string input = Framed(messages, 64 << 10);
    CHECK(loader.Feed({input.data(), input.size()}).ok(), "the input is taken");
    const absl::StatusOr<CampaignLoader::Summary> summary = loader.Finish();
    CHECK(summary.ok(), "it is loaded");
    EXPECT_EQ(summary->rejected, 0u);
    return Activate("statements");
  }

  // Of the only row.
  queue::Event Outcome(queue::CampaignId id, OutcomeKind kind) {
    EXPECT_TRUE(Eventually([&] { return !EventsOf(id).empty(); }));
    Stop();
    const std::vector<queue::Event> events = EventsOf(id);
    EXPECT_THAT(events, SizeIs(1));
    EXPECT_EQ(events.at(0).kind, kind);
    return events.at(0);
  }

  static std::string Commands(const MailServer& server) {
    std::string all;
    for (const MailServer::Conversation& conversation : server.conversations) {
      for (const std::string& command : conversation.commands) all += command + "\n";
    }
    return all;
  }
};

TEST_F(FinishedSendingTest, ATransactionalMessageIsReadBeforeWhatOthersRead) {
  options_.streams[0].kind = StreamKind::kTransactional;
  Signal hello;
  AddDomain("d2.test").script = [&](const MailServer::Conversation&,
                                    std::string_view command) -> std::optional<MailServer::Answer> {
    if (command.starts_with("EHLO")) return MailServer::Answer{.text = "250 mx", .after = &hello};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = SendMessages({"From: a@s.test\r\nTo: one@d2.test\r\n\r\nx\r\n"});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d2.test") == 1 && hello.waiting() == 1; }));
  BusyReaders readers(*store_);
  OnShard([&](Scheduler&) { hello.NotifyAll(); });
  ASSERT_TRUE(Eventually([&] { return RowsReady("d2.test") == 0; }));
  readers.GoOn();
  EXPECT_TRUE(EventuallyDelivered(id, 1));
}

TEST_F(FinishedSendingTest, AMessageGetsTheListFieldsOfItsStreamThatItLacks) {
  MailServer& server = AddDomain("d2.test");
  StreamOptions& stream = options_.streams[0];
  stream.unsubscribe_url = "https://u.sender.test/out";
  stream.list_id = "news.sender.test";
  stream.feedback_id = "{campaign}:news::sealift";
  Start();
  const queue::CampaignId id = SendMessages(
      {"From: a@s.test\r\nTo: one@d2.test\r\n\r\nx\r\n",
       "From: a@s.test\r\nTo: two@d2.test\r\nlist-id: <own.s.test>\r\nList-Unsubscribe-Post: x\r\n\r\nx\r\n"});
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  Stop();
  ASSERT_THAT(server.contents, SizeIs(2));
  for (const std::string& content : server.contents) {
    const std::string header = content.substr(0, content.find("\r\n\r\n") + 2);
    EXPECT_THAT(header, HasSubstr("Feedback-ID: statements:news::sealift\r\n"));
    if (header.find("To: one@") != std::string::npos) {
      EXPECT_THAT(header, HasSubstr("List-Unsubscribe: <https://u.sender.test/out?token="));
      EXPECT_THAT(header, HasSubstr("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
      EXPECT_THAT(header, HasSubstr("\r\nList-Id: <news.sender.test>\r\n"));
    } else {
      EXPECT_THAT(header, Not(HasSubstr("List-Unsubscribe:")));
      EXPECT_THAT(header, Not(HasSubstr("List-Id:")));
      EXPECT_THAT(header, HasSubstr("\r\nlist-id: <own.s.test>\r\n"));
    }
  }
}

std::string LargeBody(size_t bytes) {
  std::string body;
  while (body.size() < bytes) body += fmt::format(".{} some line of a long statement\r\n", body.size());
  return body;
}

std::string Stuffed(std::string text) {
  for (size_t at = text.find("\r\n."); at != std::string::npos; at = text.find("\r\n.", at + 3))
    text.insert(at + 2, ".");
  return text;
}

TEST_F(FinishedSendingTest, AMessageArrivesAsItIsWhateverItsSize) {
  MailServer& server = AddDomain("d2.test");
  server.offers = {"SIZE 100000000"};
  Start();
  std::vector<std::string> messages;
  const auto headed = [](size_t to) {
    return fmt::format("From: office@sender.test\r\nTo: a{}@d2.test\r\nDate: x\r\nMessage-ID: <{}@s.test>\r\n\r\n", to,
                       to);
  };
  const std::vector<size_t> sizes = {10, 100'000, 131'072, 262'144, 3'000'000};
  for (const size_t size : sizes) messages.push_back(headed(size) + LargeBody(size));
  const queue::CampaignId id = SendMessages(messages);
  ASSERT_TRUE(EventuallyDelivered(id, sizes.size()));
  Stop();
  ASSERT_THAT(server.contents, SizeIs(sizes.size()));
  for (const std::string& message : messages) EXPECT_THAT(server.contents, Contains(Stuffed(message)));
  for (const std::string& message : messages) {
    EXPECT_THAT(Commands(server), HasSubstr(fmt::format("SIZE={}\n", message.size())));
  }
}

TEST_F(FinishedSendingTest, EveryRecipientGetsTheMessageAndNobodySeesWhoIsInBcc) {
  MailServer& server = AddDomain("d2.test");
  Start();
  const queue::CampaignId id =
      SendMessages({"From: office@sender.test\nTo: a@d2.test\nBcc: b@d2.test\nSubject: x\n\nHello\n"});
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  Stop();
  ASSERT_THAT(server.contents, SizeIs(2));
  EXPECT_THAT(server.contents, Each(Not(HasSubstr("b@d2.test"))));
  EXPECT_THAT(server.contents, Each(StartsWith("Date: ")));
  EXPECT_THAT(server.contents, Each(HasSubstr("\r\nMessage-ID: <")));
  EXPECT_NE(server.contents[0], server.contents[1]) << "each row has its own Message-ID where the message has none";
  EXPECT_THAT(Commands(server), HasSubstr("RCPT TO:<b@d2.test>"));
}

TEST_F(FinishedSendingTest, APieceThatCannotBeReadEndsTheConnectionWithoutTheFinalDot) {
  MailServer& server = AddDomain("d2.test");
  Start();
  const auto campaign = store_->CreateCampaign(
      {.name = "cut", .stream = "news", .mode = "live", .settings_json = "{}", .finished = true}, absl::Now());
  ASSERT_TRUE(campaign.ok());
  {
    auto load = store_->BeginLoad(campaign->id, absl::Now());
    ASSERT_TRUE(load.ok());
    ASSERT_TRUE((*load)->BeginBody(queue::BodyId{1}).ok());
    const std::string first = "From: a@s.test\r\n\r\n" + LargeBody(100'000);
    for (const std::string& piece : {first, LargeBody(100'000)}) ASSERT_TRUE((*load)->AddPiece(piece).ok());
    ASSERT_TRUE((*load)->KeepBody().ok());
    const std::string field = FinishedMessage{.number = 1, .pieces = 4, .size = 400'000}.Encode();
    const std::string_view fields = field;
    ASSERT_TRUE((*load)->Add({queue::RowId{1}, "jane@d2.test", "d2.test", {&fields, 1}, queue::BodyId{1}}).ok());
    ASSERT_TRUE((*load)->Commit(1, "", true).ok());
  }
  const queue::Event event = Outcome(Activate("cut"), OutcomeKind::kDeferred);
  EXPECT_EQ(event.reason_class, "internal");
  EXPECT_THAT(server.contents, IsEmpty());
  ASSERT_THAT(server.conversations, SizeIs(1));
  EXPECT_EQ(server.conversations[0].commands.back(), "DATA");
  EXPECT_THAT(server.conversations[0].clear, HasSubstr("some line of a long statement")) << "it had begun";
}

TEST_F(FinishedSendingTest, AMessageWhoseContentIsGoneIsDeferredAndNothingIsSaidOfIt) {
  MailServer& server = AddDomain("d2.test");
  Start();
  const auto campaign = store_->CreateCampaign(
      {.name = "gone", .stream = "news", .mode = "live", .settings_json = "{}", .finished = true}, absl::Now());
  ASSERT_TRUE(campaign.ok());
  {
    auto load = store_->BeginLoad(campaign->id, absl::Now());
    const std::string field = FinishedMessage{.number = 1, .pieces = 1, .size = 10}.Encode();
    const std::string_view fields = field;
    ASSERT_TRUE((*load)->Add({queue::RowId{1}, "jane@d2.test", "d2.test", {&fields, 1}, queue::BodyId{1}}).ok());
    ASSERT_TRUE((*load)->Commit(1, "", true).ok());
  }
  EXPECT_EQ(Outcome(Activate("gone"), OutcomeKind::kDeferred).reason_class, "internal");
  EXPECT_THAT(Commands(server), Not(HasSubstr("MAIL")));
}

TEST_F(FinishedSendingTest, An8BitMessageIsAnnouncedAsOne) {
  MailServer& server = AddDomain("d2.test");
  server.offers = {"PIPELINING", "8BITMIME"};
  Start();
  const queue::CampaignId id = SendMessages({"From: a@s.test\nTo: jane@d2.test\n\ncaf\xe9\n"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(Commands(server), HasSubstr("> BODY=8BITMIME\n"));
  EXPECT_THAT(server.contents.at(0), EndsWith("\r\n\r\ncaf\xe9\r\n"));
}

TEST_F(FinishedSendingTest, An8BitMessageIsNeverSentToAServerThatDoesNotTakeIt) {
  MailServer& server = AddDomain("d2.test");
  server.offers = {"PIPELINING"};
  Start();
  const queue::Event event =
      Outcome(SendMessages({"From: a@s.test\nTo: jane@d2.test\n\ncaf\xe9\n"}), OutcomeKind::kBounced);
  EXPECT_EQ(event.enhanced, "5.6.3");
  EXPECT_EQ(event.reason_class, "content");
  EXPECT_THAT(Commands(server), Not(HasSubstr("MAIL")));
}

TEST_F(FinishedSendingTest, AUtf8HeaderNeedsSmtputf8) {
  MailServer& server = AddDomain("d2.test");
  server.offers = {"PIPELINING", "8BITMIME"};
  Start();
  const queue::Event event =
      Outcome(SendMessages({"From: a@s.test\nTo: jane@d2.test\nSubject: caf\xc3\xa9\n\nx\n"}), OutcomeKind::kBounced);
  EXPECT_EQ(event.enhanced, "5.6.7");
  EXPECT_THAT(Commands(server), Not(HasSubstr("MAIL")));
}

TEST_F(FinishedSendingTest, AUtf8HeaderIsAnnouncedAsOne) {
  MailServer& server = AddDomain("d2.test");
  server.offers = {"PIPELINING", "8BITMIME", "SMTPUTF8"};
  Start();
  const queue::CampaignId id = SendMessages({"From: a@s.test\nTo: jane@d2.test\nSubject: caf\xc3\xa9\n\nx\n"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(Commands(server), HasSubstr("> BODY=8BITMIME SMTPUTF8\n"));
}

TEST_F(FinishedSendingTest, AMessageOverTheServersSizeBounces) {
  MailServer& server = AddDomain("d2.test");
  server.offers = {"PIPELINING", "SIZE 1000000"};
  Start();
  const queue::Event event =
      Outcome(SendMessages({"From: a@s.test\nTo: jane@d2.test\n\n" + LargeBody(1'000'000)}), OutcomeKind::kBounced);
  EXPECT_EQ(event.enhanced, "5.3.4");
  EXPECT_THAT(Commands(server), Not(HasSubstr("MAIL")));
}

TEST_F(FinishedSendingTest, AStreamsSignaturesStandInFrontOfALargeMessageToo) {
  const std::string path = folder_.path() + "/s1.pem";
  std::ofstream(path) << *DkimKey::Generate(DkimAlgorithm::kEd25519Sha256)->ToPem();
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  options_.dkim.push_back({.domain = "sender.test", .selector = "s1", .key_file = path});
  options_.streams[0].dkim = {"sender.test"};
  MailServer& server = AddDomain("d2.test");
  server.offers = {"PIPELINING", "SIZE 100000000"};
  Start();
  const std::string given = "From: office@sender.test\r\nTo: jane@d2.test\r\nSubject: x\r\n\r\n" + LargeBody(700'000);
  const queue::CampaignId id = SendMessages({given});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  ASSERT_THAT(server.contents, SizeIs(1));
  std::string content = server.contents[0];
  for (size_t at = content.find("\r\n."); at != std::string::npos; at = content.find("\r\n.", at + 3)) {
    content.erase(at + 2, 1);
  }
  ASSERT_THAT(content, StartsWith("DKIM-Signature: v=1; "));
  const size_t unsigned_part = content.find("\r\nDate: ") + 2;
  EXPECT_TRUE(content.ends_with(given));
  std::string fields;
  ASSERT_TRUE((*SigningKeys::Load(options_))->SignerOf("news")->Sign(content.substr(unsigned_part), {}, fields).ok());
  EXPECT_EQ(content.substr(0, unsigned_part), fields);
  EXPECT_THAT(Commands(server), HasSubstr(fmt::format("SIZE={}\n", content.size())));
}

}  // namespace
}  // namespace sealift::engine
