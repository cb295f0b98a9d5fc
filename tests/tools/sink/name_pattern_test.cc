#include "tools/sink/name_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::tools::sink {
namespace {

using ::testing::ElementsAre;

TEST(NamePatternTest, ARangeIsItsNames) {
  EXPECT_THAT(*ExpandNames("d{9..11}.test", 10), ElementsAre("d9.test", "d10.test", "d11.test"));
  EXPECT_THAT(*ExpandNames("d{08..10}.test", 10), ElementsAre("d08.test", "d09.test", "d10.test"));
  EXPECT_THAT(*ExpandNames("plain.test", 10), ElementsAre("plain.test"));
  EXPECT_THAT(*ExpandNames("{5..5}", 10), ElementsAre("5"));
}

TEST(NamePatternTest, ABrokenOrHugeRangeIsRefused) {
  for (const char* pattern : {"d{1..}", "d{1..2", "d{..2}", "d{2..1}", "d{a..b}", "d{1-2}", "d{}", "d{-1..2}"}) {
    EXPECT_FALSE(ExpandNames(pattern, 10).ok()) << pattern;
  }
  EXPECT_FALSE(ExpandNames("d{1..11}", 10).ok());
  EXPECT_FALSE(ExpandNames("d{0..999999999}", 1'000'000).ok());
  EXPECT_FALSE(ExpandNames("d{0..99999999999999999999999}", 1'000'000).ok());
}

TEST(NamePatternTest, GlobsMatchWholeTexts) {
  EXPECT_TRUE(GlobMatches("bounce*", "bounce"));
  EXPECT_TRUE(GlobMatches("bounce*", "bounce12"));
  EXPECT_FALSE(GlobMatches("bounce*", "abounce"));
  EXPECT_TRUE(GlobMatches("*a*b?", "xxaxxabc"));
  EXPECT_FALSE(GlobMatches("*a*b?", "xxaxxab"));
  EXPECT_TRUE(GlobMatches("*", ""));
  EXPECT_FALSE(GlobMatches("?", ""));
  EXPECT_FALSE(GlobMatches("a", "ab"));
}

TEST(NamePatternTest, ManyStarsDoNotExplode) {
  std::string glob;
  for (int i = 0; i < 50; ++i) glob += "*a";
  EXPECT_FALSE(GlobMatches(glob + "b", std::string(2000, 'a')));
}

}  // namespace
}  // namespace sealift::tools::sink
