#include "tools/sealift/demo/demo_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "engine/config_file.h"
#include "engine/exit_code.h"
#include "engine/message/recipient_reader.h"
#include "engine/message/template.h"
#include "tools/sealift/demo/child_process.h"
#include "tools/sealift/demo/patients.h"
#include "tools/sealift/demo/sink_report.h"

namespace sealift::tools {
namespace {

using engine::RecipientReader;

TEST(DemoRecipientsTest, AreTheSameEachTimeAllValidAndOnSixtyDomains) {
  const std::string csv = DemoRecipients(1000);
  EXPECT_EQ(csv, DemoRecipients(1000));
  RecipientReader reader;
  reader.Feed(csv);
  std::set<std::string> domains, addresses;
  for (bool finished = false;;) {
    const absl::StatusOr<RecipientReader::Step> step = reader.Next();
    ASSERT_TRUE(step.ok()) << step.status();
    if (*step == RecipientReader::Step::kEnd) break;
    if (*step == RecipientReader::Step::kNeedMore) {
      ASSERT_FALSE(finished);
      finished = true;
      reader.Finish();
      continue;
    }
    ASSERT_EQ(*step, RecipientReader::Step::kRecipient) << reader.rejection().reason;
    domains.insert(reader.recipient().mailbox->domain);
    addresses.insert(std::string(reader.recipient().email));
  }
  EXPECT_EQ(domains.size(), 60u);
  EXPECT_EQ(addresses.size(), 1000u);
}

TEST(DemoTemplateTest, CompilesWithTheColumnsOfTheRecipients) {
  const absl::StatusOr<engine::Template> compiled = engine::Template::Compile(
      DemoTemplate(),
      {.columns = {"first_name", "last_name", "clinic", "doctor", "appointment", "note"}, .defaults = {}});
  EXPECT_TRUE(compiled.ok()) << compiled.status();
}

TEST(DemoFilesTest, TheConfigurationIsGoodAndTheDirectoryPrivateAndGoneAfterwards) {
  std::string directory;
  {
    absl::StatusOr<DemoFiles> files = DemoFiles::Create(/*keep=*/false);
    ASSERT_TRUE(files.ok()) << files.status();
    directory = files->directory();
    struct stat status{};
    ASSERT_EQ(stat(directory.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
    ASSERT_TRUE(files->WriteConfig("127.0.0.1:5353", 2525).ok());
    const engine::Config config = engine::LoadConfig(files->config());
    EXPECT_TRUE(config.status().ok()) << config.status();
    EXPECT_EQ(config.options->smtp.port, 2525);
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(SinkReportTest, CountsDistinctMessages) {
  absl::StatusOr<DemoFiles> files = DemoFiles::Create(/*keep=*/false);
  ASSERT_TRUE(files.ok());
  std::ofstream(files->Path("s"))
      << R"({"messages":3,"faults":1,"totals":{"plaintext_mail":2,"over_messages":4,"over_connects":1}})";
  std::ofstream(files->Path("l")) << "1.0\tp\ta@d1.test\t<1@x>\t10\t1\ts\t-\n1.0\tp\tb@d1.test\t<2@x>\t10\t1\ts\t-\n2."
                                     "0\tp\ta@d1.test\t<1@x>\t10\t1\ts\t-\n";
  const absl::StatusOr<SinkReport> report = ReadSinkReport(files->Path("s"), files->Path("l"));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->messages, 3u);
  EXPECT_EQ(report->distinct, 2u);
  EXPECT_EQ(report->in_clear, 2u);
  EXPECT_EQ(report->over_limits, 5u);
  EXPECT_FALSE(ReadSinkReport(files->Path("none"), files->Path("l")).ok());
}

class ChildProcessTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<ChildProcess>> Shell(const std::string& script) {
    return ChildProcess::Start({"/bin/sh", "-c", script}, files_->Path("log"));
  }
  absl::StatusOr<DemoFiles> files_ = DemoFiles::Create(/*keep=*/false);
  volatile int interrupted_ = 0;
};

TEST_F(ChildProcessTest, AReadyLineIsFoundBehindOthers) {
  auto child = Shell("echo starting; echo ready port=7; exec sleep 60");
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(*(*child)->WaitForLine("ready", absl::Seconds(10), &interrupted_), "ready port=7");
  EXPECT_FALSE((*child)->Ended());
  EXPECT_EQ((*child)->Stop(), 128 + SIGTERM);
}

TEST_F(ChildProcessTest, OneThatEndsAtOnceSaysItsLastWords) {
  auto child = Shell("echo the port is taken >&2; exit 74");
  ASSERT_TRUE(child.ok());
  const absl::StatusOr<std::string> line = (*child)->WaitForLine("ready", absl::Seconds(10), &interrupted_);
  ASSERT_FALSE(line.ok());
  EXPECT_THAT(std::string(line.status().message()), testing::HasSubstr("the port is taken"));
  EXPECT_EQ((*child)->Stop(), 74);
}

TEST_F(ChildProcessTest, OneThatIgnoresTheWishToEndIsKilled) {
  auto child = Shell("trap '' TERM; echo ready; while :; do sleep 1; done");
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE((*child)->WaitForLine("ready", absl::Seconds(10), &interrupted_).ok());
  EXPECT_EQ((*child)->Stop(absl::Milliseconds(50)), 128 + SIGKILL);
}

TEST_F(ChildProcessTest, AnInterruptEndsTheWait) {
  auto child = Shell("exec sleep 60");
  ASSERT_TRUE(child.ok());
  interrupted_ = 1;
  const absl::StatusOr<std::string> line = (*child)->WaitForLine("ready", absl::Seconds(60), &interrupted_);
  EXPECT_EQ(engine::ExitCodeOf(line.status()), engine::ExitCode::kInterrupted);
}

TEST_F(ChildProcessTest, AProgramThatIsNotThereIsExit66) {
  const auto child = ChildProcess::Start({"/nowhere/sealiftd"}, files_->Path("log"));
  EXPECT_EQ(engine::ExitCodeOf(child.status()), engine::ExitCode::kNoInput);
}

}  // namespace
}  // namespace sealift::tools
