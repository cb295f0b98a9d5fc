#include "engine/kek.h"

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

using testing::HasSubstr;

class KekTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "sealift-kek-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    options_.node.data_dir = folder_ + "/data";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& bytes, mode_t mode) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  std::string Error() const { return std::string(LoadKek(options_).status().message()); }

  std::string folder_;
  Options options_;
};

const std::string kKey = "0123456789abcdefghijklmnopqrstuv";

TEST_F(KekTest, AKeyFileIsThirtyTwoBytes) {
  options_.keys.kek_file = Write("kek", kKey, 0400);
  const auto kek = LoadKek(options_);
  ASSERT_TRUE(kek.ok()) << std::string(kek.status().message());
  EXPECT_EQ(std::string(kek->begin(), kek->end()), kKey);
  options_.keys.kek_file = Write("kek600", kKey, 0600);
  EXPECT_TRUE(LoadKek(options_).ok());
  for (const size_t size : {0, 31, 33, 64, 1000}) {
    options_.keys.kek_file = Write("bad" + std::to_string(size), std::string(size, 'a'), 0600);
    EXPECT_THAT(Error(), HasSubstr("exactly 32 bytes")) << size;
  }
}

TEST_F(KekTest, AKeyFileThatOthersCanUseIsRefused) {
  for (const mode_t mode : {0440, 0604, 0620, 0644, 0700}) {
    options_.keys.kek_file = Write("kek" + std::to_string(mode), kKey, mode);
    EXPECT_THAT(Error(), HasSubstr("chmod 0400")) << std::oct << mode;
  }
}

// As root asks for a daemon that runs as another user.
TEST_F(KekTest, AKeyFileIsJudgedForWhomTheDataDirectoryBelongsTo) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give a directory to somebody";
  constexpr uid_t kDaemon = 12'345;
  std::filesystem::create_directory(options_.node.data_dir);
  ASSERT_EQ(chown(options_.node.data_dir.c_str(), kDaemon, kDaemon), 0);
  const std::string kek = options_.keys.kek_file = Write("kek", kKey, 0400);
  EXPECT_THAT(Error(), HasSubstr("root's alone"));
  ASSERT_EQ(chown(kek.c_str(), kDaemon, kDaemon), 0);
  EXPECT_TRUE(LoadKek(options_).ok()) << Error();
  ASSERT_EQ(chown(kek.c_str(), kDaemon + 1, kDaemon), 0);
  EXPECT_THAT(Error(), HasSubstr("belongs to user 12346"));
}

TEST_F(KekTest, ALinkAFolderAndNothingAreNoKeyFiles) {
  const std::string kek = Write("kek", kKey, 0400);
  std::filesystem::create_symlink(kek, folder_ + "/link");
  options_.keys.kek_file = folder_ + "/link";
  EXPECT_THAT(Error(), HasSubstr("symbolic link"));
  options_.keys.kek_file = folder_;
  EXPECT_THAT(Error(), HasSubstr("not a regular file"));
  options_.keys.kek_file = folder_ + "/none";
  EXPECT_THAT(Error(), HasSubstr("does not exist"));
  EXPECT_EQ(LoadKek(options_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(KekTest, LiveModeRefusesAKeyBesideTheDataUnlessToldToAccept) {
  options_.keys.kek_file = Write("kek", kKey, 0400);
  options_.delivery = Delivery::kLive;
  EXPECT_THAT(Error(), HasSubstr("same device as data_dir"));
  options_.keys.accept_local_kek = true;
  EXPECT_TRUE(LoadKek(options_).ok());
}

TEST_F(KekTest, ACommandPrintsTheKeyRawOrInHex) {
  options_.keys.kek_command = {"/bin/printf", "%s", kKey};
  auto kek = LoadKek(options_);
  ASSERT_TRUE(kek.ok()) << std::string(kek.status().message());
  EXPECT_EQ(std::string(kek->begin(), kek->end()), kKey);
  options_.keys.kek_command = {"/bin/echo", std::string(60, '0') + "0aFf"};
  kek = LoadKek(options_);
  ASSERT_TRUE(kek.ok()) << std::string(kek.status().message());
  EXPECT_EQ((*kek)[29], 0);
  EXPECT_EQ((*kek)[30], 0x0a);
  EXPECT_EQ((*kek)[31], 0xff);
  options_.keys.kek_command = {"/bin/echo", std::string(63, '0') + "g"};
  EXPECT_THAT(Error(), HasSubstr("64 hexadecimal digits"));
}

TEST_F(KekTest, ACommandThatFailsOrTalksWithoutEndGivesNoKey) {
  options_.keys.kek_command = {"/bin/false"};
  EXPECT_THAT(Error(), HasSubstr("exit code 1"));
  options_.keys.kek_command = {"/bin/sh", "-c", "printf %s " + kKey + "; exit 3"};
  EXPECT_THAT(Error(), HasSubstr("exit code 3"));
  options_.keys.kek_command = {folder_ + "/none"};
  EXPECT_THAT(Error(), HasSubstr("cannot be started"));
  options_.keys.kek_command = {"/usr/bin/yes"};
  EXPECT_FALSE(LoadKek(options_).ok());
}

// As the daemon does, which waits for signals in its own way.
TEST_F(KekTest, ACommandHasItsSignalsAsUsual) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto pipe_before = signal(SIGPIPE, SIG_IGN);
  options_.keys.kek_command = {"/bin/sh", "-c", "kill -s TERM $$; printf %s " + kKey};
  EXPECT_THAT(Error(), HasSubstr("signal 15"));
  options_.keys.kek_command = {"/bin/sh", "-c", "kill -s PIPE $$; printf %s " + kKey};
  EXPECT_THAT(Error(), HasSubstr("signal 13"));
  signal(SIGPIPE, pipe_before);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(KekTest, ACredentialComesFromSystemdsFolder) {
  options_.keys.kek_credential = "kek";
  unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_THAT(Error(), HasSubstr("LoadCredential=kek"));
  Write("kek", kKey, 0440);  // systemd's own modes are not ours to judge
  setenv("CREDENTIALS_DIRECTORY", folder_.c_str(), 1);
  EXPECT_TRUE(LoadKek(options_).ok());
  unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_F(KekTest, NoErrorQuotesTheKey) {
  options_.keys.kek_file = Write("kek", "secretsecretsecret", 0400);
  EXPECT_THAT(Error(), testing::Not(HasSubstr("secretsecret")));
}

}  // namespace
}  // namespace sealift::engine
