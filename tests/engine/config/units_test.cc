#include "engine/units.h"

#include <gtest/gtest.h>

#include <string>

namespace sealift::engine {
namespace {

TEST(UnitsTest, DurationsAreReadAndWrittenAlike) {
  for (const char* text : {"0s", "30s", "5m", "90m", "2h", "36h", "3d", "400d", "500ms"}) {
    const auto duration = ParseDuration(text);
    ASSERT_TRUE(duration.ok()) << text;
    EXPECT_EQ(*ParseDuration(ToText(*duration)), *duration) << text;
  }
  EXPECT_EQ(ToText(absl::Minutes(90)), "90m");
  EXPECT_EQ(ToText(absl::Hours(72)), "3d");
  EXPECT_EQ(*ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("0"), absl::ZeroDuration());
}

TEST(UnitsTest, BadDurationsAreRefusedWithAnExample) {
  for (const char* text :
       {"", "30", "s", "-5m", "5 m", "5M", "5m5h", "5m5m", "1.5h", "99999999999999999999s", "4000d", "5m ", "5min"}) {
    const auto duration = ParseDuration(text);
    ASSERT_FALSE(duration.ok()) << text;
    EXPECT_NE(std::string(duration.status().message()).find("30s"), std::string::npos);
  }
}

TEST(UnitsTest, RatesHaveACountAndAUnit) {
  EXPECT_EQ(*ParseRate("100/s"), (Rate{100, absl::Seconds(1)}));
  EXPECT_EQ(*ParseRate("20/m"), (Rate{20, absl::Minutes(1)}));
  EXPECT_EQ(*ParseRate("5000/h"), (Rate{5000, absl::Hours(1)}));
  EXPECT_EQ(*ParseRate("7/d"), (Rate{7, absl::Hours(24)}));
  EXPECT_EQ(ToText(*ParseRate("5000/h")), "5000/h");
  EXPECT_DOUBLE_EQ(ParseRate("120/m")->PerSecond(), 2.0);
  for (const char* text : {"", "100", "/s", "-1/s", "1/ms", "1/week", "1.5/s", "100/ s", "9999999999/s", "1/s/s"}) {
    EXPECT_FALSE(ParseRate(text).ok()) << text;
  }
}

TEST(UnitsTest, ARateOfZeroIsRefusedWithWhatToDoInstead) {
  const auto rate = ParseRate("0/s");
  ASSERT_FALSE(rate.ok());
  EXPECT_NE(std::string(rate.status().message()).find("suspend the source"), std::string::npos);
}

TEST(UnitsTest, SizesAreBinary) {
  EXPECT_EQ(ParseSize("64KiB")->bytes, 65536u);
  EXPECT_EQ(ParseSize("512MiB")->bytes, 512u << 20);
  EXPECT_EQ(ParseSize("1000B")->bytes, 1000u);
  EXPECT_EQ(ToText(Size{512u << 20}), "512MiB");
  EXPECT_EQ(*ParseSize(ToText(Size{1000})), Size{1000});
  for (const char* text : {"", "0", "64", "64KB", "-1", "1.5GiB", "99999999999TiB", "9223372036854775807TiB"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(UnitsTest, ADiskFloorIsAShareOrASize) {
  EXPECT_EQ(ParseDiskFloor("5%")->Bytes(1000), 50u);
  EXPECT_EQ(ParseDiskFloor("2GiB")->Bytes(1000), 2ull << 30);
  for (const char* text : {"", "5", "0%", "100%", "-1%", "%", "five%", "nan%", "inf%"}) {
    EXPECT_FALSE(ParseDiskFloor(text).ok()) << text;
  }
}

TEST(UnitsTest, ANumberWithoutAUnitIsToldTheUnits) {
  EXPECT_EQ(
      ParseSize("128").status().message(),
      "\"128\" is not a size (its unit is one of B, KiB, MiB, GiB, TiB); write \"64KiB\", \"512MiB\" or \"2GiB\"");
  EXPECT_EQ(
      ParseDiskFloor("5").status().message(),
      "\"5\" is neither a share of the disk nor a size (its unit is one of %, B, KiB, MiB, GiB, TiB); write \"5%\" or "
      "\"2GiB\"");
  EXPECT_NE(std::string(ParseDiskFloor("12").status().message()).find("write \"12%\""), std::string::npos);
}

// It is read of bounces and connections too.
TEST(UnitsTest, APercentageOutOfRangeIsNotCalledAShareOfTheDisk) {
  EXPECT_EQ(ParseDiskFloor("0%").status().message(),
            "\"0%\" is not a percentage above 0 and below 100; write one, as \"5%\"");
}

TEST(UnitsTest, WhatWasReadIsShownWithoutControlCharacters) {
  const auto rate = ParseRate("1\n\x1b[31m/s");
  ASSERT_FALSE(rate.ok());
  const std::string text(rate.status().message());
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace sealift::engine
