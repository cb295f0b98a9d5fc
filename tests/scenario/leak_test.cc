// Ten thousand strings that exist nowhere else go through the real daemon to real servers, some of which quote them in
// their refusals, and none is found in any file, log, metric, audit entry or backup; nor would a crash write one down.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Every canary has this in it, and nothing else of the test has.
constexpr char kCanary[] = "zqcanary";

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string Base64(const std::string& text) {
  const Ran ran = RunCommand({Program("base64", "coreutils"), "--wrap=0"}, text);
  return ran.out;
}

class LeakTest : public World {
 protected:
  LeakTest() {
    settings.tables = fmt::format("[backup]\ndir = \"{}\"\nkey_file = \"{}\"\n", dir.Folder("backups"),
                                  dir.Write("backup.key", "0123456789abcdefghijklmnopqrstuv", 0600));
    // As it stands, in hexadecimal, and in base64 whatever it stands behind.
    needles_ = {kCanary};
    std::string hex;
    for (const char c : std::string(kCanary)) hex += fmt::format("{:02x}", c);
    needles_.push_back(hex);
    for (const size_t before : {0, 1, 2}) {
      const std::string encoded = Base64(std::string(before, 'x') + kCanary);
      needles_.push_back(Lower(encoded.substr(before == 0 ? 0 : before + 1, 8)));
    }
  }

  bool Holds(const std::string& bytes) const {
    const std::string lower = Lower(bytes);
    return std::ranges::any_of(needles_,
                               [&](const std::string& needle) { return lower.find(needle) != std::string::npos; });
  }

  // The files below a folder, or a file, that hold a canary.
  std::vector<std::string> FilesWith(const std::filesystem::path& path) const {
    std::vector<std::string> found;
    if (std::filesystem::is_regular_file(path)) {
      if (Holds(ReadFile(path))) found.push_back(path);
      return found;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file() && Holds(ReadFile(entry.path()))) found.push_back(entry.path());
    }
    return found;
  }

  std::vector<std::string> needles_;
};

TEST_F(LeakTest, NoCanaryStandsInAnyFileLogMetricAuditEntryOrBackup) {
  constexpr int kRows = 10'000, kQuoted = 40;
  std::string script = fmt::format(
      "[[provider]]\nname = \"all\"\ndomains = [\"d{{1..20}}.test\"]\n"
      "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
      net.Address(10));
  for (int row = 1; row <= kQuoted; ++row) {
    script += fmt::format(
        "[[provider.rule]]\nat = \"rcpt\"\nlocal = \"zqcanary.address{0}\"\n"
        "reply = \"550 5.1.1 <zqcanary.address{0}@d{1}.test> dear zqcanary name {0}: no such user\"\n",
        row, (row - 1) % 20 + 1);
  }
  const Sink sink(dir, script, net.Address(2, 5353), {"--store", dir.Folder("store")});
  StartDaemon();
  const std::string letter =
      dir.Write("letter.eml",
                "From: Clinic <news@sender.test>\r\nTo: {{email}}\r\nSubject: zqcanary subject for {{name}}\r\n"
                "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
                "Dear {{name}}, a zqcanary template says {{city}}.\r\n");
  std::string people = "email,name,city\r\n";
  for (int row = 1; row <= kRows; ++row) {
    people +=
        fmt::format("zqcanary.address{0}@d{1}.test,zqcanary name {0},zqcanary city {0}\r\n", row, (row - 1) % 20 + 1);
  }
  // One that is refused: its line must not be quoted either.
  people += "zqcanary@@broken,zqcanary name,zqcanary city\r\n";
  const Answer load = SealiftPlain({"campaign", "load", "spring", "--stream", "news", "--template", letter,
                                    "--recipients", dir.Write("people.csv", people)});
  EXPECT_EQ(load.exit_code, 3) << load.Describe();
  EXPECT_FALSE(Holds(load.out + load.err)) << load.Describe();
  EXPECT_EQ(Sealift({"suppression", "add", "zqcanary.address77@d17.test", "--kind", "opt_out", "--reason",
                     "zqcanary.address77@d17.test asked"})
                .exit_code,
            0);
  const Answer created = Sealift({"backup", "create"});  // while all of it is queued
  ASSERT_EQ(created.exit_code, 0) << created.Describe();
  EXPECT_THAT(FilesWith(settings.data_dir), IsEmpty()) << "queued";

  EXPECT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  const Json now = Show("spring");
  EXPECT_EQ(now["bounced"].Number(), kQuoted) << now.Dump();
  EXPECT_EQ(now["delivered"].Number(), kRows - kQuoted - 1);
  EXPECT_EQ(Sealift({"queue", "retry", "--everything", "--reason", "zqcanary.address5@d5.test called"}).exit_code, 0);
  EXPECT_EQ(Sealift({"backup", "create"}).exit_code, 0);
  const Ran metrics = RunCommand({Program("curl", "curl"), "--silent", "--max-time", "60",
                                  fmt::format("http://{}/metrics", settings.http_listen)});
  EXPECT_THAT(metrics.out, HasSubstr("sealift_messages_bounced_total"));
  EXPECT_FALSE(Holds(metrics.out));
  EXPECT_THAT(FilesWith(settings.data_dir), IsEmpty()) << "while the daemon runs";
  StopDaemon();
  EXPECT_THAT(FilesWith(settings.data_dir), IsEmpty()) << "after it";
  EXPECT_TRUE(std::filesystem::exists(settings.data_dir + "/audit"));
  EXPECT_THAT(FilesWith(dir.path() / "backups"), IsEmpty());
  EXPECT_FALSE(Holds(daemon->Out() + daemon->Err())) << "the log";
  // The search finds what is there: the messages that arrived, and the input.
  EXPECT_EQ(FilesWith(dir.path() / "store").size(), static_cast<size_t>(kRows - kQuoted - 1));
  EXPECT_EQ(FilesWith(dir.path() / "people.csv").size(), 1u);
}

