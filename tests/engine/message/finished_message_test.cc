#include "engine/message/finished_message.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "engine/message/dkim_canonical.h"
#include "engine/message/finished_message_reader.h"
#include "engine/message/recipient_list.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr size_t kPiece = 128 << 10;
constexpr std::string_view kHead = "From: a@s.test\r\nTo: b@r.test\r\n";

class FinishedMessageTest : public testing::Test {
 protected:
  // Reads a message that comes `step` bytes at a time.
  FinishedMessageReader& Read(std::string_view text, size_t step = SIZE_MAX) {
    pieces_.clear();
    reader_.Begin(7);
    for (size_t at = 0; at < text.size(); at += std::min(step, text.size() - at)) {
      EXPECT_TRUE(reader_.Add(text.substr(at, step)).ok());
    }
    EXPECT_TRUE(reader_.End().ok());
    return reader_;
  }

  std::string Wire() const {
    std::string wire;
    for (const std::string& piece : pieces_) wire += piece;
    return wire;
  }

  std::vector<std::string> Recipients() const {
    std::vector<std::string> all;
    for (const Mailbox& recipient : reader_.recipients()) all.push_back(recipient.ToString());
    return all;
  }

  std::vector<std::string> pieces_;
  FinishedMessageReader reader_{kPiece, [this](std::string_view piece) {
                                  pieces_.emplace_back(piece);
                                  return absl::OkStatus();
                                }};
};

TEST_F(FinishedMessageTest, AMessageIsSentAsItIsButForBccReturnPathLineEndsAndDots) {
  const std::string text =
      "Return-Path: <old@s.test>\n"
      "Received: by somewhere; Mon, 1 Jan 2024 00:00:00 +0000\n"
      "DKIM-Signature: v=1;\n b=abc\n"
      "From: Ann <a@s.test>\n"
      "Bcc: c@r.test,\n d@r.test\n"
      "Resent-Bcc: e@r.test\n"
      "To: \"Doe, Jane\" <b@r.test>\n"
      "\n"
      ".dot\n"
      "..\n"
      "last";
  for (const size_t step : {size_t{1}, size_t{3}, size_t{7}, SIZE_MAX}) {
    Read(text, step);
    EXPECT_THAT(reader_.rejection(), IsEmpty());
    EXPECT_EQ(Wire(),
              "Received: by somewhere; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
              "DKIM-Signature: v=1;\r\n b=abc\r\n"
              "From: Ann <a@s.test>\r\n"
              "To: \"Doe, Jane\" <b@r.test>\r\n"
              "\r\n"
              "..dot\r\n"
              "...\r\n"
              "last\r\n"
              ".\r\n");
    EXPECT_THAT(Recipients(), ElementsAre("c@r.test", "d@r.test", "b@r.test"));
    EXPECT_EQ(reader_.message().number, 7u);
    EXPECT_EQ(reader_.message().pieces, 1u);
    EXPECT_EQ(reader_.message().size, Wire().size() - 3 - 2) << "without the terminator and the doubled dots";
    EXPECT_FALSE(reader_.message().has_date);
    EXPECT_FALSE(reader_.message().has_message_id);
    EXPECT_EQ(reader_.message().body_hash, HashRelaxedBody(".dot\r\n..\r\nlast\r\n"));
  }
}

TEST_F(FinishedMessageTest, ALargeMessageComesInPiecesOfOneSize) {
  std::string body;
  while (body.size() < 3 * kPiece) body += fmt::format(".line {} of many\r\n", body.size());
  Read(std::string(kHead) + "\r\n" + body, 1000);
  EXPECT_THAT(reader_.rejection(), IsEmpty());
  ASSERT_GE(pieces_.size(), 4u);
  EXPECT_EQ(reader_.message().pieces, pieces_.size());
  for (size_t i = 0; i + 1 < pieces_.size(); ++i) EXPECT_EQ(pieces_[i].size(), kPiece);
  EXPECT_THAT(pieces_[0], HasSubstr("\r\n\r\n"));
  EXPECT_TRUE(Wire().ends_with("\r\n.\r\n"));
  EXPECT_EQ(reader_.message().size, kHead.size() + 2 + body.size());
  EXPECT_EQ(reader_.message().body_hash, HashRelaxedBody(body));
}

