// A long queue costs no more memory than a short one, and whoever asks is answered as soon. The check takes a million
// rows; perf/queue/ten_million takes ten, and compares them with one.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::minutes kLoadDeadline{20};
constexpr int64_t kWorthComparing = 10'000'000;  // with a tenth of it: below, neither fills its budget

constexpr double kMemoryMiB = 512;  // the default of node.memory
constexpr double kReadySeconds = 10, kAnswerSeconds = 1;

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

int64_t Number(const char* variable, int64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoll(text);
}

double PeakMiB(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  double kib = 0;
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") status >> kib;
  }
  return kib / 1024;
}

double CpuSeconds(pid_t pid) {
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  const std::string text((std::istreambuf_iterator<char>(stat)), {});
  const size_t name_end = text.rfind(')');
  unsigned long user = 0, system = 0;
  if (name_end == std::string::npos ||
      std::sscanf(text.c_str() + name_end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) !=
          2) {
    return 0;
  }
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double CpuSecondsOfCommands() {
  rusage usage;
  (void)::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Figures {
  double load_rate = 0, load_cpu = 0, load_command_cpu = 0;  // rows a second; us a row, of the daemon and the command
  double load_mib = 0, sending_mib = 0;
  double ready = 0, delivers = 0;  // seconds after the start that follows a kill
  // The longest of three, at rest and while it sends.
  struct Answers {
    double shape = 0, explain = 0, show = 0, trace = 0, find = 0;
    double longest() const { return std::max({shape, explain, show, trace, find}); }
  };
  Answers at_rest, sending;
};

class SizeTest : public World {
 protected:
  // Row N of the file is rowN@d(N % domains).test.
  std::string WriteRecipients(int64_t rows, int64_t domains) {
    std::string path = dir.Write("people.csv", "email,name,city\r\n");
    std::FILE* const file = std::fopen(path.c_str(), "ae");
    EXPECT_NE(file, nullptr);
    std::string text;
    for (int64_t row = 1; row <= rows; ++row) {
      fmt::format_to(std::back_inserter(text), "row{0}@d{1}.test,Person {0},City {2}\r\n", row, row % domains,
                     row % 97);
      if (text.size() < (1 << 20) && row < rows) continue;
      EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
      text.clear();
    }
    EXPECT_EQ(std::fclose(file), 0);
    return path;
  }

  double Timed(const std::vector<std::string>& arguments, Answer* answer = nullptr) {
    double longest = 0;
    for (int i = 0; i < 3; ++i) {
      const Clock::time_point begin = Clock::now();
      Answer given = SealiftPlain(arguments);
      longest = std::max(longest, SecondsSince(begin));
      EXPECT_EQ(given.exit_code, 0) << given.err;
      if (answer != nullptr) *answer = std::move(given);
    }
    return longest;
  }

  Figures::Answers Ask(int64_t row, int64_t domains) {
    const std::string domain = fmt::format("d{}.test", row % domains);
    Figures::Answers seconds;
    Answer shape, found;
    seconds.shape = Timed({"queue", "shape", "--everything"}, &shape);
    EXPECT_NE(shape.out.find(domain), std::string::npos);
    seconds.explain = Timed({"domain", "explain", domain});
    seconds.show = Timed({"campaign", "show", "spring"});
    seconds.find = Timed({"-o", "json", "message", "find", "--recipient", fmt::format("row{}@{}", row, domain),
                          "--reason", "how long it takes"},
                         &found);
    const Json messages = Json::Parse(found.out)["messages"];
    EXPECT_EQ(messages.size(), 1u) << found.out;
    seconds.trace = Timed({"message", "trace", messages.At(0)["id"].Text()});
    return seconds;
  }

  int64_t Delivered() {
    const Answer show = Sealift({"campaign", "show", "spring"});
    return show.exit_code == 0 ? show.json["delivered"].Number() : -1;
  }

  void Measure(int64_t rows, int64_t domains, Figures* figures) {
    settings.data_dir = dir.Folder(fmt::format("data-{}", rows));
    StartDaemon();
    const std::string people = WriteRecipients(rows, domains);
    const double commands = CpuSecondsOfCommands(), before = CpuSeconds(daemon->pid());
    const Clock::time_point begin = Clock::now();
    const Ran loaded =
        RunCommand({OurProgram("sealift"), "--config", config_file, "campaign", "load", "spring", "--stream", "news",
                    "--template", Template(), "--recipients", people, "--rate", "2000/s"},
                   "", kLoadDeadline);
    figures->load_rate = static_cast<double>(rows) / SecondsSince(begin);
    ASSERT_EQ(loaded.exit_code, 0) << loaded.err;
    figures->load_cpu = (CpuSeconds(daemon->pid()) - before) / static_cast<double>(rows) * 1e6;
    figures->load_command_cpu = (CpuSecondsOfCommands() - commands) / static_cast<double>(rows) * 1e6;
    std::filesystem::remove(people);
    ASSERT_EQ(Show("spring")["queued"].Number(), rows);
    figures->at_rest = Ask(rows / 2, domains);
    figures->load_mib = PeakMiB(daemon->pid());

    ASSERT_EQ(SealiftPlain({"campaign", "start", "spring"}).exit_code, 0);
    ASSERT_TRUE(Eventually(kInTime, [&] { return Delivered() > 2000; }));
    KillDaemon();
    const Clock::time_point start = Clock::now();
    StartDaemon();
    figures->ready = SecondsSince(start);
    const int64_t delivered = Delivered();
    ASSERT_GE(delivered, 0);
    ASSERT_TRUE(Eventually(kInTime, [&] { return Delivered() > delivered; }));
    figures->delivers = SecondsSince(start);
    figures->sending = Ask(rows / 2 + 1, domains);
    // So long that it has read on for a while.
    ASSERT_TRUE(Eventually(kInTime, [&] { return Delivered() > delivered + 20'000; }));
    figures->sending_mib = PeakMiB(daemon->pid());
    StopDaemon();
    std::filesystem::remove_all(settings.data_dir);
  }

  static void Print(int64_t rows, int64_t domains, const Figures& figures) {
    fmt::print("{} rows, {} domains\n", rows, domains);
    fmt::print(
        "  load, CSV to synced rows: {:.0f} rows/s; CPU a row {:.2f} us of the daemon, {:.2f} us of the command\n",
        figures.load_rate, figures.load_cpu, figures.load_command_cpu);
    fmt::print("  memory at most: loading {:.0f} MiB, sending {:.0f} MiB\n", figures.load_mib, figures.sending_mib);
    fmt::print("  after kill -9: ready {:.2f} s, delivers {:.2f} s\n", figures.ready, figures.delivers);
    for (const auto& [when, answers] : {std::pair{"at rest", figures.at_rest}, {"sending", figures.sending}}) {
      fmt::print(
          "  answers {}: queue shape {:.3f} s, domain explain {:.3f} s, campaign show {:.3f} s, message trace {:.3f} "
          "s, "
          "message find {:.3f} s\n",
          when, answers.shape, answers.explain, answers.show, answers.trace, answers.find);
    }
    std::fflush(stdout);
  }
};

TEST_F(SizeTest, ALongQueueIsAsEasyAsAShortOne) {
  const int64_t rows = Number("SEALIFT_SIZE_ROWS", 1'000'000), domains = Number("SEALIFT_SIZE_DOMAINS", 10'000);
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"*\"]\n"
                              "mx = [{{ host = \"sink.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.delivery = "sink";
  settings.sink_address = net.Address(10, Sink::kPort);
  std::optional<Figures> tenth;
  if (rows >= kWorthComparing) {
    tenth.emplace();
    Measure(rows / 10, domains, &*tenth);
    if (HasFatalFailure()) return;
    Print(rows / 10, domains, *tenth);
  }
  Figures figures;
  Measure(rows, domains, &figures);
  if (HasFatalFailure()) return;
  Print(rows, domains, figures);

  EXPECT_LE(figures.load_mib, kMemoryMiB);
  EXPECT_LE(figures.sending_mib, kMemoryMiB);
  if (!tenth.has_value()) return;
  // Times are asked for where they are measured, on a quiet machine (perf/queue/ten_million), and not in a check.
  EXPECT_LE(std::max(figures.load_mib, figures.sending_mib), 1.1 * std::max(tenth->load_mib, tenth->sending_mib));
  EXPECT_LE(figures.delivers, kReadySeconds);
  EXPECT_LE(figures.at_rest.longest(), kAnswerSeconds);
  EXPECT_LE(figures.sending.longest(), kAnswerSeconds);
}

}  // namespace
}  // namespace sealift::scenario
