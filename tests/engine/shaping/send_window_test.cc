#include "engine/shaping/send_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

SendWindow Window(const std::vector<std::string>& days, std::string_view from, std::string_view to,
                  const std::string& tz = "America/New_York") {
  const absl::StatusOr<SendWindow> window = SendWindow::Of(days, from, to, tz);
  EXPECT_TRUE(window.ok()) << window.status();
  return *window;
}

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_sec, text, &time, &error)) << text << ": " << error;
  return time;
}

TEST(SendWindowTest, IsOpenByTheClockOnTheWall) {
  const SendWindow window = Window({"mon", "tue", "wed", "thu", "fri"}, "08:00", "20:00");
  EXPECT_EQ(window.Describe(), "mon-fri 08:00 to 20:00 America/New_York");
  EXPECT_FALSE(window.IsOpen(At("2026-01-14T07:59:59-05:00")));
  EXPECT_TRUE(window.IsOpen(At("2026-01-14T08:00:00-05:00")));
  EXPECT_TRUE(window.IsOpen(At("2026-01-14T19:59:59-05:00")));
  EXPECT_FALSE(window.IsOpen(At("2026-01-14T20:00:00-05:00")));
  EXPECT_TRUE(window.IsOpen(At("2026-07-15T12:00:00Z"))) << "08:00 in summer";
  EXPECT_FALSE(window.IsOpen(At("2026-01-14T12:00:00Z"))) << "07:00 in winter";
  EXPECT_FALSE(window.IsOpen(At("2026-01-17T12:00:00-05:00"))) << "a Saturday";
}

TEST(SendWindowTest, SaysUntilWhenNothingChanges) {
  const SendWindow window = Window({"mon", "tue", "wed", "thu", "fri"}, "08:00", "20:00");
  const SendWindow::Span friday = window.At(At("2026-01-16T09:30:00-05:00"));
  EXPECT_TRUE(friday.open);
  EXPECT_EQ(friday.until, At("2026-01-16T20:00:00-05:00"));
  const SendWindow::Span weekend = window.At(friday.until);
  EXPECT_FALSE(weekend.open);
  EXPECT_EQ(weekend.until, At("2026-01-19T08:00:00-05:00")) << "Monday";
  EXPECT_TRUE(weekend.Has(At("2026-01-18T00:00:00Z")));
  EXPECT_FALSE(weekend.Has(weekend.until));
}

TEST(SendWindowTest, OverMidnightBelongsToTheDayOnWhichItBegins) {
  const SendWindow window = Window({"fri"}, "22:00", "06:00", "UTC");
  EXPECT_FALSE(window.IsOpen(At("2026-01-16T03:00:00Z"))) << "Thursday's night";
  EXPECT_TRUE(window.IsOpen(At("2026-01-16T23:00:00Z")));
  EXPECT_TRUE(window.IsOpen(At("2026-01-17T05:59:59Z")));
  EXPECT_FALSE(window.IsOpen(At("2026-01-17T06:00:00Z")));
  EXPECT_EQ(window.At(At("2026-01-17T01:00:00Z")).until, At("2026-01-17T06:00:00Z"));
  EXPECT_EQ(window.At(At("2026-01-17T06:00:00Z")).until, At("2026-01-23T22:00:00Z"));
}

TEST(SendWindowTest, AWholeDayHasNoSeamAtMidnight) {
  const SendWindow days = Window({"sat", "sun"}, "00:00", "24:00", "UTC");
  EXPECT_EQ(days.At(At("2026-01-17T12:00:00Z")).until, At("2026-01-19T00:00:00Z"));
  const SendWindow always = Window({}, "00:00", "24:00", "UTC");
  EXPECT_EQ(always.At(At("2026-01-17T12:00:00Z")).until, absl::InfiniteFuture());
}

// 2026-03-08 02:00 is 03:00 in New York.
TEST(SendWindowTest, AnHourThatIsSkippedIsNotThere) {
  const SendWindow night = Window({}, "01:00", "02:30");
  EXPECT_TRUE(night.IsOpen(At("2026-03-08T01:59:59-05:00")));
  EXPECT_FALSE(night.IsOpen(At("2026-03-08T03:00:00-04:00")));
  EXPECT_EQ(night.At(At("2026-03-08T01:30:00-05:00")).until, At("2026-03-08T03:00:00-04:00"));
  const SendWindow from = Window({}, "02:30", "05:00");
  EXPECT_EQ(from.At(At("2026-03-08T00:00:00-05:00")).until, At("2026-03-08T03:00:00-04:00"))
      << "the wall is past 02:30";
  const SendWindow skipped = Window({"sun"}, "02:00", "02:30");
  EXPECT_EQ(skipped.At(At("2026-03-08T00:00:00-05:00")).until, At("2026-03-15T02:00:00-04:00"));
}

