#include "tools/sealift/arguments.h"

#include <gtest/gtest.h>

#include "engine/exit_code.h"

namespace sealift::tools {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(TimeArgumentTest, TakesATimeNowAndADistanceFromIt) {
  EXPECT_EQ(*ParseTimeArgument("at", "2027-01-15T08:00:00Z", absl::InfinitePast()), kNow);
  EXPECT_EQ(*ParseTimeArgument("at", "2027-01-15T09:00:00+01:00", absl::InfinitePast()), kNow);
  EXPECT_EQ(*ParseTimeArgument("at", "now", kNow), kNow);
  EXPECT_EQ(*ParseTimeArgument("at", "now+30m", kNow), kNow + absl::Minutes(30));
  EXPECT_EQ(*ParseTimeArgument("at", "now-2h", kNow), kNow - absl::Hours(2));
}

TEST(TimeArgumentTest, WhatIsNoTimeIsUsage) {
  for (const char* text :
       {"", "noon", "now+", "now+soon", "2027-01-15", "infinite-past", "infinite-future", " infinite-future"}) {
    const absl::StatusOr<absl::Time> time = ParseTimeArgument("at", text, kNow);
    EXPECT_EQ(engine::ExitCodeOf(time.status()), engine::ExitCode::kUsage) << text;
  }
}

TEST(PairArgumentTest, SplitsAtTheFirstEqualsSign) {
  EXPECT_EQ(ParsePair("default", "a=b=c")->second, "b=c");
  EXPECT_EQ(ParsePair("default", "a=")->second, "");
  EXPECT_FALSE(ParsePair("default", "a").ok());
  EXPECT_FALSE(ParsePair("default", "=b").ok());
  EXPECT_FALSE(ParsePair("default", "a=\xFF").ok());
}

TEST(CountArgumentTest, IsAWholeNumberWithinItsBounds) {
  EXPECT_EQ(*ParseCount("row", "12", 1, 100), 12);
  for (const char* text : {"0", "101", "1.5", "12x", "", "-1", "99999999999"})
    EXPECT_FALSE(ParseCount("row", text, 1, 100).ok()) << text;
}

}  // namespace
}  // namespace sealift::tools