TEST_F(FinishedMessageTest, WhatCannotBeSentIsRejectedWithItsReason) {
  const std::string head(kHead), body = "\r\nx\r\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "it has no From"},
      {"To: b@r.test\r\n" + body, "it has no From"},
      {"From: a@s.test\r\n" + body, "it has no recipient in To, Cc or Bcc"},
      {"From: a@s.test\r\nTo: undisclosed-recipients:;\r\n" + body, "it has no recipient in To, Cc or Bcc"},
      {head + "From: c@s.test\r\n" + body, "it has more than one From"},
      {head + "date: x\r\nDate: y\r\n" + body, "it has more than one Date"},
      {head + "Message-ID: <x>\r\nMESSAGE-id: <y>\r\n" + body, "it has more than one Message-ID"},
      {head + "To: c@r.test\r\n" + body, "it has more than one To"},
      {"From a@s.test Mon Jan 1\r\n" + head + body, "line 1 of its header is no field: a name, a colon and a value"},
      {head + "nonsense\r\n" + body, "line 3 of its header is no field: a name, a colon and a value"},
      {head + ".x: y\r\n" + body, "line 3 of its header is no field: a name, a colon and a value"},
      {" x: y\r\n" + head + body, "line 1 of its header is no field: a name, a colon and a value"},
      {head + "Subject: \xff\r\n" + body, "its header has bytes that are no UTF-8"},
      {head + "Subject: a\rb\r\n" + body, "line 3 has a CR that ends no line"},
      {head + body + "a\rb\r\n", "line 5 has a CR that ends no line"},
      {head + body + "a\r", "line 5 has a CR that ends no line"},
      {head + body + std::string("a\0b\r\n", 5), "line 5 has a NUL"},
      {head + body + std::string(999, 'x') + "\r\n", "line 5 has more than 998 bytes"},
      {head + body + std::string(5000, 'x'), "line 5 has more than 998 bytes"},
      {"From: a@s.test\r\nCc: b@r.test c@r.test\r\n" + body, "Cc: address 1 cannot be used: "},
      {"From: a@s.test\r\nTo: b@[192.0.2.1]\r\n" + body, "To: address 1 cannot be used: "},
      {"From: \r\nTo: b@r.test\r\n" + body, "From: it names nobody"},
  };
  for (const auto& [text, reason] : cases) {
    for (const size_t step : {size_t{1}, SIZE_MAX}) {
      EXPECT_THAT(Read(text, step).rejection(), StartsWith(reason)) << text.substr(0, 200);
    }
  }
  EXPECT_THAT(Read(head + body + std::string(998, 'x') + "\r\n").rejection(), IsEmpty());
}

TEST_F(FinishedMessageTest, AHeaderOrAMessageOverItsLimitIsRejected) {
  std::string header(kHead);
  while (header.size() <= FinishedMessageReader::kHeaderBytesMax) header += "X-Y: " + std::string(900, 'z') + "\r\n";
  EXPECT_THAT(Read(header + "\r\n").rejection(), StartsWith("its header has more than 65536 bytes"));
  std::string body;
  while (body.size() <= FinishedMessageReader::kBytesMax) body += std::string(900, 'z') + "\r\n";
  EXPECT_THAT(Read(std::string(kHead) + "\r\n" + body).rejection(), StartsWith("it has more than 50 MiB"));
}

TEST_F(FinishedMessageTest, WhatAServerMustOfferIsKnown) {
  const std::string head(kHead);
  EXPECT_FALSE(Read(head + "\r\nplain\r\n").message().eight_bit);
  EXPECT_TRUE(Read(head + "\r\ncaf\xc3\xa9\r\n").message().eight_bit);
  EXPECT_FALSE(reader_.message().utf8_header);
  EXPECT_TRUE(Read(head + "\r\n\xff\r\n").message().eight_bit) << "a body may be in any charset";
  EXPECT_TRUE(Read(head + "Subject: caf\xc3\xa9\r\n\r\nplain\r\n").message().utf8_header);
  EXPECT_TRUE(reader_.message().eight_bit);
  Read(head + "Bcc: caf\xc3\xa9 <c@r.test>\r\n\r\nplain\r\n");
  EXPECT_FALSE(reader_.message().utf8_header) << "it is not sent";
  Read(head + "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-Id: <x@s.test>\r\n\r\nplain\r\n");
  EXPECT_TRUE(reader_.message().has_date);
  EXPECT_TRUE(reader_.message().has_message_id);
}