// 2026-11-01 02:00 is 01:00 again in New York.
TEST(SendWindowTest, AnHourThatComesTwiceIsOpenOrClosedBothTimes) {
  const SendWindow until = Window({}, "00:00", "01:30");
  EXPECT_EQ(until.At(At("2026-11-01T00:30:00-04:00")).until, At("2026-11-01T01:30:00-04:00"));
  EXPECT_EQ(until.At(At("2026-11-01T01:30:00-04:00")).until, At("2026-11-01T01:00:00-05:00")) << "it is 01:00 again";
  EXPECT_EQ(until.At(At("2026-11-01T01:00:00-05:00")).until, At("2026-11-01T01:30:00-05:00"));
  const SendWindow from = Window({}, "01:30", "05:00");
  EXPECT_TRUE(from.IsOpen(At("2026-11-01T01:45:00-04:00")));
  EXPECT_FALSE(from.IsOpen(At("2026-11-01T01:15:00-05:00")));
  EXPECT_TRUE(from.IsOpen(At("2026-11-01T01:45:00-05:00")));
}

TEST(SendWindowTest, SpansFollowEachOtherWithoutAGapForAYear) {
  for (const char* tz : {"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"}) {
    const SendWindow window = Window({"mon", "wed", "sun"}, "01:45", "02:15", tz);
    absl::Time at = At("2026-01-01T00:00:00Z");
    while (at < At("2027-01-01T00:00:00Z")) {
      const SendWindow::Span span = window.At(at);
      ASSERT_GT(span.until, at) << tz;
      ASSERT_EQ(window.IsOpen(at), span.open) << tz << " " << at;
      ASSERT_EQ(window.IsOpen(span.until - absl::Seconds(1)), span.open) << tz << " " << span.until;
      ASSERT_NE(window.IsOpen(span.until), span.open) << tz << " " << span.until;
      for (absl::Time between = at; between < span.until; between += absl::Minutes(7)) {
        ASSERT_EQ(window.IsOpen(between), span.open) << tz << " " << between;
      }
      at = span.until;
    }
  }
}

TEST(SendWindowTest, CountsOnlyTheTimeInWhichItIsOpen) {
  const SendWindow window = Window({"mon", "tue", "wed", "thu", "fri"}, "08:00", "20:00", "UTC");
  const absl::Time friday = At("2026-01-16T18:00:00Z");
  EXPECT_EQ(window.After(friday, absl::Hours(2)), At("2026-01-16T20:00:00Z"));
  EXPECT_EQ(window.After(friday, absl::Hours(3)), At("2026-01-19T09:00:00Z"));
  EXPECT_EQ(window.After(At("2026-01-17T00:00:00Z"), absl::ZeroDuration()), At("2026-01-19T08:00:00Z"));
  EXPECT_EQ(Window({}, "00:00", "24:00", "UTC").After(friday, absl::Hours(300)), friday + absl::Hours(300));
}

TEST(SendWindowTest, WhatIsNoWindowIsRefusedWithTheKeyInFront) {
  const auto refused = [](const std::vector<std::string>& days, std::string_view from, std::string_view to,
                          const std::string& tz) {
    return std::string(SendWindow::Of(days, from, to, tz).status().message());
  };
  EXPECT_THAT(refused({"monday"}, "08:00", "20:00", "UTC"), StartsWith("`days`"));
  EXPECT_THAT(refused({}, "8:00", "20:00", "UTC"), StartsWith("`from`"));
  EXPECT_THAT(refused({}, "24:00", "20:00", "UTC"), StartsWith("`from`"));
  EXPECT_THAT(refused({}, "08:00", "24:01", "UTC"), StartsWith("`to`"));
  EXPECT_THAT(refused({}, "08:60", "20:00", "UTC"), StartsWith("`from`"));
  EXPECT_THAT(refused({}, "08:00", "08:00", "UTC"), HasSubstr("never open"));
  EXPECT_THAT(refused({}, "08:00", "20:00", "Mars/Olympus"), StartsWith("`tz`"));
}

}  // namespace
}  // namespace sealift::engine
