#include "engine/log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <sstream>
#include <string>

namespace sealift::engine {
namespace {

TEST(LogTest, FieldsFollowTheSentence) {
  EXPECT_EQ(FormatLogLine("campaign started",
                          {{"campaign", "march"}, {"rows", 12}, {"sink", true}, {"in", absl::Seconds(90)}}),
            "campaign started campaign=march rows=12 sink=true in=90s");
  EXPECT_EQ(FormatLogLine("store closed", {{"status", absl::DataLossError("a bad block")}}),
            "store closed status=\"a bad block\"");
}

TEST(LogTest, AValueCannotForgeAFieldOrALine) {
  EXPECT_EQ(FormatLogLine("x", {{"reply", "ok user=root"}}), "x reply=\"ok user=root\"");
  EXPECT_EQ(FormatLogLine("x", {{"reply", "a\nready"}}), "x reply=\"a\\nready\"");
  EXPECT_EQ(FormatLogLine("x", {{"reply", "a\" user=\"root"}}), "x reply=\"a\\\" user=\\\"root\"");
  EXPECT_EQ(FormatLogLine("x", {{"reply", "\x1b[31m"}}), "x reply=\"\\x1b[31m\"");
  EXPECT_EQ(FormatLogLine("x", {{"reply", ""}}), "x reply=\"\"");
  EXPECT_LT(FormatLogLine("x", {{"reply", std::string(100'000, 'a')}}).size(), 3'000u);
}

TEST(LogTest, APrivateValuePrintsAsRedactedEverywhere) {
  const Private<std::string> recipient(std::string("pat@d1.test"));
  EXPECT_EQ(fmt::format("{}", recipient), "[redacted]");
  std::ostringstream out;
  out << recipient;
  EXPECT_EQ(out.str(), "[redacted]");
  EXPECT_EQ(FormatLogLine("x", {{"to", recipient}}), "x to=[redacted]");
  EXPECT_EQ(recipient.Reveal(), "pat@d1.test");
}

TEST(LogTest, WhatIsBeneathTheLevelIsNotWritten) {
  setenv("JOURNAL_STREAM", "1:2", 1);  // inherited; stderr goes elsewhere since
  testing::internal::CaptureStderr();
  SetLogLevel(LogLevel::kWarning);
  LogInfo("quiet");
  LogWarning("loud", {{"n", 1}});
  SetLogLevel(LogLevel::kInfo);
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("quiet"), std::string::npos);
  EXPECT_NE(written.find(" warning loud n=1\n"), std::string::npos) << "there it has its time and level";
}

}  // namespace
}  // namespace sealift::engine
