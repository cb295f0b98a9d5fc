#include "engine/message/date.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

TEST(DateTest, IsWrittenInUtc) {
  EXPECT_EQ(FormatDate(absl::FromUnixSeconds(1795297481)), "Sat, 21 Nov 2026 21:44:41 +0000");
  EXPECT_EQ(FormatDate(absl::FromUnixSeconds(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(FormatDate(absl::FromUnixSeconds(951782400)), "Tue, 29 Feb 2000 00:00:00 +0000");
}

TEST(DateTest, FractionsAreCut) {
  EXPECT_EQ(FormatDate(absl::FromUnixMillis(1795297481999)), "Sat, 21 Nov 2026 21:44:41 +0000");
}

TEST(MessageIdTest, HasItsBrackets) { EXPECT_EQ(FormatMessageId("abc", "mta1.example.com"), "<abc@mta1.example.com>"); }

}  // namespace
}  // namespace sealift::engine
