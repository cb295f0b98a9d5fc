#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class CampaignLoadTest : public testing::Test {
 protected:
  std::vector<std::string> Load(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"campaign",   "load",    "spring",       "--stream", "news",
                                      "--template", template_, "--recipients", recipients_};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  ControlSocket socket_;
  const std::string template_ = socket_.WriteFile("t.eml", "Subject: {{x}}\n\nDear {{x}}\n");
  const std::string recipients_ = socket_.WriteFile("r.csv", "email,x\na@d1.test,A\n");
};

TEST_F(CampaignLoadTest, TheNodeGetsTemplateSettingsAndTheVeryBytesOfTheFile) {
  const Ran ran = socket_.Run(Load({"--start", "--expires-in", "6h", "--rate", "100/s", "--default", "x=-", "--require",
                                    "x=A", "--key-column", "x"}));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(socket_.node.loaded.template_text, "Subject: {{x}}\n\nDear {{x}}\n");
  EXPECT_EQ(socket_.node.loaded.expires_in, absl::Hours(6));
  EXPECT_EQ(socket_.node.loaded.key_column, "x");
  EXPECT_EQ(socket_.node.loaded.require.size(), 1u);
  EXPECT_TRUE(socket_.node.loaded.start);
  EXPECT_EQ(socket_.node.loaded_bytes, "email,x\na@d1.test,A\n");
  EXPECT_THAT(ran.out, HasSubstr("SINK: nothing leaves this machine"));
}

TEST_F(CampaignLoadTest, TheFormatIsWhatTheNameSaysUnlessItIsGiven) {
  using engine::RecipientFormat;
  EXPECT_EQ(socket_.Run(Load()).code, 0);
  EXPECT_EQ(socket_.node.loaded.format, RecipientFormat::kCsv);
  EXPECT_EQ(socket_.Run(Load({"--format", "tsv"})).code, 0);
  EXPECT_EQ(socket_.node.loaded.format, RecipientFormat::kTsv);
  const std::string lines = socket_.WriteFile("r.ndjson", "{\"email\":\"a@d1.test\",\"x\":\"A\"}\n");
  EXPECT_EQ(
      socket_.Run({"campaign", "load", "s", "--stream", "n", "--template", template_, "--recipients", lines}).code, 0);
  EXPECT_EQ(socket_.node.loaded.format, RecipientFormat::kNdjson);
  EXPECT_EQ(socket_.Run(Load({"--format", "json"})).code, 64);
}

TEST_F(CampaignLoadTest, ANameThatIsNoneIsRefusedBeforeItIsAskedFor) {
  for (const char* name : {"a/b", "../x", "", "-x y", "caf\u00e9"}) {
    const Ran ran = socket_.Run({"campaign", "load", name, "--stream", "n", "--template", template_, "--recipients",
                                 socket_.WriteFile("people.csv", "email,x\na@d1.test,A\n")});
    EXPECT_EQ(ran.code, 64) << name << ran.err;
    EXPECT_TRUE(socket_.node.loaded_bytes.empty()) << name;
  }
}

TEST_F(CampaignLoadTest, WhatIsWrongWithTheTemplateIsToldToTheCallerAlone) {
  socket_.node.refuse =
      engine::WithPlace(engine::WithExit(absl::InvalidArgumentError("line 5: {{name Jane Doe was ill}}: no column"),
                                         engine::ExitCode::kBadData),
                        "the template");
  EXPECT_THAT(socket_.Run(Load()).err, HasSubstr("Jane Doe was ill"));
  ASSERT_EQ(socket_.AuditEntries().size(), 1u);
  EXPECT_EQ(socket_.AuditEntries()[0]["result"], "the template, line 5: refused with exit code 65");
  socket_.node.refuse = absl::ResourceExhaustedError("no more is accepted");
  EXPECT_EQ(socket_.Run(Load()).code, 75);
  EXPECT_EQ(socket_.AuditEntries()[1]["result"], "no more is accepted");
}

// Enough of a gzip file to be known as one.
TEST_F(CampaignLoadTest, AFileThatIsCutShortIsExit65AndSaysWhatWasAccepted) {
  socket_.WriteFile("r.csv", std::string("\x1F\x8B\x08\x00\x00\x00\x00\x00\x00\x03", 10));
  socket_.node.spring.campaign.input_rows = 1234;
  const Ran ran = socket_.Run(Load());
  EXPECT_EQ(ran.code, 65);
  EXPECT_THAT(ran.err, HasSubstr("cut short"));
  EXPECT_THAT(ran.err, HasSubstr("Nothing behind row 1234"));
  socket_.node.spring.campaign.input_rows = 0;
  EXPECT_THAT(socket_.Run(Load()).err, HasSubstr("Nothing of it"));
}

