// demo: a whole campaign on loopback, from a key to a summary.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/demo/child_process.h"
#include "tools/sealift/demo/demo_files.h"
#include "tools/sealift/demo/demo_summary.h"
#include "tools/sealift/demo/patients.h"
#include "tools/sealift/demo/sink_report.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/progress_line.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

constexpr char kCampaign[] = "demo";
constexpr int kRecipientsMax = 1'000'000;
constexpr absl::Duration kReadyLimit = absl::Seconds(30);
constexpr absl::Duration kLook = absl::Milliseconds(100);
// Domains whose rows stay by design: d55 has full mailboxes, d56 has no TLS. See `sealift-sink --demo --print-script`.
const std::set<std::string> kStaying = {"d55.test", "d56.test"};

volatile int interrupted = 0;
void Interrupt(int) { interrupted = 1; }

// While a demo runs, a signal is a wish that its loops see: the children and the directory are put away in order.
class SignalsTaken {
 public:
  SignalsTaken() {
    struct sigaction action{};
    action.sa_handler = Interrupt;
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  ~SignalsTaken() {
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  SignalsTaken(const SignalsTaken&) = delete;
  SignalsTaken& operator=(const SignalsTaken&) = delete;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[std::size(kSignals)];
};

// How fast it went: looks at the count of delivered messages, from which the time of any share of them can be told.
class Pace {
 public:
  void Add(absl::Duration since_start, uint64_t delivered) { looks_.emplace_back(since_start, delivered); }

  // Messages a second until nine in ten of those delivered were: the rest waits for greylisting and slow receivers.
  double PerSecond() const {
    if (looks_.empty()) return 0;
    const uint64_t most = looks_.back().second * 9 / 10;
    for (const auto& [since_start, delivered] : looks_) {
      if (delivered >= most && since_start > absl::ZeroDuration())
        return static_cast<double>(delivered) / absl::ToDoubleSeconds(since_start);
    }
    return 0;
  }

 private:
  std::vector<std::pair<absl::Duration, uint64_t>> looks_;
};

class Demo {
 public:
  Demo(const Invocation& call, Console& console) : call_(call), console_(console) {}

  CommandResult Run();

 private:
  absl::Status StartSink();
  absl::Status StartDaemon();
  absl::Status LoadAndStart();
  absl::StatusOr<DemoEnding> Watch();
  bool OnlyStayingLeft(const json& campaign, DemoEnding* ending, DaemonClient& daemon);
  void SayWhatNext();
  void Say(const std::string& text) {
    if (console_.machine()) {
      console_.err() << text << "\n";
    } else {
      console_.out() << text << "\n" << std::flush;
    }
  }

  const Invocation& call_;
  Console& console_;
  int recipients_ = 10'000;
  int sink_port_ = 0;
  std::string sink_dns_;
  // In this order, so that the daemon ends first, then the sink, then the directory goes.
  std::optional<DemoFiles> files_;
  std::unique_ptr<ChildProcess> sink_, daemon_;
};

std::string Beside(const char* program) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / program).string();
}

absl::Status Interrupted() {
  return Fail(ExitCode::kInterrupted,
              {"demo: interrupted", "", "Everything that it had started was ended and removed.", ""});
}

absl::Status Demo::StartSink() {
  absl::StatusOr<std::unique_ptr<ChildProcess>> sink =
      ChildProcess::Start({Beside("sealift-sink"), "--demo", "--port", "0", "--dns", "127.0.0.1:0", "--ready",
                           "--ledger", files_->Path("ledger"), "--summary", files_->Path("sink.json")},
                          files_->Path("sink.log"));
  if (!sink.ok()) return sink.status();
  sink_ = *std::move(sink);
  const absl::StatusOr<std::string> ready = sink_->WaitForLine("ready ", kReadyLimit, &interrupted);
  if (!ready.ok()) return ready.status();
  // ready port=P dns=ADDRESS
  const size_t port = ready->find("port="), dns = ready->find("dns=");
  if (port == std::string::npos || dns == std::string::npos) {
    return Fail(ExitCode::kInternal,
                {"demo: the sink did not say where it listens", "", *ready, "Build everything of one version."});
  }
  const absl::StatusOr<int> number =
      ParseCount("port", ready->substr(port + 5, ready->find(' ', port) - port - 5), 1, 65535);
  if (!number.ok()) return number.status();
  sink_port_ = *number;
  sink_dns_ = ready->substr(dns + 4);
  return files_->WriteConfig(sink_dns_, static_cast<uint16_t>(sink_port_));
}

absl::Status Demo::StartDaemon() {
  absl::StatusOr<std::unique_ptr<ChildProcess>> daemon =
      ChildProcess::Start({Beside("sealiftd"), "--config", files_->config()}, files_->Path("sealiftd.log"));
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  return daemon_->WaitForLine("ready", kReadyLimit, &interrupted).status();
}

absl::Status Demo::LoadAndStart() {
  Invocation load;
  for (const Command& command : CommandTree()) {
    if (command.Name() == "campaign load") load.command = &command;
  }
  load.arguments = {kCampaign};
  load.config = files_->config();
  load.flags = {{"stream", {"letters"}},
                {"template", {files_->Path("letter.eml")}},
                {"recipients", {files_->Path("patients.csv")}},
                {"start", {"true"}}};
  Say(fmt::format(
      "\n$ sealift campaign load {} --stream letters --template letter.eml --recipients patients.csv --start",
      kCampaign));
  std::ostringstream unseen;
  Console quiet(unseen, console_.err(), console_.in(), {});
  const CommandResult result = load.command->run(load, console_.machine() ? quiet : console_);
  return result.status();
}

