#include "engine/smtp/reply_parser.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// All replies in `bytes`, each as "code|line|line", and "error" at the end when there is one.
std::vector<std::string> Replies(ReplyParser& parser) {
  std::vector<std::string> replies;
  while (true) {
    const absl::StatusOr<const Reply*> reply = parser.Next();
    if (!reply.ok()) {
      replies.push_back("error");
      return replies;
    }
    if (*reply == nullptr) return replies;
    replies.push_back(absl::StrCat((*reply)->code, "|", absl::StrReplaceAll((*reply)->lines, {{"\n", "|"}})));
  }
}

std::vector<std::string> Replies(std::string_view bytes) {
  ReplyParser parser;
  parser.Feed(bytes);
  return Replies(parser);
}

std::string Error(std::string_view bytes, const ReplyParser::Limits& limits = {}) {
  ReplyParser parser(limits);
  parser.Feed(bytes);
  while (true) {
    const absl::StatusOr<const Reply*> reply = parser.Next();
    if (!reply.ok()) return std::string(reply.status().message());
    if (*reply == nullptr) return "none";
  }
}

Reply One(std::string_view bytes) {
  ReplyParser parser;
  parser.Feed(bytes);
  return **parser.Next();
}

TEST(ReplyParserTest, OneReplyACall) {
  ReplyParser parser;
  parser.Feed("250 one\r\n250 two\r\n");
  EXPECT_EQ((*parser.Next())->lines, "one");
  EXPECT_EQ(parser.buffered(), 9U);
  EXPECT_EQ((*parser.Next())->lines, "two");
  EXPECT_EQ(parser.buffered(), 0U);
  EXPECT_EQ(*parser.Next(), nullptr);
}

TEST(ReplyParserTest, LinesOfAReplyAreKeptApart) {
  EXPECT_THAT(Replies("250-mx.d1.test\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"),
              ElementsAre("250|mx.d1.test|PIPELINING|SIZE 1000"));
}

TEST(ReplyParserTest, AReplyMayHaveNoText) {
  EXPECT_THAT(Replies("250\r\n250 \r\n250-\r\n250\r\n"), ElementsAre("250|", "250|", "250||"));
}

TEST(ReplyParserTest, BareLineFeedEndsALineAndTrailingWhiteSpaceGoes) {
  EXPECT_THAT(Replies("250-a \n250 b\t\r\r\n354 go\n"), ElementsAre("250|a|b", "354|go"));
}

TEST(ReplyParserTest, ControlAndEightBitBytesInTextAreCleaned) {
  EXPECT_THAT(Replies(std::string_view("550 a\0b\rc\x1b[0m\xC3\xBC\tx\r\n", 19)),
              ElementsAre("550|a?b?c?[0m\xC3\xBC x"));
}

TEST(ReplyParserTest, OtherLettersAreKeptWhereTheyAreUtf8) {
  EXPECT_THAT(Replies("550-\xE7\x94\xA8\xE6\x88\xB7\r\n550 \xC2\x9B\xD0\x96\r\n"),
              ElementsAre("550|\xE7\x94\xA8\xE6\x88\xB7|??\xD0\x96"));
  EXPECT_THAT(Replies("550 \xC3\xBC\xFF\r\n550 \xD3\xC3\r\n"), ElementsAre("550|???", "550|??"));
}

TEST(ReplyParserTest, BytesMayArriveInAnyPieces) {
  const std::string bytes = "220 mx ESMTP\r\n250-mx\r\n250-STARTTLS\r\n250 DSN\r\n554 5.7.1 no\r\n";
  const std::vector<std::string> whole = Replies(bytes);
  ASSERT_EQ(whole.size(), 3U);
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    ReplyParser parser;
    std::vector<std::string> replies;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = std::min<size_t>(1 + random() % 9, bytes.size() - at);
      parser.Feed(std::string_view(bytes).substr(at, size));
      at += size;
      for (std::string& reply : Replies(parser)) replies.push_back(std::move(reply));
    }
    EXPECT_EQ(replies, whole);
  }
}

TEST(ReplyParserTest, WhatIsNoReplyIsAProtocolError) {
  for (const std::string_view bytes :
       {"\r\n", "hello\r\n", "25\r\n", "25 ok\r\n", "2500 ok\r\n", "250ok\r\n", "250_ok\r\n", "150 ok\r\n",
        "650 ok\r\n", "099 ok\r\n", " 250 ok\r\n", "-250 ok\r\n", "2 50\r\n",
        "2\xB2"
        "0 ok\r\n",
        "HTTP/1.1 200 OK\r\n"}) {
    EXPECT_THAT(Error(bytes), HasSubstr("protocol error")) << bytes;
  }
}

TEST(ReplyParserTest, CodeThatChangesWithinAReplyIsAProtocolError) {
  EXPECT_EQ(Error("250-one\r\n550 two\r\n"), "protocol error: the code changes within a reply");
  EXPECT_EQ(Error("250-one\r\n251-two\r\n"), "protocol error: the code changes within a reply");
}

TEST(ReplyParserTest, AnErrorStays) {
  ReplyParser parser;
  parser.Feed("junk\r\n250 ok\r\n");
  EXPECT_FALSE(parser.Next().ok());
  parser.Feed("250 ok\r\n");
  EXPECT_FALSE(parser.Next().ok());
  parser.Clear();
  parser.Feed("250 ok\r\n");
  EXPECT_TRUE(parser.Next().ok());
}