TEST_F(CampaignLoadTest, AFileLargerThanAnyBufferArrivesWhole) {
  std::string rows = "email,x\n";
  for (int i = 0; rows.size() < 5'000'000; ++i) rows += "r" + std::to_string(i) + "@d1.test,A\n";
  socket_.WriteFile("r.csv", rows);
  EXPECT_EQ(socket_.Run(Load()).code, 0);
  EXPECT_EQ(socket_.node.loaded_bytes, rows);
}

TEST_F(CampaignLoadTest, StartAtIsATime) {
  EXPECT_EQ(socket_.Run(Load({"--start-at", "2026-12-01T09:00:00Z"})).code, 0);
  EXPECT_EQ(absl::FormatTime(*socket_.node.loaded.start_at, absl::UTCTimeZone()), "2026-12-01T09:00:00+00:00");
  EXPECT_EQ(socket_.Run(Load({"--start-at", "noon"})).code, 64);
}

TEST_F(CampaignLoadTest, RejectedRowsAreExit3AndListedInAPrivateFile) {
  socket_.node.rejections = {{4, "email", "it is not an address, \"really\""},
                             {9, "", "it has 3 fields where the header has 2"}};
  const std::string path = socket_.Path("rejects.csv");
  const Ran ran = socket_.Run(Load({"--rejects", path}));
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(Contents(path),
            "line,column,reason\n4,email,\"it is not an address, \"\"really\"\"\"\n9,,it has 3 fields where the header "
            "has 2\n");
  struct stat status{};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(CampaignLoadTest, TheSameCommandAgainReplacesItsOwnList) {
  socket_.node.rejections = {{4, "email", "r"}};
  const std::string path = socket_.Path("rejects.csv");
  EXPECT_EQ(socket_.Run(Load({"--rejects", path})).code, 3);
  EXPECT_EQ(socket_.Run(Load({"--rejects", path})).code, 3);
}

TEST_F(CampaignLoadTest, AFileThatIsNoListOfRejectsIsNeverOverwritten) {
  const std::string path = socket_.WriteFile("precious.csv", "email\nkeep@d1.test\n");
  EXPECT_EQ(socket_.Run(Load({"--rejects", path})).code, 73);
  EXPECT_EQ(Contents(path), "email\nkeep@d1.test\n");
  EXPECT_THAT(socket_.node.calls(), IsEmpty());
}

TEST_F(CampaignLoadTest, ARefusedLoadLeavesNoList) {
  socket_.node.refuse =
      WithExit(absl::InvalidArgumentError("The template names the column `city`, which the file does not have."),
               engine::ExitCode::kBadData);
  const std::string path = socket_.Path("rejects.csv");
  const Ran ran = socket_.Run(Load({"--rejects", path}));
  EXPECT_EQ(ran.code, 65);
  EXPECT_THAT(ran.err, HasSubstr("city"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(CampaignLoadTest, ALoadRefusedAtItsFirstBytesStillSaysWhy) {
  socket_.node.refuse = WithExit(absl::InvalidArgumentError("There is no stream `news`."), engine::ExitCode::kUsage);
  socket_.WriteFile("r.csv", "email\n" + std::string(8'000'000, 'x'));
  const Ran ran = socket_.Run(Load());
  EXPECT_EQ(ran.code, 64);
  EXPECT_THAT(ran.err, HasSubstr("There is no stream `news`."));
}

// What the store says while RocksDB stalls (queue/load), which has no exit code of its own.
TEST_F(CampaignLoadTest, ALoadThatTheDiskCannotTakeNowIsExit75AndSaysWhy) {
  socket_.node.refuse = absl::ResourceExhaustedError("the queue's disk does not keep up (sealift_queue_stalled)");
  const Ran ran = socket_.Run(Load());
  EXPECT_EQ(ran.code, 75);
  EXPECT_THAT(ran.err, HasSubstr("sealift_queue_stalled"));
}

TEST_F(CampaignLoadTest, MissingFilesAreExit66BeforeTheDaemonIsAsked) {
  EXPECT_EQ(
      socket_.Run({"campaign", "load", "s", "--stream", "n", "--template", "/nowhere.eml", "--recipients", recipients_})
          .code,
      66);
  EXPECT_EQ(
      socket_.Run({"campaign", "load", "s", "--stream", "n", "--template", template_, "--recipients", "/nowhere.csv"})
          .code,
      66);
  EXPECT_THAT(socket_.node.calls(), IsEmpty());
}

}  // namespace
}  // namespace sealift::tools
