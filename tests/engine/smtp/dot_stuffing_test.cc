#include "engine/smtp/dot_stuffing.h"

#include <gtest/gtest.h>

#include <random>

namespace sealift::engine {
namespace {

std::string Stuffed(std::string_view message) {
  std::string wire;
  AppendDotStuffed(message, wire);
  return wire;
}

// What a server makes of the wire: RFC 5321 4.5.2, the other way round.
std::string Unstuffed(std::string_view wire) {
  std::string message;
  while (true) {
    const size_t end = wire.find("\r\n");
    EXPECT_NE(end, std::string_view::npos);
    std::string_view line = wire.substr(0, end);
    wire.remove_prefix(end + 2);
    if (line == ".") {
      EXPECT_TRUE(wire.empty()) << "bytes after the terminator";
      return message;
    }
    if (line.starts_with('.')) line.remove_prefix(1);
    message.append(line).append("\r\n");
  }
}

TEST(DotStuffingTest, LeadingDotsAreDoubledAndOthersAreNot) {
  EXPECT_EQ(Stuffed("a.b\r\n.c\r\n..d\r\ne.\r\n"), "a.b\r\n..c\r\n...d\r\ne.\r\n.\r\n");
}

TEST(DotStuffingTest, FirstLineMayBeginWithADot) { EXPECT_EQ(Stuffed(".\r\n"), "..\r\n.\r\n"); }

TEST(DotStuffingTest, LastLineIsEnded) {
  EXPECT_EQ(Stuffed("a"), "a\r\n.\r\n");
  EXPECT_EQ(Stuffed("a\r"), "a\r\n.\r\n");
  EXPECT_EQ(Stuffed("a\r\n"), "a\r\n.\r\n");
}

TEST(DotStuffingTest, EmptyMessageIsOnlyATerminator) { EXPECT_EQ(Stuffed(""), ".\r\n"); }

TEST(DotStuffingTest, AppendsToWhatIsThere) {
  std::string wire = "DATA";
  AppendDotStuffed("x\r\n", wire);
  EXPECT_EQ(wire, "DATAx\r\n.\r\n");
}

TEST(DotStuffingTest, ChunksMakeNoDifferenceAndTheServerGetsTheMessage) {
  std::mt19937 random(4);
  const std::string_view pieces[] = {".", "..", "\r\n", "x", ".\r\n", "\r\n.\r\n", "abc."};
  for (int round = 0; round < 5000; ++round) {
    std::string message;
    for (size_t count = random() % 12; count > 0; --count) message += pieces[random() % std::size(pieces)];
    message += "\r\n";
    DotStuffer stuffer;
    std::string wire;
    for (size_t at = 0; at < message.size();) {
      const size_t size = std::min<size_t>(random() % 4, message.size() - at);
      stuffer.Append(std::string_view(message).substr(at, size), wire);
      at += size;
    }
    stuffer.Finish(wire);
    EXPECT_EQ(wire, Stuffed(message));
    EXPECT_EQ(Unstuffed(wire), message);
  }
}

}  // namespace
}  // namespace sealift::engine
