#include "engine/message/dkim_canonical.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sealift::engine {
namespace {

// RFC 6376 3.4.4 as it is written, line by line.
std::string NaiveRelaxedBody(std::string_view body) {
  std::string lines;
  std::string kept;
  while (!body.empty()) {
    const size_t end = std::min(body.find("\r\n"), body.size());
    std::string line;
    for (const char c : body.substr(0, end)) {
      const bool blank = c == ' ' || c == '\t';
      if (blank && line.ends_with(' ')) continue;
      line += blank ? ' ' : c;
    }
    if (line.ends_with(' ')) line.pop_back();
    lines += line + "\r\n";
    if (!line.empty()) kept = lines;
    body.remove_prefix(std::min(end + 2, body.size()));
  }
  return kept;
}

std::string RelaxedField(std::string_view field) {
  std::string relaxed;
  AppendRelaxedField(field, relaxed);
  return relaxed;
}

TEST(DkimCanonicalTest, TheExampleOfRfc6376IsReproduced) {  // 3.4.5
  EXPECT_EQ(RelaxedField("A: X\r\n"), "a:X\r\n");
  EXPECT_EQ(RelaxedField("B : Y\t\r\n\tZ  \r\n"), "b:Y Z\r\n");
  EXPECT_EQ(HashRelaxedBody(" C \r\nD \t E\r\n\r\n\r\n"), HashOf(" C\r\nD E\r\n"));
}

TEST(DkimCanonicalTest, AnEmptyBodyHashesAsNothing) {
  EXPECT_EQ(HashRelaxedBody(""), HashOf(""));
  EXPECT_EQ(HashRelaxedBody("\r\n"), HashOf(""));
  EXPECT_EQ(HashRelaxedBody(" \t\r\n\r\n  \r\n"), HashOf(""));
}

TEST(DkimCanonicalTest, ABodyWithoutALastLineEndGetsOne) { EXPECT_EQ(HashRelaxedBody("a"), HashOf("a\r\n")); }

TEST(DkimCanonicalTest, AnEmptyValueStaysAField) {
  EXPECT_EQ(RelaxedField("Cc: \r\n"), "cc:\r\n");
  EXPECT_EQ(RelaxedField("Subject:a=b: c"), "subject:a=b: c\r\n");
}

TEST(DkimCanonicalTest, WhiteSpaceAcrossTheEdgesOfBlocksIsFolded) {
  for (size_t before = 1000; before < 1050; ++before) {
    for (const std::string white : {" ", "  ", "\t", " \t ", "   \r\n", " \r\n", "\t\r\n  "}) {
      const std::string body = std::string(before, 'x') + white + std::string(2000, 'y') + white + "z\r\n";
      EXPECT_EQ(HashRelaxedBody(body), HashOf(NaiveRelaxedBody(body))) << before << " '" << white << "'";
    }
  }
}

TEST(DkimCanonicalTest, RandomBodiesHashAsTheRuleSays) {
  std::mt19937 random(20261122);
  constexpr std::string_view kPieces[] = {"a", "word", " ", "  ", "\t", "\r\n", "\r\n\r\n", " \r\n", ".", "=20"};
  for (int i = 0; i < 3000; ++i) {
    std::string body;
    const size_t pieces = random() % (i % 10 == 0 ? 3000 : 30);
    for (size_t piece = 0; piece < pieces; ++piece) body += kPieces[random() % std::size(kPieces)];
    ASSERT_EQ(HashRelaxedBody(body), HashOf(NaiveRelaxedBody(body))) << "'" << body << "'";
  }
}

}  // namespace
}  // namespace sealift::engine