// Asks the lanes, not the counters: that both agree is what the demo proves.
bool Demo::OnlyStayingLeft(const json& campaign, DemoEnding* ending, DaemonClient& daemon) {
  const uint64_t waiting = campaign.value("deferred", uint64_t{0}) + campaign.value("held", uint64_t{0});
  if (campaign.value("queued", uint64_t{0}) > waiting) return false;
  const absl::StatusOr<json> shape = daemon.Get("/api/v1/queue/shape", {{"campaign", kCampaign}});
  if (!shape.ok()) return false;
  ending->in_queue = shape->value("queued", uint64_t{0});
  bool only = ending->in_queue == campaign.value("queued", uint64_t{0});
  for (const json& destination : shape->value("destinations", json::array())) {
    const std::string domain = destination.value("domain", "");
    const uint64_t queued = destination.value("queued", uint64_t{0});
    only = only && (queued == 0 || kStaying.contains(domain));
  }
  return only;
}

absl::StatusOr<DemoEnding> Demo::Watch() {
  DaemonClient daemon(files_->Path("data/control.sock"));
  const absl::Time start = absl::Now();
  const absl::Time deadline = start + absl::Minutes(2) + absl::Milliseconds(2) * recipients_;
  const bool terminal = console_.terminal().out && !console_.machine();
  ProgressLine line(console_, terminal);
  absl::Time shown = start;
  DemoEnding ending;
  ending.recipients = static_cast<uint64_t>(recipients_);
  Pace pace;
  while (absl::Now() < deadline) {
    if (interrupted != 0) return Interrupted();
    if (daemon_->Ended())
      return Fail(ExitCode::kInternal, {"demo: the daemon ended by itself", files_->Path("sealiftd.log"),
                                        "See its log: sealift demo --keep.", ""});
    absl::StatusOr<json> campaign = daemon.Get(std::string("/api/v1/campaigns/") + kCampaign);
    if (!campaign.ok()) return campaign.status();
    const absl::Time now = absl::Now();
    pace.Add(now - start, campaign->value("delivered", uint64_t{0}));
    ending.settled = OnlyStayingLeft(*campaign, &ending, daemon);
    if (!console_.machine() && (terminal || ending.settled || now - shown >= absl::Seconds(1))) {
      line.Show(*campaign, now);
      shown = now;
    }
    ending.campaign = *std::move(campaign);
    if (ending.settled) break;
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(kLook));
  }
  line.End();
  ending.per_second = pace.PerSecond();
  return ending;
}

void Demo::SayWhatNext() {
  const std::string bin = Beside("");
  if (!call_.Has("keep")) {
    Say(
        fmt::format("\nNext:\n"
                    "  {0}sealift demo --keep            the same, and its data stays to look at\n"
                    "  {0}sealift campaign load --help   what a campaign of your own takes\n"
                    "  {0}sealift --help                 every command",
                    bin));
    return;
  }
  Say(
      fmt::format("\nEverything is in {0}. To go on with it, in a terminal each:\n"
                  "  {1}sealift-sink --demo --port {2} --dns {3}\n"
                  "  {1}sealiftd --config {0}/sealift.toml\n"
                  "and then, after export SEALIFT_CONFIG={0}/sealift.toml:\n"
                  "  {1}sealift campaign show {4}\n"
                  "  {1}sealift domain explain d56.test                  why its rows are held\n"
                  "  {1}sealift events --campaign {4} --outcome bounced\n"
                  "  {1}sealift campaign preview {4} --row 56            the bytes of a row that is held",
                  files_->directory(), bin, sink_port_, sink_dns_, kCampaign));
}

CommandResult Demo::Run() {
  if (call_.Has("recipients")) {
    const absl::StatusOr<int> recipients = ParseCount("recipients", call_.Value("recipients"), 1, kRecipientsMax);
    if (!recipients.ok()) return recipients.status();
    recipients_ = *recipients;
  }
  absl::StatusOr<DemoFiles> files = DemoFiles::Create(call_.Has("keep"));
  if (!files.ok()) return files.status();
  files_.emplace(*std::move(files));
  Say(
      fmt::format("Sealift's demo: a letter to {} synthetic patients on {} .test domains. A real daemon, queue, DNS "
                  "and TLS, into a\n"
                  "scripted sink on loopback: nothing leaves this machine. For trying, not for production.",
                  Thousands(static_cast<uint64_t>(recipients_)), kDemoDomains));
  if (absl::Status written = files_->WriteCampaign(recipients_); !written.ok()) return written;
  if (absl::Status started = StartSink(); !started.ok()) return started;
  if (absl::Status started = StartDaemon(); !started.ok()) return started;
  if (absl::Status loaded = LoadAndStart(); !loaded.ok()) return loaded;
  absl::StatusOr<DemoEnding> ending = Watch();
  if (!ending.ok()) return ending.status();
  // The daemon finishes what is in flight, then the sink says what it saw.
  daemon_->Stop();
  sink_->Stop();
  const absl::StatusOr<SinkReport> sink = ReadSinkReport(files_->Path("sink.json"), files_->Path("ledger"));
  if (!sink.ok()) return sink.status();
  ending->sink = *sink;
  const std::vector<std::string> wrong = WhatIsWrong(*ending);
  if (console_.machine()) {
    json answer = SummaryJson(*ending, wrong);
    if (call_.Has("keep")) answer["directory"] = files_->directory();
    console_.Record(answer, {});
  } else {
    console_.out() << SummaryText(*ending, wrong) << std::flush;
    SayWhatNext();
  }
  return wrong.empty() ? ExitCode::kOk : ExitCode::kInternal;
}

}  // namespace

CommandResult RunDemo(const Invocation& call, Console& console) {
  interrupted = 0;
  const SignalsTaken taken;
  Demo demo(call, console);
  return demo.Run();
}

}  // namespace sealift::tools
