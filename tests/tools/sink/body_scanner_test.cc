#include "tools/sink/body_scanner.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sealift::tools::sink {
namespace {

constexpr uint64_t kNoLimit = 1 << 30;

struct Result {
  std::string kept, rest;
  bool done;
  BodyScanner::Flaws flaws;
  uint64_t bytes;
};

// Feeds `wire` in pieces of `step` bytes, or split once at `cut`.
Result Scan(std::string_view wire, size_t step, size_t cut = 0, BodyScanner::Keep keep = BodyScanner::Keep::kAll) {
  BodyScanner scanner;
  scanner.Start(keep, /*dots=*/true, kNoLimit);
  size_t at = 0;
  while (at < wire.size() && !scanner.done()) {
    size_t size = cut > 0 ? (at == 0 ? cut : wire.size() - at) : step;
    size = std::min(size, wire.size() - at);
    at += scanner.Feed({wire.data() + at, size});
  }
  return {scanner.kept(), std::string(wire.substr(at)), scanner.done(), scanner.flaws(), scanner.bytes()};
}

TEST(BodyScannerTest, EndsAtTheFinalDotAndLeavesWhatFollows) {
  const Result result = Scan("Subject: a\r\n\r\nhello\r\n.\r\nMAIL FROM:<>\r\n", 1000);
  EXPECT_TRUE(result.done);
  EXPECT_EQ(result.kept, "Subject: a\r\n\r\nhello\r\n");
  EXPECT_EQ(result.rest, "MAIL FROM:<>\r\n");
  EXPECT_EQ(result.bytes, result.kept.size());
}

TEST(BodyScannerTest, AnEmptyMessageIsALoneDot) {
  const Result result = Scan(".\r\n", 1);
  EXPECT_TRUE(result.done);
  EXPECT_EQ(result.bytes, 0u);
}

TEST(BodyScannerTest, DoubledDotsAreUndoneWhereverTheBytesAreSplit) {
  const std::string wire = "..a\r\n...\r\n\r\n..\r\nb.c\r\n.\r\nQUIT\r\n";
  const std::string message = ".a\r\n..\r\n\r\n.\r\nb.c\r\n";
  for (size_t cut = 1; cut < wire.size(); ++cut) {
    const Result result = Scan(wire, 0, cut);
    EXPECT_TRUE(result.done) << cut;
    EXPECT_EQ(result.kept, message) << cut;
    EXPECT_EQ(result.flaws.unstuffed_dots, 0u) << cut;
    EXPECT_EQ(result.rest, "QUIT\r\n") << cut;
  }
  const Result one_by_one = Scan(wire, 1);
  EXPECT_EQ(one_by_one.kept, message);
  EXPECT_EQ(one_by_one.bytes, message.size());
}

TEST(BodyScannerTest, OnlyCrLfDotCrLfEndsAMessage) {
  for (const std::string_view almost :
       {"a\n.\nb\r\n.\r\n", "a\n.\r\nb\r\n.\r\n", "a\r\n.\nb\r\n.\r\n", "a\r\n.\rb\r\n.\r\n"}) {
    for (size_t step = 1; step < almost.size(); ++step) {
      const Result result = Scan(almost, step);
      EXPECT_TRUE(result.done);
      EXPECT_NE(result.kept.find('b'), std::string::npos) << almost << " in steps of " << step;
      EXPECT_TRUE(result.rest.empty());
    }
  }
}

TEST(BodyScannerTest, BareLineFeedsAndReturnsAreCountedWhereverTheBytesAreSplit) {
  const std::string wire = "a\nb\rc\r\r\nd\r\n\n.\r\n\r\n.\r\n";
  for (size_t cut = 1; cut < wire.size(); ++cut) {
    const Result result = Scan(wire, 0, cut);
    EXPECT_TRUE(result.done) << cut;
    EXPECT_EQ(result.flaws.bare_lf, 2u) << cut;
    EXPECT_EQ(result.flaws.bare_cr, 2u) << cut;
  }
}

TEST(BodyScannerTest, CorrectTextHasNoFlaws) {
  std::string wire(998, 'x');
  wire += "\r\n." + std::string(998, '.') + "\r\nplain\r\n.\r\n";
  for (const size_t step : {size_t{1}, size_t{7}, size_t{100'000}}) {
    const BodyScanner::Flaws flaws = Scan(wire, step).flaws;
    EXPECT_EQ(flaws.bare_lf + flaws.bare_cr + flaws.long_lines + flaws.unstuffed_dots, 0u) << step;
    EXPECT_FALSE(flaws.eight_bit);
  }
}

TEST(BodyScannerTest, LongLinesUndoubledDotsAndEightBitsAreSeen) {
  std::string wire = std::string(999, 'x') + "\r\n.x\r\n\xC3\xA4\r\n.\r\n";
  for (const size_t step : {size_t{1}, size_t{13}, size_t{100'000}}) {
    const Result result = Scan(wire, step);
    EXPECT_EQ(result.flaws.long_lines, 1u) << step;
    EXPECT_EQ(result.flaws.unstuffed_dots, 1u) << step;
    EXPECT_TRUE(result.flaws.eight_bit) << step;
  }
}

TEST(BodyScannerTest, ManyReturnsInOneBufferAreCounted) {  // more than a byte holds
  std::string wire;
  for (int i = 0; i < 1000; ++i) wire += "\r";
  wire += "\r\n.\r\n";
  EXPECT_EQ(Scan(wire, 100'000).flaws.bare_cr, 1000u);
}

TEST(BodyScannerTest, TheHeaderAloneCanBeKept) {
  for (const size_t step : {size_t{1}, size_t{1000}}) {
    const Result result = Scan("A: b\r\nC: d\r\n\r\nbody\r\n\r\n.\r\n", step, 0, BodyScanner::Keep::kHeader);
    EXPECT_EQ(result.kept, "A: b\r\nC: d\r\n\r\n");
    EXPECT_EQ(result.bytes, 22u);
  }
}

TEST(BodyScannerTest, AChunkHasNoDots) {
  BodyScanner scanner;
  scanner.Start(BodyScanner::Keep::kAll, /*dots=*/false, kNoLimit);
  const std::string_view chunk = ".\r\n..x\r\n.\r\n";
  EXPECT_EQ(scanner.Feed({chunk.data(), chunk.size()}), chunk.size());
  EXPECT_FALSE(scanner.done());
  EXPECT_EQ(scanner.kept(), chunk);
}

TEST(BodyScannerTest, WhatIsKeptIsBounded) {
  BodyScanner scanner;
  scanner.Start(BodyScanner::Keep::kAll, /*dots=*/true, 1000);
  const std::string line = std::string(98, 'y') + "\r\n";
  for (int i = 0; i < 1000; ++i) scanner.Feed({line.data(), line.size()});
  EXPECT_EQ(scanner.kept().size(), 1000u);
  EXPECT_EQ(scanner.bytes(), 100'000u);
}

}  // namespace
}  // namespace sealift::tools::sink
