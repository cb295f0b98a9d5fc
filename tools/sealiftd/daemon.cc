#include "tools/sealiftd/daemon.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/admin/api.h"
#include "engine/admin/audit.h"
#include "engine/admin/http_listener.h"
#include "engine/admin/unix_listener.h"
#include "engine/config_file.h"
#include "engine/config_place.h"
#include "engine/kek.h"
#include "engine/log.h"
#include "engine/node.h"
#include "engine/options.h"
#include "engine/start_parts.h"
#include "tools/sealiftd/data_directory.h"
#include "tools/sealiftd/process.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;

ExitCode Refuse(const absl::Status& status) {
  fmt::print(stderr, "sealiftd: {}\n", std::string(status.message()));
  return engine::ExitCodeOf(status);
}

absl::StatusOr<std::shared_ptr<const engine::Options>> ReadOptions(const std::string& path, uint64_t generation) {
  const engine::Config config = engine::LoadConfig(path, generation);
  for (const engine::ConfigProblem& warning : config.warnings)
    fmt::print(stderr, "sealiftd: warning: {}\n", warning.ToString());
  if (config.options != nullptr && config.errors.empty()) return config.options;
  return WithExit(config.status(), absl::IsNotFound(config.status()) ? ExitCode::kNoInput : ExitCode::kConfig);
}

// A failure to start is the configuration's fault unless it says otherwise: a missing source, an unreadable key.
absl::Status AtStart(absl::Status status) {
  return engine::ExitCodeOf(status) == ExitCode::kUsage ? WithExit(std::move(status), ExitCode::kConfig) : status;
}

absl::Status Both(const absl::Status& one, const absl::Status& other) {
  if (one.ok() || other.ok()) return one.ok() ? other : one;
  return {one.code(), fmt::format("{}\n{}", std::string(one.message()), std::string(other.message()))};
}

// What the node did by itself, in the name of its own user.
void Record(engine::Audit& audit, const engine::Node::OwnAct& act) {
  engine::AuditEntry entry;
  entry.uid = geteuid();
  entry.pid = getpid();
  entry.user = "sealiftd";
  entry.command = act.command;
  entry.target = act.target;
  entry.reason = act.reason;
  entry.result = act.result;
  if (const absl::Status written = audit.Append(entry); !written.ok()) {
    engine::LogError("what the node did by itself could not be written to the audit file",
                     {{"command", act.command}, {"why", written}});
  }
}

void ReloadFor(engine::Node& node, engine::Audit& audit, const signalfd_siginfo& sender) {
  const absl::Status admitted = audit.CanAppend();
  if (!admitted.ok()) {
    engine::LogError("the configuration was not read again", {{"why", admitted}});
    return;
  }
  absl::StatusOr<std::vector<std::string>> changes = node.Reload(/*allow_weaker=*/false);
  engine::AuditEntry entry;
  entry.uid = sender.ssi_uid;
  entry.pid = static_cast<pid_t>(sender.ssi_pid);
  const passwd* user = getpwuid(sender.ssi_uid);
  entry.user = user == nullptr ? std::to_string(sender.ssi_uid) : user->pw_name;
  entry.command = "reload";
  entry.reason = "SIGHUP";
  entry.result = changes.ok() ? "ok" : std::string(changes.status().message());
  if (const absl::Status written = audit.Append(entry); !written.ok()) {
    engine::LogError("a reload could not be written to the audit file", {{"why", written}});
  }
  if (!changes.ok()) {
    engine::LogError("the configuration was not taken over; the one before stays in force",
                     {{"why", changes.status()}});
    return;
  }
  engine::LogInfo("the configuration was read again", {{"changes", changes->size()}});
  for (const std::string& change : *changes) engine::LogInfo("changed", {{"key", change}});
}

// SignalThread hears signals from the first moment on. A stop ends the process at once while nothing is sent, and once
// it is stopping: the queue is crash-safe, so that costs at most what a crash would.
class SignalThread {
 public:
  explicit SignalThread(Signals& signals) : thread_([this, &signals] { Hear(signals); }) {}
  ~SignalThread() {
    Enter(Phase::kOver);
    pthread_kill(thread_.native_handle(), SIGHUP);
    thread_.join();
  }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

  // From here on a stop is AwaitStop's.
  void BeforeSending() { Enter(Phase::kSending); }
  // From here on SIGHUP calls `reload`.
  void Serve(std::function<void(const signalfd_siginfo&)> reload) {
    reload_ = std::move(reload);
    Enter(Phase::kServing);
  }
  void AwaitStop() { stop_.acquire(); }

 private:
  enum class Phase { kStarting, kSending, kServing, kStopping, kOver };

  void Enter(Phase phase) {
    const std::lock_guard lock(mutex_);
    phase_ = std::max(phase_, phase);  // a stop may have come first
  }

