// The key that opens the queue: wherever it comes from, and how it is changed while the daemon runs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>

#include <chrono>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

class KeyTest : public World {
 protected:
  // Starts the daemon, which must refuse, and returns what it says.
  std::string Refusal() {
    LaunchDaemon();
    EXPECT_EQ(daemon->WaitFor(kSoon).value_or(-1), 78) << daemon->Out() << daemon->Err();
    return daemon->Err();
  }
};

TEST_F(KeyTest, ARotationIsOpenedByEitherKeyUntilTheNextOneHasOpenedIt) {
  const std::string before = settings.kek_file;
  const std::string next = dir.Write("next", "the next key of thirty-two bytes", 0600);
  StartDaemon();
  Load("spring", Template(), Recipients(500, Domains(5)));
  const Json keys = Sealift({"key", "show"}).json;
  EXPECT_EQ(keys["kek"].Text(), keys["configured"].Text());
  EXPECT_EQ(Sealift({"key", "rotate", before}).exit_code, 64) << "to itself";
  EXPECT_EQ(Sealift({"key", "rotate", dir.Write("short", "short", 0600)}).exit_code, 66);
  EXPECT_EQ(Sealift({"key", "rotate", dir.Write("shared", "a key that others can read, too..", 0644)}).exit_code, 66);
  const Answer rotated = Sealift({"key", "rotate", next});
  ASSERT_EQ(rotated.exit_code, 0) << rotated.Describe();
  const std::string fingerprint = rotated.json["next"].Text();
  EXPECT_EQ(fingerprint.size(), 16u);

  // A crash before the operator has changed the configuration, and a campaign in between.
  KillDaemon();
  StartDaemon();
  EXPECT_EQ(Sealift({"key", "show"}).json["next"].Text(), fingerprint);
  Load("between", Template(), Recipients(10, Domains(5)));
  KillDaemon();

  settings.kek_file = next;
  StartDaemon();
  const Json after = Sealift({"key", "show"}).json;
  EXPECT_EQ(after["kek"].Text(), fingerprint);
  EXPECT_EQ(after["configured"].Text(), fingerprint);
  EXPECT_EQ(after["next"].Text(), "null");
  EXPECT_EQ(Show("spring")["queued"].Number(), 500);
  EXPECT_EQ(Sealift({"queue", "list", "--campaign", "between"}).json["rows"].size(), 10u);
  StopDaemon();

  settings.kek_file = before;
  const std::string refusal = Refusal();
  EXPECT_THAT(refusal, HasSubstr(fingerprint)) << "it should name the key that is wanted";
  EXPECT_THAT(refusal, HasSubstr("another key"));
  EXPECT_EQ(refusal.find("thirty-two bytes"), std::string::npos) << "a key stands in the log";
}

TEST_F(KeyTest, ACommandOrASystemdCredentialOpensTheQueueThatAFileOpened) {
  StartDaemon();
  Load("spring", Template(), Recipients(10, Domains(2)));
  StopDaemon();

  const std::string file = settings.kek_file;
  settings.kek_file = "";
  settings.keys = fmt::format("kek_command = [\"/bin/cat\", \"{}\"]", file);
  StartDaemon();
  EXPECT_EQ(Show("spring")["queued"].Number(), 10);
  StopDaemon();

  setenv("CREDENTIALS_DIRECTORY", dir.path().c_str(), 1);
  settings.keys = "kek_credential = \"kek\"";
  StartDaemon();
  EXPECT_EQ(Show("spring")["queued"].Number(), 10);
  EXPECT_EQ(Sealift({"key", "show"}).json["configured"].Text(), Sealift({"key", "show"}).json["kek"].Text());
  unsetenv("CREDENTIALS_DIRECTORY");  // which a command line outside the unit does not have
  const Answer shown = SealiftPlain({"key", "show"});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_THAT(shown.out, HasSubstr("the credential kek of the daemon's unit, which the command line cannot look at"));
  EXPECT_THAT(shown.out, ::testing::Not(HasSubstr("gave no credentials")));
  StopDaemon();
  EXPECT_THAT(Refusal(), HasSubstr("LoadCredential=kek"));
}

TEST_F(KeyTest, ACommandThatHangsOrPrintsAnythingElseIsRefused) {
  settings.kek_file = "";
  settings.keys = "kek_command = [\"/bin/echo\", \"no key\"]";
  EXPECT_THAT(Refusal(), HasSubstr("exactly 32 bytes"));
  settings.keys = "kek_command = [\"/usr/bin/yes\"]";
  EXPECT_THAT(Refusal(), HasSubstr("keys.kek_command"));
  settings.keys = "kek_command = [\"/bin/sleep\", \"600\"]";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(Refusal(), HasSubstr("within 10 seconds"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(25));
}

TEST_F(KeyTest, AKeyFileThatOthersReadOrThatLiesBesideTheDataIsRefused) {
  const std::string file = settings.kek_file;
  settings.kek_file = dir.Write("shared", "0123456789abcdef0123456789ABCDEF", 0640);
  EXPECT_THAT(Refusal(), HasSubstr("chmod 0400"));
  settings.kek_file = dir.path() / "none";
  EXPECT_THAT(Refusal(), HasSubstr("does not exist"));
  settings.kek_file = "";
  settings.keys = fmt::format("kek_file = \"{}\"", file);  // without accept_local_kek
  EXPECT_THAT(Refusal(), HasSubstr("same device as data_dir"));
}

}  // namespace
}  // namespace sealift::scenario
