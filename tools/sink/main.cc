// sealift-sink: a command line around Sink.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "engine/exit_code.h"
#include "tools/sink/command_line.h"
#include "tools/sink/script_reader.h"
#include "tools/sink/sink.h"

namespace sealift::tools::sink {
namespace {

using engine::ExitCode;

int Fail(ExitCode code, std::string_view message) {
  fmt::print(stderr, "sealift-sink: {}\n", message);
  return static_cast<int>(code);
}

// Whole or not at all: a reader never sees half of it.
bool WriteFile(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  return close(fd) == 0 && written && rename(temporary.c_str(), path.c_str()) == 0;
}

bool WriteOutput(const std::string& path, const std::string& text) {
  if (path.empty()) {
    fmt::print("{}\n", text);
    std::fflush(stdout);
    return true;
  }
  if (WriteFile(path, text + "\n")) return true;
  Fail(ExitCode::kCannotCreate,
       fmt::format("cannot write {}: {}; name a file in a folder of yours", path, strerror(errno)));
  return false;
}

absl::StatusOr<Script> ChooseScript(const CommandLine& line) {
  if (!line.script.empty() || line.demo) {
    absl::StatusOr<Script> script = line.demo ? ReadScript(kDemoScript, "--demo") : ReadScriptFile(line.script);
    if (script.ok() && line.port) script->port = *line.port;
    return script;
  }
  absl::StatusOr<Script> script = ReadScript(kCatchAllScript, "--listen");
  if (!script.ok()) return script;
  const size_t colon = line.listen.rfind(':');
  const absl::StatusOr<engine::Endpoint> at = engine::Endpoint::Parse(line.listen);
  if (!at.ok())
    return absl::OutOfRangeError(fmt::format("--listen {}: {}", line.listen, std::string(at.status().message())));
  std::string address = line.listen.substr(0, colon);
  if (address.starts_with('[')) address = address.substr(1, address.size() - 2);
  if (!address.starts_with("127.") && address != "::1") {
    return absl::OutOfRangeError(
        fmt::format("--listen {}: the sink is for this machine alone; use 127.x.y.z or [::1]", line.listen));
  }
  script->providers[0].hosts[0].address = address;
  script->port = line.port.value_or(at->port());
  return script;
}

// What Sink::Start or a script said, in exit codes.
ExitCode CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNoInput;
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::kConfig;
    case absl::StatusCode::kPermissionDenied:
      return ExitCode::kCannotCreate;
    default:
      return ExitCode::kIo;
  }
}

// As many descriptors as this process may have: a connection is one.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void Describe(const Sink& sink, const CommandLine& line) {
  if (line.ready) {
    fmt::print("ready port={}{}\n", sink.port(), sink.dns() ? " dns=" + sink.dns()->ToString() : "");
    std::fflush(stdout);
    return;
  }
  fmt::print(stderr, "sealift-sink: {} on port {}{}; SIGUSR1 prints the counters, SIGTERM ends it\n",
             sink.script().origin, sink.port(), sink.dns() ? ", DNS at " + sink.dns()->ToString() : "");
}

// Until a signal or the count ends it; false when a summary could not be written.
bool WaitForEnd(const Sink& sink, const CommandLine& line, int signals, int counted) {
  absl::Time next = absl::Now() + line.summary_every;
  while (true) {
    int timeout = -1;
    if (line.summary_every > absl::ZeroDuration()) {
      timeout = static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(next - absl::Now())));
    }
    pollfd fds[2] = {{.fd = signals, .events = POLLIN, .revents = 0}, {.fd = counted, .events = POLLIN, .revents = 0}};
    const int ready = poll(fds, 2, timeout);
    if (ready == 0) {
      if (!WriteOutput(line.summary, sink.StatusJson())) return false;
      next += line.summary_every;
    }
    if (fds[1].revents != 0) return true;
    if (ready <= 0 || fds[0].revents == 0) continue;
    signalfd_siginfo info{};
    if (read(signals, &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) continue;
    if (info.ssi_signo != SIGUSR1) return true;
    WriteOutput(line.status, sink.StatusJson());
  }
}

int Run(const CommandLine& line) {
  absl::StatusOr<Script> script = ChooseScript(line);
  if (!script.ok()) return Fail(CodeOf(script.status()), std::string(script.status().message()));
  if (line.check) {
    fmt::print("{}: {} providers, {} domains; nothing to mend\n", script->origin, script->providers.size(),
               script->domains.size());
    return 0;
  }
  Sink::Options options;
  options.script = *std::move(script);
  options.threads = line.threads;
  options.connections_max = line.connections;
  if (!line.dns.empty()) {
    const absl::StatusOr<engine::Endpoint> dns = engine::Endpoint::Parse(line.dns);
    if (!dns.ok())
      return Fail(ExitCode::kUsage, fmt::format("--dns {}: {}", line.dns, std::string(dns.status().message())));
    options.dns = *dns;
  }
  // The signals are blocked before there are threads, so that only the descriptor ever gets them.
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&wanted, number);
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const Socket signals(signalfd(-1, &wanted, SFD_CLOEXEC));
  const Socket counted(eventfd(0, EFD_CLOEXEC));
  RaiseDescriptorLimit();
  options.ledger = {.file = line.ledger, .folder = line.store, .count = line.count, .on_count = [fd = counted.fd()] {
                      const uint64_t one = 1;
                      static_cast<void>(!write(fd, &one, sizeof(one)));
                    }};
  absl::StatusOr<std::unique_ptr<Sink>> sink = Sink::Start(std::move(options));
  if (!sink.ok()) return Fail(CodeOf(sink.status()), std::string(sink.status().message()));
  if (!line.certificates.empty() && !WriteOutput(line.certificates, (*sink)->certificates())) {
    return static_cast<int>(ExitCode::kCannotCreate);
  }
  Describe(**sink, line);
  const bool summaries = WaitForEnd(**sink, line, signals.fd(), counted.fd());
  (*sink)->Stop();
  if (!summaries || (!line.summary.empty() && !WriteOutput(line.summary, (*sink)->StatusJson()))) {
    return static_cast<int>(ExitCode::kCannotCreate);
  }
  if ((*sink)->ledger().failed()) {
    return Fail(ExitCode::kIo, "the ledger or the store could not be written to the end; look for a full disk");
  }
  return 0;
}

}  // namespace
}  // namespace sealift::tools::sink

int main(int argc, char** argv) {
  sealift::tools::sink::CommandLine line;
  if (const std::optional<int> code = sealift::tools::sink::CommandLine::Read(argc, argv, &line)) return *code;
  return sealift::tools::sink::Run(line);
}