TEST(ReplyParserTest, RepliesBeforeAnErrorAreStillGiven) {
  EXPECT_THAT(Replies("250 ok\r\njunk\r\n"), ElementsAre("250|ok", "error"));
}

TEST(ReplyParserTest, LineIsCapped) {
  EXPECT_EQ(Error("250 " + std::string(2044, 'x') + "\r\n"), "protocol error: a reply line is longer than 2048 bytes");
  EXPECT_EQ(Error("250 " + std::string(2043, 'x') + "\r\n"), "none");
  EXPECT_EQ(Error("250 " + std::string(1 << 20, 'x')), "protocol error: a reply line is longer than 2048 bytes");
}

TEST(ReplyParserTest, LinesOfAReplyAreCapped) {
  std::string bytes;
  for (int i = 0; i < 199; ++i) bytes += "220-x\r\n";
  EXPECT_EQ(Error(bytes + "220 x\r\n"), "none");
  EXPECT_EQ(Error(bytes + "220-x\r\n220-x\r\n"), "protocol error: a reply has more than 200 lines");
}

TEST(ReplyParserTest, BytesOfAReplyAreCapped) {
  ReplyParser::Limits limits;
  limits.reply_bytes_max = 100;
  EXPECT_EQ(Error("250-" + std::string(60, 'x') + "\r\n250 " + std::string(60, 'x') + "\r\n", limits),
            "protocol error: a reply is longer than 100 bytes");
  EXPECT_EQ(Error("250 " + std::string(60, 'x') + "\r\n250 " + std::string(60, 'x') + "\r\n", limits), "none");
}

TEST(ReplyParserTest, ClearForgetsWhatCameInClear) {
  ReplyParser parser;
  parser.Feed("220 go\r\n250-inj");
  ASSERT_NE(*parser.Next(), nullptr);
  EXPECT_EQ(*parser.Next(), nullptr);
  EXPECT_EQ(parser.buffered(), 7U);
  parser.Clear();
  EXPECT_EQ(parser.buffered(), 0U);
  parser.Feed("250 ok\r\n");
  EXPECT_EQ((*parser.Next())->lines, "ok");
}

TEST(ReplyParserTest, BufferedCountsABegunReply) {
  ReplyParser parser;
  parser.Feed("220 go\r\n250-begun\r\n");
  ASSERT_NE(*parser.Next(), nullptr);
  EXPECT_EQ(*parser.Next(), nullptr);
  EXPECT_GT(parser.buffered(), 0U);
}

TEST(ReplyParserTest, RandomBytesNeverBreakIt) {
  std::mt19937 random(3);
  const std::string_view alphabet = "2345 0-\r\n.x\xFF";
  for (int round = 0; round < 20000; ++round) {
    ReplyParser parser;
    for (int feed = 0; feed < 4; ++feed) {
      std::string bytes;
      for (size_t size = random() % 30; size > 0; --size) bytes += alphabet[random() % alphabet.size()];
      parser.Feed(bytes);
      while (true) {
        const absl::StatusOr<const Reply*> reply = parser.Next();
        if (!reply.ok() || *reply == nullptr) break;
        EXPECT_GE((*reply)->code, 200);
        EXPECT_LE((*reply)->code, 599);
      }
    }
  }
}

TEST(ReplyTest, EnhancedCodeMustHaveTheRepliesClass) {
  EXPECT_EQ(One("550 5.1.1 no\r\n").enhanced, (EnhancedCode{5, 1, 1}));
  EXPECT_EQ(One("550 4.1.1 no\r\n").enhanced, std::nullopt);
  EXPECT_EQ(One("250 2.0.0 ok\r\n").enhanced, (EnhancedCode{2, 0, 0}));
  EXPECT_EQ(One("554 4.4.7 expired\r\n").enhanced, std::nullopt);
}

TEST(ReplyTest, MalformedEnhancedCodesAreText) {
  for (const std::string_view text :
       {"5.1", "5.1.", "5..1", "5.1.1.1 listed", "5.1.1st", "5.1234.1", "5.1.1234", "3.1.1", "x5.1.1", "5.1.x"}) {
    EXPECT_EQ(One("550 " + std::string(text) + "\r\n").enhanced, std::nullopt) << text;
  }
  EXPECT_EQ(One("550 5.7.511\r\n").enhanced, (EnhancedCode{5, 7, 511}));
  EXPECT_EQ(One("550 5.1.1<x>: no\r\n").enhanced, (EnhancedCode{5, 1, 1}));
}

TEST(ReplyTest, TextIsOneLineWithoutCodes) {
  const Reply reply = One("550-5.7.26 Unauthenticated email\r\n550-5.7.26 is not accepted\r\n550 5.7.26 here\r\n");
  EXPECT_EQ(reply.Text(), "Unauthenticated email is not accepted here");
  EXPECT_EQ(reply.ToString(), "550 5.7.26 Unauthenticated email is not accepted here");
}

TEST(ReplyTest, ForeignEnhancedCodeStaysInTheText) { EXPECT_EQ(One("554 4.4.7 expired\r\n").Text(), "4.4.7 expired"); }

TEST(ReplyTest, FirstDigitDecides) {
  EXPECT_TRUE(One("299 x\r\n").IsPositive());
  EXPECT_TRUE(One("399 x\r\n").IsIntermediate());
  EXPECT_TRUE(One("499 x\r\n").IsTransient());
  EXPECT_TRUE(One("599 x\r\n").IsPermanent());
}

}  // namespace
}  // namespace sealift::engine