TEST_F(FinishedMessageTest, TheFieldOfARowIsReadAsItWasWritten) {
  FinishedMessage message{.number = 3,
                          .pieces = 200,
                          .size = 26'000'000,
                          .eight_bit = true,
                          .has_message_id = true,
                          .body_hash = HashOf("x")};
  const std::string field = message.Encode();
  const auto read = FinishedMessage::Decode(field);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->Encode(), field);
  EXPECT_EQ(read->size, 26'000'000u);
  EXPECT_TRUE(read->eight_bit && read->has_message_id && !read->utf8_header && !read->has_date);
  for (size_t size = 0; size < field.size(); ++size) EXPECT_FALSE(FinishedMessage::Decode(field.substr(0, size)).ok());
  EXPECT_FALSE(FinishedMessage::Decode(std::string(field.size(), '\x01').replace(1, 8, std::string(8, '\0'))).ok());
}

TEST_F(FinishedMessageTest, WhatAMessageLacksIsAddedInFrontAndCounted) {
  Read(std::string(kHead) + "\r\n.x\r\n");
  std::string wire;
  uint64_t size = 0;
  const FinishedMessage::Identity identity{.message_id = "<id@mta.test>", .date = absl::UnixEpoch()};
  ASSERT_TRUE(reader_.message().Open(pieces_[0], identity, wire, &size).ok());
  EXPECT_EQ(wire, "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <id@mta.test>\r\n" + std::string(kHead) +
                      "\r\n..x\r\n.\r\n");
  EXPECT_EQ(size, wire.size() - 3 - 1);

  Read(std::string(kHead) + "Date: x\r\nMessage-ID: <own@s.test>\r\n\r\nx\r\n");
  wire.clear();
  ASSERT_TRUE(reader_.message().Open(pieces_[0], identity, wire, &size).ok());
  EXPECT_EQ(wire, pieces_[0]);
}

TEST_F(FinishedMessageTest, WhichListFieldsItHasIsKnownAndTheOthersAreAdded) {
  const auto own = [&](std::string_view fields) {
    Read(std::string(kHead) + std::string(fields) + "\r\nx\r\n");
    const absl::StatusOr<FinishedMessage> decoded = FinishedMessage::Decode(reader_.message().Encode());
    EXPECT_TRUE(decoded.ok()) << decoded.status();
    return decoded->own;
  };
  const OwnListFields none = own("X-List-Id: x\r\n");
  EXPECT_FALSE(none.unsubscribe || none.list_id || none.feedback_id);
  EXPECT_TRUE(own("list-unsubscribe: <https://u.test>\r\n").unsubscribe);
  EXPECT_TRUE(own("List-Unsubscribe-Post: x\r\n").unsubscribe);
  EXPECT_TRUE(own("LIST-ID: <x.test>\r\n").list_id);
  EXPECT_TRUE(own("Feedback-ID: x\r\n").feedback_id);

  std::string wire;
  uint64_t size = 0;
  Read(std::string(kHead) + "\r\nx\r\n");
  ASSERT_TRUE(reader_.message()
                  .Open(pieces_[0],
                        {.message_id = "<1@s.test>", .date = absl::UnixEpoch(), .fields = "List-Id: <l.test>\r\n"},
                        wire, &size)
                  .ok());
  EXPECT_THAT(wire, HasSubstr("\r\nMessage-ID: <1@s.test>\r\nList-Id: <l.test>\r\nFrom: "));
  EXPECT_EQ(size, wire.size() - 3) << "the terminator is none of it";

  // Of a row that was loaded before these were looked for nothing is known.
  std::string old = reader_.message().Encode();
  old[0] = 1;
  const absl::StatusOr<FinishedMessage> decoded = FinishedMessage::Decode(old);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->own.unsubscribe && decoded->own.list_id && decoded->own.feedback_id);
  old[0] = 3;
  EXPECT_FALSE(FinishedMessage::Decode(old).ok());
}

