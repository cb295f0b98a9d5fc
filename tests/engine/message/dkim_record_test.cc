#include "engine/message/dkim_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/message/dkim_keys.h"

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kEd25519 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

DkimRecordFinding Found(const std::vector<std::string>& texts) {
  return CompareDkimRecord(ParsedKey(kRfc8463Ed25519), texts);
}
DkimRecordState StateOf(const std::string& text) { return Found({text}).state; }

TEST(DkimRecordTest, WhatIsPrintedMatches) {
  const DkimKey rsa = ParsedKey(kRfc8463Rsa);
  EXPECT_EQ(DkimRecordText(ParsedKey(kRfc8463Ed25519)), "v=DKIM1; k=ed25519; p=" + std::string(kEd25519));
  EXPECT_EQ(CompareDkimRecord(rsa, {DkimRecordText(rsa)}).state, DkimRecordState::kMatches);
  EXPECT_EQ(DkimRecordName("s1", "example.com"), "s1._domainkey.example.com");
}

TEST(DkimRecordTest, ALongRecordIsSplitIntoStringsOf255Bytes) {
  const absl::StatusOr<DkimKey> key = DkimKey::Generate(DkimAlgorithm::kRsaSha256, 2048);
  const std::string text = DkimRecordText(*key);
  const std::vector<std::string> strings = DkimRecordStrings(text);
  ASSERT_EQ(strings.size(), 2U);
  EXPECT_EQ(strings[0].size(), 255U);
  EXPECT_EQ(strings[0] + strings[1], text);
}

TEST(DkimRecordTest, SpacesDefaultsAndOtherTagsDoNotMatter) {
  const std::string p(kEd25519);
  EXPECT_EQ(StateOf("k=ed25519;p=" + p), DkimRecordState::kMatches);
  EXPECT_EQ(
      StateOf("v=DKIM1 ; k=ed25519 ; n=a note; h=sha1:sha256; s=email; p=" + p.substr(0, 9) + " " + p.substr(9) + ";"),
      DkimRecordState::kMatches);
  const DkimKey rsa = ParsedKey(kRfc8463Rsa);
  EXPECT_EQ(CompareDkimRecord(rsa, {"p=" + rsa.public_key()}).state, DkimRecordState::kMatches)
      << "k= is rsa by default";
}

TEST(DkimRecordTest, TestingIsToldBesideAMatch) {
  const DkimRecordFinding found = Found({"v=DKIM1; k=ed25519; t=y:s; p=" + std::string(kEd25519)});
  EXPECT_EQ(found.state, DkimRecordState::kMatches);
  EXPECT_TRUE(found.testing);
}

TEST(DkimRecordTest, WhatDiffersIsSaid) {
  const std::string p(kEd25519);
  EXPECT_THAT(Found({"v=DKIM1; k=ed25519; p=AAAA"}).why, HasSubstr("another ed25519 key"));
  EXPECT_THAT(Found({"v=DKIM1; p=" + p}).why, HasSubstr("another type"));
  EXPECT_THAT(Found({"k=ed25519; h=sha1; p=" + p}).why, HasSubstr("h="));
  EXPECT_THAT(Found({"k=ed25519; s=tlsrpt; p=" + p}).why, HasSubstr("s="));
  for (const std::string text : {"v=DKIM1; k=ed25519; p=AAAA", "k=ed25519; p=not base64!"})
    EXPECT_EQ(StateOf(text), DkimRecordState::kDiffers) << text;
}

TEST(DkimRecordTest, AnEmptyKeyIsRevoked) {
  EXPECT_EQ(StateOf("v=DKIM1; k=ed25519; p="), DkimRecordState::kRevoked);
  EXPECT_EQ(StateOf("v=DKIM1; p="), DkimRecordState::kRevoked);
}

TEST(DkimRecordTest, WhatIsNoRecordIsUnclearAndIsNotRepeated) {
  for (const std::string text :
       {"", "hello", "v=spf1 -all", "v=DKIM2; p=AAAA", "p=AAAA; v=DKIM1", "p=a; p=b", "v=DKIM1; k=rsa"}) {
    const DkimRecordFinding found = Found({text});
    EXPECT_EQ(found.state, DkimRecordState::kUnclear) << text;
    EXPECT_THAT(found.why, Not(HasSubstr("spf1")));
  }
  EXPECT_THAT(Found({"v=DKIM1; k=ed25519; p=" + std::string(kEd25519), "other"}).why, HasSubstr("2 TXT records"));
}

}  // namespace
}  // namespace sealift::engine
