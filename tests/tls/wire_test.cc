#include "tls/wire.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

namespace sealift::tls {
namespace {

std::string Text(std::span<const char> bytes) { return {bytes.begin(), bytes.end()}; }

TEST(WireTest, ASpanBeingSentStaysWhileMoreIsWritten) {
  Wire wire;
  wire.set_asked(true);
  ASSERT_TRUE(wire.Append(std::string("first")));
  const std::span<const char> sending = wire.Outgoing();
  ASSERT_TRUE(wire.Append(std::string(100'000, 'x')));
  EXPECT_EQ(Text(sending), "first");
  EXPECT_EQ(wire.Outgoing().data(), sending.data());
  wire.Consume(2);
  EXPECT_EQ(Text(wire.Outgoing()), "rst");
  wire.Consume(3);
  EXPECT_EQ(wire.Outgoing().size(), 100'000u);
}

TEST(WireTest, WhatNobodyAskedForIsBoundedUntilItIsSent) {
  Wire wire;
  const std::string chunk(1024, 'x');
  for (size_t i = 0; i < Wire::kUnaskedMax / chunk.size(); ++i) ASSERT_TRUE(wire.Append(chunk));
  EXPECT_FALSE(wire.Append(chunk));
  wire.set_asked(true);
  EXPECT_TRUE(wire.Append(chunk));  // the caller's own is not bounded here
  while (!wire.Outgoing().empty()) wire.Consume(wire.Outgoing().size());
  wire.set_asked(false);
  EXPECT_TRUE(wire.Append(chunk));
}

TEST(WireTest, BytesArriveInOrderWhateverTheSteps) {
  std::mt19937 random(7);
  Wire wire;
  std::string fed, taken;
  char next = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 97, ' ');
    for (char& byte : bytes) byte = next++;
    wire.Feed(bytes);
    fed += bytes;
    std::array<char, 128> into;
    const size_t size = wire.Take(std::span(into).first(random() % into.size()));
    taken.append(into.data(), size);
    ASSERT_EQ(wire.incoming(), fed.size() - taken.size());
  }
  std::string rest(wire.incoming(), ' ');
  ASSERT_EQ(wire.Take(rest), rest.size());
  EXPECT_EQ(taken + rest, fed);
}

}  // namespace
}  // namespace sealift::tls
