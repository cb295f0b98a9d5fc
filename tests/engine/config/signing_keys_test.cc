#include "engine/signing_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sealift::engine {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SigningKeysTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "sealift-keys-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    options_.streams.push_back({.name = "news", .dkim = {"d1.test"}});
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  static std::string Pem(DkimAlgorithm algorithm = DkimAlgorithm::kEd25519Sha256, int bits = 2048) {
    return *DkimKey::Generate(algorithm, bits)->ToPem();
  }
  void Add(const std::string& selector, const std::string& pem, const std::string& domain = "d1.test") {
    options_.dkim.push_back({.domain = domain, .selector = selector, .key_file = Write(selector + ".pem", pem)});
  }
  std::string Error() const { return std::string(SigningKeys::Load(options_).status().message()); }
  // What the stream's signatures are made with.
  std::vector<std::string> Selectors(const std::string& stream = "news") const {
    std::vector<std::string> selectors;
    const auto keys = SigningKeys::Load(options_);
    EXPECT_TRUE(keys.ok()) << keys.status();
    const auto signer = (*keys)->SignerOf(stream);
    if (signer == nullptr) return {"unsigned"};
    for (const DkimIdentity& identity : signer->identities()) selectors.push_back(identity.selector);
    return selectors;
  }

  std::string folder_;
  Options options_;
};

TEST_F(SigningKeysTest, TheFirstOfEachAlgorithmSignsAndTheOthersStandBy) {
  Add("r1", Pem(DkimAlgorithm::kRsaSha256));
  Add("e1", Pem());
  Add("e2", Pem());
  Add("r2", Pem(DkimAlgorithm::kRsaSha256));
  Add("other", Pem(), "d2.test");
  options_.streams.push_back({.name = "both", .dkim = {"d2.test", "d1.test"}});
  options_.streams.push_back({.name = "plain"});
  EXPECT_THAT(Selectors(), ElementsAre("r1", "e1"));
  EXPECT_THAT(Selectors("both"), ElementsAre("other", "r1", "e1"));
  EXPECT_THAT(Selectors("plain"), ElementsAre("unsigned"));
  const auto keys = *SigningKeys::Load(options_);
  ASSERT_EQ(keys->entries().size(), 5U);
  EXPECT_FALSE(keys->entries()[2].signs);
  EXPECT_FALSE(keys->entries()[3].signs);
}

TEST_F(SigningKeysTest, AKeyThatOthersCanReadIsRefused) {
  for (const mode_t mode : {0640, 0604, 0660, 0644, 0700}) {
    options_.dkim = {
        {.domain = "d1.test", .selector = "s", .key_file = Write("k" + std::to_string(mode), Pem(), mode)}};
    EXPECT_THAT(Error(), AllOf(HasSubstr("dkim[0].key_file, set at"), HasSubstr("chmod 0600"))) << std::oct << mode;
  }
  options_.dkim[0].key_file = Write("readonly", Pem(), 0400);
  EXPECT_EQ(Error(), "");
}

TEST_F(SigningKeysTest, WhatIsNoKeyFileIsRefusedWithWhatToDo) {
  options_.dkim = {{.domain = "d1.test", .selector = "s", .key_file = folder_ + "/absent"}};
  EXPECT_THAT(Error(), AllOf(HasSubstr("does not exist"), HasSubstr("sealift dkim generate")));
  options_.dkim[0].key_file = folder_;
  EXPECT_THAT(Error(), HasSubstr("not a regular file"));
  ASSERT_EQ(symlink(Write("real", Pem()).c_str(), (folder_ + "/link").c_str()), 0);
  options_.dkim[0].key_file = folder_ + "/link";
  EXPECT_THAT(Error(), HasSubstr("symbolic link"));
  options_.dkim[0].key_file = Write("text", "not a key");
  EXPECT_THAT(Error(), HasSubstr("no private key in PEM"));
  options_.dkim[0].key_file = Write("long", std::string(20'000, 'a'));
  EXPECT_THAT(Error(), HasSubstr("more than 16384 bytes"));
}

TEST_F(SigningKeysTest, RsaIsNeitherTooShortNorTooLong) {
  Add("short", Pem(DkimAlgorithm::kRsaSha256, 1024));
  EXPECT_THAT(Error(), AllOf(HasSubstr("short._domainkey.d1.test"), HasSubstr("1024 bits"), HasSubstr("RFC 8301"),
                             HasSubstr("sealift dkim generate")));
}

TEST_F(SigningKeysTest, AnotherKeyUnderTheSameSelectorIsTold) {
  Add("s1", Pem());
  Add("s2", Pem());
  const auto before = *SigningKeys::Load(options_);
  EXPECT_THAT(ReplacedKeys(*before, *before), IsEmpty());
  Write("s2.pem", Pem());
  Add("s3", Pem());
  EXPECT_THAT(ReplacedKeys(*before, **SigningKeys::Load(options_)), ElementsAre(HasSubstr("s2._domainkey.d1.test: ")));
}

}  // namespace
}  // namespace sealift::engine
