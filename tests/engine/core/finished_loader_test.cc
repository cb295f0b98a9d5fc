#include "engine/finished_loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/exit_code.h"
#include "engine/message_identity.h"
#include "queue/load.h"
#include "tests/engine/core/loader_world.h"
#include "tests/engine/core/message_frames.h"

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Summary = CampaignLoader::Summary;

std::string MessageTo(std::string_view to, std::string_view body = "Hello.\n") {
  return fmt::format("From: office@sender.test\nTo: {}\n\n{}", to, body);
}

class FinishedLoaderTest : public LoaderWorld {
 protected:
  std::unique_ptr<FinishedMessageLoader> Begin() {
    LoadRequest request{.name = name_, .stream = "news", .messages = true};
    queue::CampaignSpec spec{
        .name = request.name, .stream = request.stream, .mode = "sink", .settings_json = "{}", .finished = true};
    auto loader = std::make_unique<FinishedMessageLoader>(
        *store_, *campaigns_, std::move(request), std::move(spec), StreamKind::kTransactional,
        [this] { return admission_; }, [this](uint64_t rows) { reported_ += rows; },
        FinishedMessageLoader::FromRule{
            .misaligned =
                [](const std::string& domain) { return domain == "sender.test" ? "" : domain + " is another's"; },
            .rejects = rejects_misaligned_});
    Listen(*loader);
    return loader;
  }

  static absl::Status Feed(FinishedMessageLoader& loader, std::string_view input, size_t step) {
    for (size_t at = 0; at < input.size(); at += std::min(step, input.size() - at)) {
      const std::string_view part = input.substr(at, step);
      if (absl::Status fed = loader.Feed({part.data(), part.size()}); !fed.ok()) return fed;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Summary> Load(std::string_view input, size_t step = 64 << 10) {
    const std::unique_ptr<FinishedMessageLoader> loader = Begin();
    if (absl::Status fed = Feed(*loader, input, step); !fed.ok()) return fed;
    return loader->Finish();
  }

  std::string name_ = "statements";
  bool rejects_misaligned_ = true;

  std::vector<queue::StoredRow> Rows() { return LoaderWorld::Rows("statements"); }

  std::string BodyOf(const queue::StoredRow& row) {
    const absl::StatusOr<FinishedMessage> message = FinishedMessage::Decode(row.fields.at(0));
    CHECK(message.ok(), "a row says what it gets");
    std::string wire;
    for (uint32_t i = 0; i < message->pieces; ++i) {
      const auto piece = store_->ReadPiece(row.message.lane.campaign, queue::BodyId{message->number}, i);
      CHECK(piece.ok(), "a piece is there");
      wire += *piece;
    }
    return wire.substr(wire.find("\r\n\r\n") + 4);
  }
};

TEST_F(FinishedLoaderTest, EveryRecipientOfAMessageIsARowThatGetsIt) {
  const std::string input = Framed({MessageTo("a@r.test", "one\n"), MessageTo("b@r.test, c@q.test, b@r.test", "two\n"),
                                    MessageTo("a@r.test", "three\n")});
  for (const size_t step : {size_t{1}, size_t{64 << 10}}) {
    const absl::StatusOr<Summary> summary = Load(input, step);
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(summary->accepted, 4u);
    EXPECT_EQ(summary->duplicates, 1u) << "twice in one message";
    EXPECT_EQ(summary->already_loaded, step != 1);
    const std::vector<queue::StoredRow> rows = Rows();
    ASSERT_THAT(rows, SizeIs(4));
    EXPECT_EQ(rows[0].recipient, "a@r.test");
    EXPECT_EQ(BodyOf(rows[0]), "one\r\n.\r\n");
    EXPECT_EQ(rows[1].recipient, "b@r.test");
    EXPECT_EQ(BodyOf(rows[1]), "two\r\n.\r\n");
    EXPECT_EQ(rows[2].recipient, "c@q.test");
    EXPECT_EQ(BodyOf(rows[2]), "two\r\n.\r\n");
    EXPECT_EQ(rows[3].recipient, "a@r.test") << "an address may get many messages";
    EXPECT_EQ(BodyOf(rows[3]), "three\r\n.\r\n");
  }
  EXPECT_EQ(reported_, 4u);
}

TEST_F(FinishedLoaderTest, AMessageThatCannotBeSentIsRejectedByItsNumberAndTheOthersAreTaken) {
  const std::string large(600 << 10, 'x');  // one line
  const absl::StatusOr<Summary> summary =
      Load(Framed({MessageTo("a@r.test"), "To: b@r.test\n\nx\n", MessageTo("c@r.test", large), "",
                   MessageTo("d@r.test", std::string(998, 'y') + "\n")}));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 2u);
  EXPECT_EQ(summary->rejected, 3u);
  ASSERT_THAT(rejections_, SizeIs(3));
  EXPECT_EQ(rejections_[0].line, 2u);
  EXPECT_EQ(rejections_[0].reason, "it has no From");
  EXPECT_EQ(rejections_[1].line, 3u);
  EXPECT_EQ(rejections_[2].line, 4u);
}

TEST_F(FinishedLoaderTest, AMessageWhoseFromIsNotAlignedIsRejectedOrSaidInTheNotice) {
  const std::string input =
      Framed({MessageTo("a@r.test"), "From: x@other.test\nTo: b@r.test\n\nx\n", MessageTo("c@r.test"),
              "From: office@sender.test, y@third.test\nSender: office@sender.test\nTo: d@r.test\n\nx\n"});
  const absl::StatusOr<Summary> rejected = Load(input);
  ASSERT_TRUE(rejected.ok()) << rejected.status();
  EXPECT_EQ(rejected->accepted, 2u);
  EXPECT_EQ(rejected->notice, "");
  ASSERT_THAT(rejections_, SizeIs(2));
  EXPECT_EQ(rejections_[0].line, 2u);
  EXPECT_EQ(rejections_[0].reason, "other.test is another's");
  EXPECT_EQ(rejections_[1].reason, "third.test is another's");

  rejects_misaligned_ = false;
  name_ = "tried";
  const absl::StatusOr<Summary> taken = Load(input);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->accepted, 4u);
  EXPECT_EQ(taken->notice, "live mode would reject 2 of the messages; of the first: other.test is another's");
}