TEST_F(FinishedMessageTest, ItsAuthorsAndItsOwnMessageIdAreKnown) {
  Read(
      "From: Ann <a@S.test>, b@t.test\r\nSender: a@s.test\r\nTo: b@r.test\r\nMessage-ID:\r\n <x.1@s.test> (c)\r\n\r\n");
  ASSERT_THAT(reader_.authors(), SizeIs(2));
  EXPECT_EQ(reader_.authors()[0].domain, "s.test");
  EXPECT_EQ(reader_.authors()[1].domain, "t.test");
  EXPECT_EQ(reader_.message_id(), "x.1@s.test");
  Read("From: a@s.test\r\nTo: b@r.test\r\nMessage-ID: bare id \r\n\r\n");
  EXPECT_EQ(reader_.message_id(), "bare id");
  Read(std::string(kHead) + "\r\n");
  EXPECT_EQ(reader_.message_id(), "");
}

TEST(RelaxedBodyHasherTest, PiecesMakeTheHashOfTheWhole) {
  std::mt19937 random(7);
  const std::vector<std::string> words = {" ", "\t", "\r\n", "\r\n\r\n", "a", "bc ", " \r\n", "  d"};
  for (int round = 0; round < 2000; ++round) {
    std::string body;
    for (size_t i = random() % 30; i > 0; --i) body += words[random() % words.size()];
    RelaxedBodyHasher hasher;
    for (size_t at = 0; at < body.size();) {
      const size_t size = 1 + random() % 5;
      hasher.Add(std::string_view(body).substr(at, size));
      at += size;
    }
    EXPECT_EQ(hasher.Finish(), HashRelaxedBody(body)) << body;
  }
}

TEST(RecipientListTest, MailboxesAreFoundWhateverStandsAroundThem) {
  const auto read = [](std::string_view value) {
    std::vector<Mailbox> found;
    const absl::Status status = ParseRecipientList(value, found);
    EXPECT_TRUE(status.ok()) << value << ": " << status;
    std::vector<std::string> all;
    for (const Mailbox& mailbox : found) all.push_back(mailbox.ToString());
    return all;
  };
  EXPECT_THAT(read(" a@r.test"), ElementsAre("a@r.test"));
  EXPECT_THAT(read(" A@R.Test,\r\n b@r.test\r\n"), ElementsAre("A@r.test", "b@r.test"));
  EXPECT_THAT(read("\"x, <y@z.test>\" <a@r.test>, =?x-unknown?Q?b=2C?= <b@r.test>"),
              ElementsAre("a@r.test", "b@r.test"));
  EXPECT_THAT(read("a@r.test (home <x@y.test>, (or so)), (work) b@r.test"), ElementsAre("a@r.test", "b@r.test"));
  EXPECT_THAT(read("\"quote \\\" and, comma\" <a@r.test>\t, ,"), ElementsAre("a@r.test"));
  EXPECT_THAT(read("friends: a@r.test, Bo <b@r.test>;, c@r.test"), ElementsAre("a@r.test", "b@r.test", "c@r.test"));
  EXPECT_THAT(read("undisclosed-recipients:;"), IsEmpty());
  EXPECT_THAT(read(""), IsEmpty());
  EXPECT_THAT(read("\"john doe\"@r.test"), ElementsAre("\"john doe\"@r.test"));
}

TEST(RecipientListTest, WhatCannotBeReadIsRefusedWithoutAByteOfIt) {
  for (const std::string_view value :
       {"secret", "secret <a@r.test", "secret \"a@r.test", "secret (a@r.test", "secret> a@r.test", "<secret@r.test> x",
        "<<secret@r.test>>", "<a@r.test,secret@r.test>", "x: secret@r.test", "secret@r.test;", "x: y: secret@r.test;",
        "<@x.test:secret@r.test>", "<>", "secret@", "a b@secret.test"}) {
    std::vector<Mailbox> found;
    const absl::Status status = ParseRecipientList(value, found);
    EXPECT_FALSE(status.ok()) << value;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret"))) << value;
  }
}

}  // namespace
}  // namespace sealift::engine
