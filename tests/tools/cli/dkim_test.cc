// dkim generate, and what dkim check says before it asks the DNS. tests/scenario has the rest, with a real name server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tools/sealift/files.h"
#include "tools/sealift/run.h"

namespace sealift::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class DkimTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/sealift-cli-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    file_ = directory_ + "/s1.pem";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  int RunWords(const std::vector<std::string>& words) {
    out_.str("");
    err_.str("");
    std::istringstream in;
    Console console(out_, err_, in, {});
    return RunSealift(words, console);
  }
  std::string WriteConfig(const std::string& more) {
    const std::string path = directory_ + "/c.toml";
    std::ofstream(path)
        << "[node]\nhostname = \"mta1.d1.test\"\n[dns]\nservers = [\"127.0.0.1:1\"]\ntries = 1\ntimeout = "
           "\"50ms\"\n"
        << more;
    return path;
  }

  std::string directory_, file_;
  std::ostringstream out_, err_;
};

TEST_F(DkimTest, GenerateWritesAPrivateFileOnceAndPrintsItsRecord) {
  ASSERT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test", "--selector", "s1"}), 0) << err_.str();
  struct stat about{};
  ASSERT_EQ(stat(file_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_THAT(out_.str(), HasSubstr("s1._domainkey.d1.test. IN TXT ( \"v=DKIM1; k=rsa; p="));
  EXPECT_THAT(out_.str(),
              HasSubstr("[[dkim]]\ndomain = \"d1.test\"\nselector = \"s1\"\nkey_file = \"" + file_ + "\"\n"));
  const absl::StatusOr<std::string> before = ReadWholeFile(file_, "key");
  EXPECT_THAT(*before, StartsWith("-----BEGIN PRIVATE KEY-----"));
  EXPECT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test", "--selector", "s1"}), 73);
  EXPECT_EQ(*ReadWholeFile(file_, "key"), *before);
}

TEST_F(DkimTest, AScriptFindsTheRecordInStringsThatFit) {
  ASSERT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test", "--selector", "s1", "-o", "json"}), 0);
  const json answer = json::parse(out_.str());
  EXPECT_EQ(answer["name"], "s1._domainkey.d1.test");
  EXPECT_EQ(answer["algorithm"], "rsa-sha256");
  EXPECT_EQ(answer["bits"], 2048);
  std::string joined;
  for (const json& string : answer["strings"]) {
    EXPECT_LE(string.get<std::string>().size(), 255U);
    joined += string.get<std::string>();
  }
  EXPECT_EQ(answer["text"], joined);
  EXPECT_GT(answer["strings"].size(), 1U);
}

TEST_F(DkimTest, AnEd25519KeyHasAShortRecord) {
  ASSERT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test", "--selector", "e1", "--algorithm", "ed25519",
                      "-o", "json"}),
            0);
  const json answer = json::parse(out_.str());
  EXPECT_THAT(answer["text"].get<std::string>(), MatchesRegex("v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}="));
}

TEST_F(DkimTest, WhatIsNoNameOfTheDnsMakesNoKey) {
  for (const std::string selector : {"", "s 1", "s\"1", "a..b"}) {
    EXPECT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test", "--selector", selector}), 64) << selector;
  }
  EXPECT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test\n[x]", "--selector", "s1"}), 64);
  EXPECT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test", "--selector", "s1", "--bits", "1024"}), 64);
  EXPECT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test", "--selector", "s1", "--bits", "2048",
                      "--algorithm", "ed25519"}),
            64);
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(DkimTest, CheckWithoutKeysOrConfigurationSaysSo) {
  EXPECT_EQ(RunWords({"dkim", "check", "--config", directory_ + "/none.toml"}), 66);
  EXPECT_EQ(RunWords({"dkim", "check", "--config", WriteConfig("")}), 78);
  EXPECT_THAT(err_.str(), HasSubstr("no [[dkim]]"));
}

TEST_F(DkimTest, CheckTellsAnUnusableKeyFromADnsThatDoesNotAnswer) {
  ASSERT_EQ(RunWords({"dkim", "generate", file_, "--domain", "d1.test", "--selector", "s1"}), 0);
  const std::string block = "[[dkim]]\ndomain = \"d1.test\"\nselector = \"s1\"\nkey_file = \"" + file_ + "\"\n";
  EXPECT_EQ(RunWords({"dkim", "check", "--config", WriteConfig(block), "-o", "json"}), 75) << err_.str();
  json row = json::parse(out_.str())["keys"][0];
  EXPECT_EQ(row["state"], "dns_failed");
  EXPECT_EQ(row["use"], "signs");
  ASSERT_EQ(chmod(file_.c_str(), 0644), 0);
  EXPECT_EQ(RunWords({"dkim", "check", "--config", WriteConfig(block), "-o", "json"}), 65);
  row = json::parse(out_.str())["keys"][0];
  EXPECT_EQ(row["state"], "no_key");
  EXPECT_THAT(row["why"].get<std::string>(), HasSubstr("chmod 0600"));
  EXPECT_EQ(RunWords({"dkim", "check", "d2.test", "--config", WriteConfig(block)}), 78);
}

}  // namespace
}  // namespace sealift::tools
