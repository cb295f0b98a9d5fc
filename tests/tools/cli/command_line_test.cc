#include "tools/sealift/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Failure Refused(const std::vector<std::string>& words) {
  const absl::StatusOr<Invocation> call = ParseCommandLine(words);
  EXPECT_FALSE(call.ok());
  if (call.ok()) return {};
  EXPECT_EQ(engine::ExitCodeOf(call.status()), engine::ExitCode::kUsage);
  return FailureOf(call.status());
}

TEST(CommandLineTest, ReadsArgumentsFlagsAndGlobalOptionsInAnyOrder) {
  const absl::StatusOr<Invocation> call = ParseCommandLine(
      {"-o", "json", "queue", "retry", "--reason", "a b", "--domain=d1.test", "--socket", "/s", "--dry-run"});
  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_EQ(call->command->Name(), "queue retry");
  EXPECT_EQ(call->Value("reason"), "a b");
  EXPECT_EQ(call->Value("domain"), "d1.test");
  EXPECT_TRUE(call->Has("dry-run"));
  EXPECT_FALSE(call->Has("rate"));
  EXPECT_EQ(call->socket, "/s");
  EXPECT_EQ(call->format, Format::kJson);
}

TEST(CommandLineTest, RepeatableFlagsKeepEachValueAndEatNoArgument) {
  const absl::StatusOr<Invocation> call =
      ParseCommandLine({"campaign", "load", "--default", "a=1", "--default", "b=2", "spring", "--stream", "s",
                        "--template", "t", "--recipients", "-", "--json"});
  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_THAT(call->Values("default"), ElementsAre("a=1", "b=2"));
  EXPECT_THAT(call->arguments, ElementsAre("spring"));
  EXPECT_EQ(call->Value("recipients"), "-");
  EXPECT_EQ(call->format, Format::kJson);
}

TEST(CommandLineTest, ACampaignMayBeCalledLikeAVerb) {
  const absl::StatusOr<Invocation> call = ParseCommandLine({"campaign", "show", "list"});
  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_EQ(call->command->Name(), "campaign show");
  EXPECT_THAT(call->arguments, ElementsAre("list"));
}

TEST(CommandLineTest, AFlagGivenTwiceThatIsNotRepeatableIsRefused) {
  Refused({"queue", "shape", "--domain", "a.test", "--domain", "b.test"});
}

TEST(CommandLineTest, MistypedWordsGetTheNearestOnes) {
  EXPECT_THAT(Refused({"campain", "list"}).next, HasSubstr("sealift campaign"));
  EXPECT_THAT(Refused({"campaign", "lsit"}).next, HasSubstr("sealift campaign list"));
  EXPECT_THAT(Refused({"campaign", "cancel", "x", "--eraze"}).next, HasSubstr("--erase"));
  EXPECT_THAT(Refused({"events", "--outcome", "bounce"}).next, HasSubstr("bounced"));
}

TEST(CommandLineTest, WhatIsMissingIsNamedWithAnExample) {
  EXPECT_THAT(Refused({"campaign", "show"}).what, HasSubstr("NAME is missing"));
  const Failure failure = Refused({"campaign", "load", "spring", "--template", "t", "--recipients", "r"});
  EXPECT_THAT(failure.what, HasSubstr("--stream is missing"));
  EXPECT_THAT(failure.next, HasSubstr("sealift campaign load spring"));
  EXPECT_THAT(Refused({"campaign"}).why, HasSubstr("load"));
  EXPECT_THAT(Refused({"queue", "shape", "extra"}).what, HasSubstr("extra"));
  EXPECT_THAT(Refused({"campaign", "list", "-o", "xml"}).why, HasSubstr("ndjson"));
}

TEST(CommandLineTest, AnUnknownOptionIsNamedRatherThanTheValueBehindIt) {
  EXPECT_THAT(Refused({"campaign", "show", "spring", "--rat", "5"}).what, HasSubstr("--rat"));
}

TEST(CommandLineTest, TheConfigurationComesFromTheFlagThenTheEnvironmentThenTheDefault) {
  unsetenv("SEALIFT_CONFIG");
  EXPECT_EQ(ParseCommandLine({"campaign", "list"})->config, "/etc/sealift/sealift.toml");
  setenv("SEALIFT_CONFIG", "/e.toml", 1);
  EXPECT_EQ(ParseCommandLine({"campaign", "list"})->config, "/e.toml");
  EXPECT_EQ(ParseCommandLine({"campaign", "list", "--config", "/f.toml"})->config, "/f.toml");
  unsetenv("SEALIFT_CONFIG");
}

TEST(CommandLineTest, HelpNeedsNothingThatTheCommandNeeds) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"campaign", "load", "--help"}, {"help", "campaign", "load"}, {"campaign", "load", "-h"}}) {
    const absl::StatusOr<Invocation> call = ParseCommandLine(words);
    ASSERT_TRUE(call.ok()) << call.status();
    EXPECT_TRUE(call->help);
    EXPECT_EQ(call->command->Name(), "campaign load");
  }
}

TEST(CommandLineTest, TheFormatAskedForIsKnownEvenWhenTheRestIsWrong) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"nonsense", "-o", "json"}, {"-ojson", "nonsense"}, {"--output=json", "x"}, {"x", "--json"}}) {
    Format hint = Format::kTable;
    EXPECT_FALSE(ParseCommandLine(words, &hint).ok());
    EXPECT_EQ(hint, Format::kJson) << words[0];
  }
}

TEST(NearestNameTest, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(NearestName("xyzzy", {"campaign", "queue"}), "");
  EXPECT_EQ(NearestName("quue", {"campaign", "queue"}), "queue");
}

}  // namespace
}  // namespace sealift::tools