TEST_F(FinishedLoaderTest, TheMessageIdThatAMessageCameWithLeadsToItsRows) {
  const auto with_id = [](std::string_view id, std::string_view to) {
    return fmt::format("From: office@sender.test\nMessage-ID: {}\nTo: {}\n\nx\n", id, to);
  };
  ASSERT_TRUE(Load(Framed({with_id("<one@office.test>", "a@r.test"),
                           with_id("\n <two@office.test>", "b@r.test, c@r.test"), MessageTo("d@r.test")}))
                  .ok());
  const std::vector<queue::StoredRow> rows = Rows();
  ASSERT_THAT(rows, SizeIs(4));
  for (const char* name : {"<one@office.test>", "one@office.test"}) {
    const absl::StatusOr<queue::MessageKey> found = ParseMessageName(*store_, name);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, rows[0].message);
  }
  const absl::Status several = ParseMessageName(*store_, "<two@office.test>").status();
  EXPECT_EQ(ExitCodeOf(several), ExitCode::kBadData);
  for (const size_t row : {size_t{1}, size_t{2}}) {
    EXPECT_THAT(std::string(several.message()), HasSubstr(store_->EncodeMessageId(rows[row].message)));
  }
  EXPECT_EQ(ExitCodeOf(ParseMessageName(*store_, "<none@office.test>").status()), ExitCode::kNoInput);
  EXPECT_FALSE(ParseMessageName(*store_, "a@r.test").ok()) << "an address is no name";
  const std::string ours = store_->EncodeMessageId(rows[3].message);
  EXPECT_EQ(*ParseMessageName(*store_, "<" + ours + "@mta1.example.com>"), rows[3].message);
}

TEST_F(FinishedLoaderTest, AnInterruptedLoadGoesOnBehindItsLastChunk) {
  std::string body;
  while (body.size() < queue::Load::kChunkBytesMax / 2)
    body += fmt::format("line {} of a long statement\n", body.size());
  std::vector<std::string> messages = {"broken"};
  for (int i = 0; i < 5; ++i)
    messages.push_back(MessageTo(fmt::format("a{}@r.test", i), fmt::format("{}\n", i) + body));
  const std::string input = Framed(messages, 64 << 10);
  {
    const auto loader = Begin();
    ASSERT_TRUE(Feed(*loader, std::string_view(input).substr(0, input.size() / 5 * 4), 1 << 20).ok());
  }
  const queue::Campaign before = *store_->FindCampaign("statements");
  EXPECT_EQ(before.counters.accepted, 2u) << "a chunk of whole messages";
  EXPECT_FALSE(before.load_complete);
  // Other messages under that name are not taken for these.
  std::string other = input;
  other[100'000] ^= 1;
  EXPECT_EQ(ExitCodeOf(Load(other, 1 << 20).status()), ExitCode::kCannotCreate);
  rejections_.clear();
  const absl::StatusOr<Summary> summary = Load(input, 1 << 20);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->resumed);
  EXPECT_EQ(summary->accepted, 5u);
  EXPECT_EQ(summary->rejected, 1u);
  EXPECT_THAT(rejections_, SizeIs(1)) << "said again";
  const std::vector<queue::StoredRow> rows = Rows();
  ASSERT_THAT(rows, SizeIs(5));
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(rows[i].message.row, queue::RowId(i + 1));
    EXPECT_EQ(rows[i].recipient, fmt::format("a{}@r.test", i));
    EXPECT_THAT(BodyOf(rows[i]).substr(0, 4), fmt::format("{}\r\nl", i));
  }
}

TEST_F(FinishedLoaderTest, OtherMessagesUnderAKnownNameAreRefused) {
  const std::vector<std::string> two = {MessageTo("a@r.test"), MessageTo("b@r.test")};
  ASSERT_TRUE(Load(Framed(two)).ok());
  for (const std::vector<std::string>& other :
       {std::vector<std::string>{two[0]}, {two[0], two[1], two[0]}, {two[1], two[0]}}) {
    const absl::StatusOr<Summary> refused = Load(Framed(other));
    EXPECT_EQ(ExitCodeOf(refused.status()), ExitCode::kCannotCreate) << refused.status();
  }
  EXPECT_THAT(Rows(), SizeIs(2));
}

TEST_F(FinishedLoaderTest, AnInputThatIsNoneIsRefused) {
  EXPECT_THAT(std::string(Load("").status().message()), HasSubstr("there is no message"));
  EXPECT_TRUE(absl::IsNotFound(store_->FindCampaign("statements").status()));
  const std::string input = Framed({MessageTo("a@r.test")});
  EXPECT_THAT(std::string(Load(input.substr(0, 20)).status().message()), HasSubstr("ended within message 1"));
  EXPECT_THAT(std::string(Load("\xff\xff\xff\xff").status().message()), HasSubstr("message 1 has a frame of"));
  EXPECT_THAT(Rows(), IsEmpty());
}

TEST_F(FinishedLoaderTest, WhileThereIsNoRoomNothingIsAccepted) {
  admission_ = absl::ResourceExhaustedError("almost full");
  EXPECT_FALSE(Load(Framed({MessageTo("a@r.test")})).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->FindCampaign("statements").status()));
}

}  // namespace
}  // namespace sealift::engine
