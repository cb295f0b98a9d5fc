#include "dns/mta_sts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Mode = StsPolicy::Mode;

constexpr char kGood[] =
    "version: STSv1\r\nmode: enforce\r\nmx: MAIL.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\n"
    "max_age: 604800\r\n";

std::string Refusal(const std::string& text) {
  const absl::StatusOr<StsPolicy> policy = StsPolicy::Parse(text);
  EXPECT_FALSE(policy.ok()) << text;
  return std::string(policy.status().message());
}

TEST(StsPolicyTest, ThePolicyOfTheStandardIsRead) {
  const absl::StatusOr<StsPolicy> policy = StsPolicy::Parse(kGood);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->mode, Mode::kEnforce);
  EXPECT_THAT(policy->mx, ElementsAre("mail.example.com", "*.example.net", "backupmx.example.com"));
  EXPECT_EQ(policy->max_age, absl::Hours(24 * 7));
  EXPECT_EQ(policy->text, kGood);
}

TEST(StsPolicyTest, LinesMayEndWithLfAndFieldsStandInAnyOrder) {
  const absl::StatusOr<StsPolicy> policy =
      StsPolicy::Parse("max_age:86400\nmx:a.test\n\nx-new: thing\nmode:\ttesting \nversion:STSv1");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->mode, Mode::kTesting);
  EXPECT_EQ(policy->max_age, absl::Hours(24));
}

TEST(StsPolicyTest, OfAFieldThatStandsTwiceTheFirstCounts) {
  const absl::StatusOr<StsPolicy> policy = StsPolicy::Parse(
      "version: STSv1\nversion: STSv2\nmode: enforce\nmode: none\nmax_age: 1\nmax_age: 2\nmx: a.test\n");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->mode, Mode::kEnforce);
  EXPECT_EQ(policy->max_age, absl::Seconds(1));
}

TEST(StsPolicyTest, AnAgeBeyondTheLongestIsTheLongest) {
  EXPECT_EQ(StsPolicy::Parse("version: STSv1\nmode: none\nmax_age: 9999999999\n")->max_age, StsPolicy::kMaxAgeMax);
  EXPECT_EQ(StsPolicy::Parse("version: STSv1\nmode: none\nmax_age: 0\n")->max_age, absl::ZeroDuration());
}

TEST(StsPolicyTest, WhatIsNoPolicyIsRefused) {
  const std::string rest = "mode: enforce\nmx: a.test\nmax_age: 60\n";
  EXPECT_THAT(Refusal(""), HasSubstr("version"));
  EXPECT_THAT(Refusal(rest), HasSubstr("version"));
  EXPECT_THAT(Refusal("version: STSv2\n" + rest), HasSubstr("version"));
  EXPECT_THAT(Refusal("version: STSv1\nmx: a.test\nmax_age: 60\n"), HasSubstr("mode"));
  EXPECT_THAT(Refusal("version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 60\n"), HasSubstr("mode"));
  EXPECT_THAT(Refusal("version: STSv1\nmode: enforce\nmx: a.test\n"), HasSubstr("max_age"));
  for (const char* age : {"-1", "1d", "", "60 seconds", "12345678901"}) {
    EXPECT_THAT(Refusal(std::string("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: ") + age),
                HasSubstr("max_age"));
  }
  EXPECT_THAT(Refusal("version: STSv1\nmode: enforce\nmax_age: 60\n"), HasSubstr("names no host"));
  for (const char* mx : {"*", "*.", "a.*.test", "*a.test", "192.0.2.1", "a..test", "b\xc3\xbc.test"}) {
    EXPECT_THAT(Refusal(std::string("version: STSv1\nmode: enforce\nmax_age: 60\nmx: ") + mx),
                HasSubstr("no host name"));
  }
  EXPECT_THAT(Refusal("<html>404</html>"), HasSubstr("no field"));
  EXPECT_THAT(Refusal("version: STSv1\n" + rest + std::string(StsPolicy::kTextBytesMax, '\n')), HasSubstr("too long"));
  std::string many = "version: STSv1\n" + rest;
  for (int i = 0; i < 100; ++i) many += "mx: a.test\n";
  EXPECT_THAT(Refusal(many), HasSubstr("too many"));
}

TEST(StsPolicyTest, AWildcardIsOneLeftMostLabel) {
  const StsPolicy policy = *StsPolicy::Parse(kGood);
  EXPECT_TRUE(policy.Admits("mail.example.com"));
  EXPECT_TRUE(policy.Admits("mx7.example.net"));
  EXPECT_FALSE(policy.Admits("a.mx7.example.net"));
  EXPECT_FALSE(policy.Admits("example.net"));
  EXPECT_FALSE(policy.Admits(".example.net"));
  EXPECT_FALSE(policy.Admits("mail.example.com.evil.test"));
  EXPECT_FALSE(policy.Admits("mx7example.net"));
  EXPECT_FALSE(policy.Admits(""));
}

TEST(StsIdTest, OneRecordHasAnId) {
  const auto id = [](std::vector<std::string> texts) { return StsId(texts); };
  EXPECT_EQ(id({"v=STSv1; id=20160831085700Z;"}), "20160831085700Z");
  EXPECT_EQ(id({"v=spf1 -all", "v=STSv1;id=7"}), "7");
  EXPECT_EQ(id({"v=STSv1 ; x=y; id = a1 ;"}), "a1");
  EXPECT_EQ(id({}), std::nullopt);
  EXPECT_EQ(id({"v=spf1 -all"}), std::nullopt);
  EXPECT_EQ(id({"v=STSv1; id=1", "v=STSv1; id=1"}), std::nullopt) << "two records are none";
  EXPECT_EQ(id({"v=STSv10; id=1"}), std::nullopt);
  EXPECT_EQ(id({"v=STSv1; id="}), std::nullopt);
  EXPECT_EQ(id({"v=STSv1; id=a-b"}), std::nullopt);
  EXPECT_EQ(id({"v=STSv1; id=" + std::string(33, '1')}), std::nullopt);
  EXPECT_EQ(id({"id=1; v=STSv1"}), std::nullopt);
}

}  // namespace
}  // namespace sealift::dns