  void Hear(Signals& signals) {
    for (;;) {
      const signalfd_siginfo signal = signals.Wait();
      std::unique_lock lock(mutex_);
      if (phase_ == Phase::kOver) return;
      if (signal.ssi_signo == SIGHUP) {
        if (phase_ != Phase::kServing) continue;  // there is nothing to reload yet, or any more
        lock.unlock();
        reload_(signal);
      } else if (phase_ == Phase::kSending || phase_ == Phase::kServing) {
        phase_ = Phase::kStopping;
        stop_.release();
      } else {
        _exit(static_cast<int>(phase_ == Phase::kStarting ? ExitCode::kOk : ExitCode::kInterrupted));
      }
    }
  }

  std::mutex mutex_;
  Phase phase_ = Phase::kStarting;
  std::function<void(const signalfd_siginfo&)> reload_;
  std::binary_semaphore stop_{0};
  std::thread thread_;
};

}  // namespace

ExitCode CheckConfiguration(const std::string& config) {
  const absl::StatusOr<std::shared_ptr<const engine::Options>> options = ReadOptions(config, 1);
  if (!options.ok()) return Refuse(options.status());
  if (const absl::StatusOr<engine::Kek> kek = engine::LoadKek(**options); !kek.ok()) {
    return Refuse(WithExit(kek.status(), ExitCode::kConfig));
  }
  const absl::StatusOr<engine::StartParts> parts = engine::StartParts::Of(**options);
  if (!parts.ok()) return Refuse(parts.status());
  for (const std::string& source : parts->unavailable)
    fmt::print(stderr, "sealiftd: warning: the address of source {} is not one of this machine\n", source);
  fmt::print("{}: good\n", config);
  return ExitCode::kOk;
}

ExitCode RunDaemon(const std::string& config) {
  HardenProcess();
  Signals signals;
  SignalThread hearing(signals);
  const absl::StatusOr<std::shared_ptr<const engine::Options>> options = ReadOptions(config, 1);
  if (!options.ok()) return Refuse(options.status());
  engine::SetLogLevel((*options)->log.level);
  const std::string data_dir = (*options)->node.data_dir;
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Take(data_dir);
  if (!directory.ok()) return Refuse(SetAt(**options, "node.data_dir", directory.status()));
  absl::StatusOr<std::unique_ptr<engine::Audit>> audit = engine::Audit::Open(data_dir);
  if (!audit.ok()) return Refuse(WithExit(audit.status(), ExitCode::kIo));

  // Whatever may refuse a start comes before anything is sent.
  engine::UnixListener control({.path = data_dir + "/control.sock"});
  if (const absl::Status bound = control.Bind(); !bound.ok()) return Refuse(WithExit(bound, ExitCode::kIo));
  std::unique_ptr<engine::HttpListener> http;
  if (!(*options)->http.listen.empty()) {
    absl::StatusOr<std::unique_ptr<engine::HttpListener>> listening =
        engine::HttpListener::Listen((*options)->http.listen, (*options)->node.hostname);
    if (!listening.ok()) return Refuse(WithExit(SetAt(**options, "http.listen", listening.status()), ExitCode::kIo));
    http = *std::move(listening);
  }
  std::atomic<uint64_t> generation{1};
  absl::StatusOr<std::unique_ptr<engine::Node>> node = engine::Node::Open(
      *options, [&config, &generation] { return ReadOptions(config, ++generation); },
      [&audit](const engine::Node::OwnAct& act) { Record(**audit, act); });
  if (!node.ok()) return Refuse(AtStart(node.status()));

  engine::Api api(**node, **audit, {.version = SEALIFT_VERSION, .data_dir = data_dir});
  api.AddTo(control);
  hearing.BeforeSending();
  if (const absl::Status started = (*node)->Start(); !started.ok()) return Refuse(AtStart(started));
  control.Serve();
  if (http != nullptr) {
    http->Serve({.metrics = [&node] { return (*node)->MetricsText(); },
                 .ready = [&node, &audit] { return Both((*node)->Ready(), (*audit)->CanAppend()); }});
  }
  if ((*options)->delivery == engine::Delivery::kSink) engine::LogInfo("SINK: nothing leaves this machine");
  engine::LogInfo("ready", {{"version", SEALIFT_VERSION}, {"data_dir", data_dir}});
  fmt::print("ready\n");
  std::fflush(stdout);
  NotifySupervisor("READY=1");
  hearing.Serve([&node, &audit](const signalfd_siginfo& sender) { ReloadFor(**node, **audit, sender); });

  hearing.AwaitStop();
  NotifySupervisor("STOPPING=1");
  engine::LogInfo("stopping: finishing what is in flight; a second signal stops at once");
  (*node)->Interrupt((*node)->options()->node.drain);
  control.Stop();
  (*node)->Drain();
  http.reset();
  node->reset();
  engine::LogInfo("stopped");
  std::fflush(nullptr);
  _exit(static_cast<int>(ExitCode::kOk));  // a thread still waits for a signal that need not come
}

}  // namespace sealift::tools