// How a program ends that is told to abort where the system would keep a core of it.
int StatusAfterAbort(const std::vector<std::string>& argv, const std::filesystem::path& folder,
                     const std::function<bool()>& running) {
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{};
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CORE, &limit);
    if (chdir(folder.c_str()) != 0) _exit(126);
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execv(words[0], words.data());
    _exit(127);
  }
  // The limit that its own hand has set.
  const auto forbidden = [child] {
    const std::string limits = ReadFile(fmt::format("/proc/{}/limits", child));
    const size_t line = limits.find("Max core file size");
    std::istringstream words(line == std::string::npos ? "" : limits.substr(line + 18));
    std::string soft, hard;
    words >> soft >> hard;
    return soft == "0" && hard == "0";
  };
  EXPECT_TRUE(Eventually(std::chrono::seconds(60), [&] { return forbidden() && running(); }))
      << argv[0] << " would leave a core";
  kill(child, SIGABRT);
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST_F(LeakTest, AnAbortOfTheDaemonOrTheCommandLineLeavesNoCore) {
  const std::filesystem::path folder = dir.Folder("cores");
  WriteConfig();
  const int daemon_status = StatusAfterAbort({OurProgram("sealiftd"), "--config", config_file}, folder,
                                             [this] { return Sealift({"campaign", "list"}).exit_code == 0; });
  EXPECT_FALSE(WCOREDUMP(daemon_status));
  EXPECT_TRUE(WIFSIGNALED(daemon_status) || WEXITSTATUS(daemon_status) != 0);
  StartDaemon();
  Load("spring", Template(), Recipients(1, {"d1.test"}));
  const std::string out = dir.path() / "watch.out";
  const int status = StatusAfterAbort(
      {"/bin/sh", "-c",
       fmt::format("exec {} --config {} events --follow >{} 2>&1", OurProgram("sealift"), config_file, out)},
      folder, [&] { return std::filesystem::exists(out) && Sealift({"version"}).exit_code == 0; });
  EXPECT_FALSE(WCOREDUMP(status));
  StopDaemon();
  EXPECT_TRUE(std::filesystem::is_empty(folder)) << "a core was written";
}

}  // namespace
}  // namespace sealift::scenario
