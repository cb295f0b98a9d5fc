#include "tools/sealift/doctor.h"

#include <fmt/format.h>
#include <linux/io_uring.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "dns/lookup.h"
#include "engine/kek.h"
#include "engine/preflight/sender_checks.h"
#include "engine/signing_keys.h"
#include "engine/source_address.h"
#include "engine/start_parts.h"
#include "tls/sp800_52.h"

namespace sealift::tools {
namespace {

using State = Diagnosis::State;
using engine::ExitCode;

constexpr uint64_t kOwnDescriptors = 1024;  // of the queue's files, the listeners and what stands beside connections
constexpr absl::Duration kBackupAge = absl::Hours(48);
constexpr absl::Duration kDnsPatience = absl::Seconds(30);

Diagnosis Ok(std::string check, std::string about, std::string what) {
  return {std::move(check), std::move(about), State::kOk, std::move(what), ""};
}

// A limit of a process, as /proc tells: "Max open files  1024  524288  files". Nothing: it cannot be read.
std::optional<uint64_t> HardLimitOf(int pid, std::string_view name) {
  std::ifstream file(fmt::format("/proc/{}/limits", pid));
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(name)) continue;
    char soft[32], hard[32];
    if (std::sscanf(line.c_str() + name.size(), " %31s %31s", soft, hard) != 2) return std::nullopt;
    return std::strcmp(hard, "unlimited") == 0 ? UINT64_MAX : std::strtoull(hard, nullptr, 10);
  }
  return std::nullopt;
}

Diagnosis DiagnoseClock(absl::Time now) {
  // Before it was written it did not run; the far end is a clock that lost its battery the other way.
  if (now < absl::FromCivil(absl::CivilYear(2024), absl::UTCTimeZone()) ||
      now > absl::FromCivil(absl::CivilYear(2100), absl::UTCTimeZone())) {
    return {"clock", "", State::kFailed,
            fmt::format("the clock says {}: certificates, expiries and signatures are judged by it",
                        absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone())),
            "set it, and keep it with NTP (systemd-timesyncd or chrony)"};
  }
  timex clock{};
  if (adjtimex(&clock) == TIME_ERROR || (clock.status & STA_UNSYNC) != 0) {
    return {"clock", "", State::kWarning,
            "nothing keeps the clock: one that is set by hand steps, and limits and schedules step with it",
            "let NTP keep it: apt install systemd-timesyncd, or chrony"};
  }
  return Ok("clock", "", "it is kept, and does not step");
}

Diagnosis DiagnoseRing() {
  io_uring_params params{};
  const long fd = syscall(__NR_io_uring_setup, 8, &params);
  if (fd >= 0) {
    close(static_cast<int>(fd));
    return Ok("io_uring", "", "the kernel lets us use it");
  }
  const int error = errno;
  return {
      "io_uring", "", State::kFailed, fmt::format("it cannot be used: {}; nothing is sent without it", strerror(error)),
      error == ENOSYS ? "use a kernel of 5.11 or newer"
                      : "sysctl kernel.io_uring_disabled=0; in a container, allow io_uring_setup, io_uring_enter and "
                        "io_uring_register in its seccomp profile"};
}

Diagnosis DiagnoseFiles(const engine::Options& options, const DaemonAnswer& daemon) {
  uint64_t needed = kOwnDescriptors;
  for (const engine::SourceOptions& source : options.sources)
    needed += static_cast<uint64_t>(std::max(source.connections.count, 0));
  rlimit own{};
  getrlimit(RLIMIT_NOFILE, &own);
  const std::optional<uint64_t> daemons =
      daemon.pid > 0 ? HardLimitOf(daemon.pid, "Max open files") : std::optional<uint64_t>();
  const uint64_t limit = daemons.value_or(own.rlim_max);
  const std::string whose = daemons ? "the daemon" : "a process started here";
  if (limit >= needed) {
    return Ok("files", "",
              fmt::format("{} may open {}; the connections of all sources need {}", whose,
                          limit == UINT64_MAX ? "any number" : fmt::format("{}", limit), needed));
  }
  return {"files", "", State::kFailed,
          fmt::format("{} may open {} files, and the connections of all sources need {}", whose, limit, needed),
          fmt::format("LimitNOFILE={} in its unit, or fewer source.connections", needed)};
}

Diagnosis DiagnoseLockedMemory() {
  utsname system{};
  uname(&system);
  int major = 0, minor = 0;
  std::sscanf(system.release, "%d.%d", &major, &minor);
  if (major > 5 || (major == 5 && minor >= 12)) {
    return Ok("memlock", "", fmt::format("Linux {} does not count rings against it", system.release));
  }
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_max >= (64u << 20)) return Ok("memlock", "", "64 MiB or more");
  return {"memlock", "", State::kFailed,
          fmt::format("Linux {} counts rings against it, and {} bytes are few", system.release, limit.rlim_max),
          "LimitMEMLOCK=64M in the daemon's unit, or Linux 5.12 or newer"};
}

Diagnosis DiagnoseDumps(const DaemonAnswer& daemon) {
  if (daemon.pid <= 0) return Ok("core_dumps", "", "the daemon forbids its own as it starts");
  const std::optional<uint64_t> limit = HardLimitOf(daemon.pid, "Max core file size");
  if (!limit) {
    return {"core_dumps", "", State::kSkipped, "the daemon's limits cannot be read from here",
            "ask as its user or as root"};
  }
  if (*limit == 0) return Ok("core_dumps", "", "the daemon cannot leave one");
  return {"core_dumps", "", State::kFailed, "the daemon could leave one: it would hold keys and letters",
          "restart it; it forbids them itself unless somebody has changed its limits"};
}

Diagnosis DiagnoseBackups(const engine::Options& options, absl::Time now) {
  const std::string& dir = options.backup.dir;
  if (dir.empty()) {
    return {"backup", "", State::kWarning, "none is configured: what is lost with this disk is lost",
            "set dir and key_file in [backup], and run `sealift backup create` daily"};
  }
  std::error_code failed;
  absl::Time newest = absl::InfinitePast();
  for (const auto& entry : std::filesystem::directory_iterator(dir, failed)) {
    struct stat about{};
    const std::string name = entry.path().filename();
    if (entry.path().extension() != ".backup" || !name.starts_with(options.node.hostname) ||
        stat(entry.path().c_str(), &about) != 0)
      continue;
    newest = std::max(newest, absl::TimeFromTimespec(about.st_mtim));
  }
  if (failed) {
    return {"backup", dir, State::kFailed, fmt::format("it cannot be read: {}", failed.message()),
            "make it, for the user that sealiftd runs as"};
  }
  if (const absl::StatusOr<engine::Kek> key = engine::LoadBackupKey(options); !key.ok()) {
    return {"backup", dir, State::kFailed, fmt::format("none can be made: {}", std::string(key.status().message())),
            "correct [backup], and run `sealift backup create`"};
  }
  if (newest == absl::InfinitePast()) {
    return {"backup", dir, State::kWarning, "there is none yet", "run `sealift backup create`"};
  }
  const std::string age = absl::FormatDuration(absl::Trunc(now - newest, absl::Minutes(1)));
  if (now - newest <= kBackupAge) return Ok("backup", dir, fmt::format("the newest is {} old", age));
  return {"backup", dir, State::kWarning, fmt::format("the newest is {} old", age),
          "run `sealift backup create`, daily"};
}

Diagnosis DiagnoseDisk(const engine::Options& options, const std::string& dir) {
  struct statvfs disk{};
  if (statvfs(dir.c_str(), &disk) != 0) {
    return {"disk", dir, State::kFailed, fmt::format("its file system cannot be asked: {}", strerror(errno)),
            "look at the mount"};
  }
  const uint64_t whole = disk.f_blocks * disk.f_frsize, free = disk.f_bavail * disk.f_frsize;
  const uint64_t load = options.storage.stop_load_below.Bytes(whole),
                 send = options.storage.stop_send_below.Bytes(whole);
  const std::string room = fmt::format("{} MiB of {} MiB are free", free >> 20, whole >> 20);
  if (free < send) {
    return {"disk", dir, State::kFailed, fmt::format("{}, less than storage.stop_send_below: nothing is sent", room),
            "free space"};
  }
  if (free < load) {
    return {"disk", dir, State::kFailed, fmt::format("{}, less than storage.stop_load_below: loads are refused", room),
            "free space"};
  }
  if (load < send) {
    return {"disk", dir, State::kWarning, "on this disk sending stops before loads do: what is loaded then waits",
            "raise storage.stop_load_below above storage.stop_send_below"};
  }
  if (free < 2 * load) {
    return {"disk", dir, State::kWarning, fmt::format("{}, less than twice storage.stop_load_below", room),
            "free space soon"};
  }
  return Ok("disk", dir, room);
}

Diagnosis Translated(const engine::PreflightFinding& finding) {
  const State state = finding.severity == engine::Severity::kFail      ? State::kFailed
                      : finding.severity == engine::Severity::kWarn    ? State::kWarning
                      : finding.severity == engine::Severity::kSkipped ? State::kSkipped
                                                                       : State::kOk;
  // Their sentences say what to do themselves.
  return {finding.check, finding.about, state, finding.what.empty() ? finding.state : finding.what, ""};
}

}  // namespace

std::string_view ToString(Diagnosis::State state) {
  switch (state) {
    case State::kOk:
      return "ok";
    case State::kSkipped:
      return "skipped";
    case State::kWarning:
      return "warning";
    case State::kFailed:
      return "failed";
  }
  return "failed";
}

std::vector<Diagnosis> DiagnoseKeys(const engine::Options& options) {
  std::vector<Diagnosis> findings;
  // Reads the key, looks at its mode and its device, and forgets it again.
  absl::StatusOr<engine::Kek> kek = engine::LoadKek(options);
  if (engine::KekIsElsewhere(options)) {
    findings.push_back({"key", "", State::kSkipped,
                        fmt::format("it is the credential {} of the daemon's unit, which the command line cannot look "
                                    "at",
                                    options.keys.kek_credential),
                        ""});
  } else if (kek.ok()) {
    explicit_bzero(kek->data(), kek->size());
    findings.push_back(Ok("key", "", "it can be read, by its owner alone"));
  } else {
    findings.push_back({"key", "", State::kFailed, std::string(kek.status().message()), ""});
  }
  const absl::StatusOr<std::shared_ptr<const engine::SigningKeys>> keys = engine::SigningKeys::Load(options);
  if (!keys.ok()) {
    findings.push_back({"dkim", "", State::kFailed, std::string(keys.status().message()), ""});
  } else if ((*keys)->entries().empty()) {
    findings.push_back({"dkim", "", State::kWarning, "there is no [[dkim]]: mail goes out unsigned",
                        "`sealift dkim generate FILE --domain DOMAIN --selector SELECTOR`"});
  } else {
    findings.push_back(Ok("dkim", "", fmt::format("{} keys can be read", (*keys)->entries().size())));
  }
  if (const absl::Status tls = engine::MakeTlsContext(options).status(); tls.ok()) {
    findings.push_back(Ok("tls", "", "the roots that servers are verified with can be read"));
  } else {
    findings.push_back({"tls", "", State::kFailed, std::string(tls.message()), "correct [tls]"});
  }
  return findings;
}

std::vector<Diagnosis> DiagnoseStorage(const engine::Options& options, absl::Time now) {
  std::vector<Diagnosis> findings;
  const std::string& dir = options.node.data_dir;
  struct stat about{};
  if (stat(dir.c_str(), &about) != 0) {
    const bool absent = errno == ENOENT;
    findings.push_back(
        {"data_dir", dir, absent ? State::kWarning : State::kFailed,
         absent ? "it is not there; sealiftd makes it at its first start"
                : fmt::format("it cannot be looked at: {}", strerror(errno)),
         absent ? "let the daemon's user make it, or make it with mode 0700" : "ask as the daemon's user or as root"});
  } else if (!S_ISDIR(about.st_mode) || (about.st_mode & 0077) != 0) {
    findings.push_back({"data_dir", dir, State::kFailed,
                        fmt::format("its mode is {:04o}, and others must not read it: the daemon does not start",
                                    about.st_mode & 07777),
                        fmt::format("chmod 0700 {}", dir)});
  } else {
    findings.push_back(Ok("data_dir", dir, "its owner's alone"));
  }
  std::filesystem::path there = dir;
  std::error_code ignored;
  while (!std::filesystem::exists(there, ignored) && there.has_parent_path() && there != there.parent_path()) {
    there = there.parent_path();
  }
  findings.push_back(DiagnoseDisk(options, there));
  findings.push_back(DiagnoseBackups(options, now));
  return findings;
}

// The daemon's OpenSSL reads the same configuration.
Diagnosis DiagnoseFips(const engine::Options& options) {
  if (!options.tls.fips)
    return {"fips", "", State::kSkipped, "`tls.fips` is false: TLS is not held to NIST SP 800-52r2", ""};
  if (tls::FipsModuleActive())
    return Ok("fips", "", "OpenSSL's FIPS module computes the algorithms of NIST SP 800-52r2");
  return {"fips", "", State::kWarning,
          "TLS is held to the algorithms of NIST SP 800-52r2, and OpenSSL's FIPS module, which was validated to "
          "compute them, "
          "is not active",
          "where a validated module is asked of you, install one and activate it in openssl.cnf (fips_module(7))"};
}

std::vector<Diagnosis> DiagnoseMachine(const engine::Options& options, const DaemonAnswer& daemon, absl::Time now) {
  return {DiagnoseClock(now),     DiagnoseRing(),        DiagnoseFiles(options, daemon),
          DiagnoseLockedMemory(), DiagnoseDumps(daemon), DiagnoseFips(options)};
}

std::vector<Diagnosis> DiagnoseSources(const engine::Options& options, const DaemonAnswer& daemon) {
  if (options.delivery == engine::Delivery::kSink) {
    return {{"source", "", State::kSkipped, "delivery is \"sink\": nothing leaves from the address of a source", ""}};
  }
  std::vector<Diagnosis> findings;
  std::set<int> absent;
  for (size_t i = 0; i < options.sources.size(); ++i) {
    const engine::SourceOptions& source = options.sources[i];
    if (engine::HasAddressOf(source) && daemon.unavailable.contains(source.name)) {
      findings.push_back({"source", source.name, State::kWarning,
                          fmt::format("this machine has {} now, and had not when the daemon read its configuration: "
                                      "nothing leaves from it",
                                      source.address),
                          "run `sealift reload`"});
      continue;
    }
    if (engine::HasAddressOf(source)) {
      findings.push_back(Ok("source", source.name, fmt::format("this machine has {}", source.address)));
      continue;
    }
    absent.insert(static_cast<int>(i));
    findings.push_back({"source", source.name, State::kWarning,
                        fmt::format("{} is not an address of this machine: nothing leaves from it", source.address),
                        "add it to an interface, or take the source out of its pool"});
  }
  for (const engine::PoolOptions& pool : options.pools) {
    if (pool.source_indexes.empty() ||
        !std::ranges::all_of(pool.source_indexes, [&](int index) { return absent.contains(index); })) {
      continue;
    }
    findings.push_back({"pool", pool.name, State::kFailed,
                        "this machine has none of its sources: the daemon does not start",
                        "add one of their addresses to an interface"});
  }
  return findings;
}

std::vector<Diagnosis> DiagnoseNames(const engine::Options& options) {
  if (options.delivery == engine::Delivery::kSink) {
    return {{"dns", "", State::kSkipped, "delivery is \"sink\": resolver, PTR and DKIM records are not asked for", ""}};
  }
  std::vector<Diagnosis> findings;
  absl::StatusOr<dns::Lookup> lookup = dns::Lookup::Create({.servers = options.dns.servers,
                                                            .timeout = options.dns.timeout,
                                                            .tries = options.dns.tries,
                                                            .deadline = absl::Now() + kDnsPatience});
  if (!lookup.ok()) return {{"resolver", "", State::kFailed, std::string(lookup.status().message()), "look at [dns]"}};
  const dns::AddressAnswer answer = lookup->Addresses(options.node.hostname, AF_INET);
  if (dns::IsTemporary(answer.verdict)) {
    return {{"resolver", "", State::kFailed,
             fmt::format("it answered {} when asked for {}: nothing can be sent", dns::ToString(answer.verdict),
                         options.node.hostname),
             "look at dns.servers, or at /etc/resolv.conf"}};
  }
  findings.push_back(Ok("resolver", "", "it answers"));
  std::set<std::pair<std::string, std::string>> told;
  const auto add = [&](const std::vector<engine::PreflightFinding>& found) {
    for (const engine::PreflightFinding& finding : found) {
      if (told.emplace(finding.check, finding.about).second) findings.push_back(Translated(finding));
    }
  };
  const absl::StatusOr<std::shared_ptr<const engine::SigningKeys>> keys = engine::SigningKeys::Load(options);
  for (const engine::StreamOptions& stream : options.streams) {
    add(engine::CheckPtr(options, stream, *lookup));
    if (keys.ok()) add(engine::CheckDkim(stream, **keys, *lookup));
  }
  return findings;
}

std::vector<Diagnosis> DiagnoseDaemon(const DaemonAnswer& daemon, const std::string& version) {
  if (!daemon.status.ok()) {
    const bool absent = engine::ExitCodeOf(daemon.status) == ExitCode::kNotRunning;
    return {{"daemon", "", State::kWarning,
             absent ? "it does not run, or not with this configuration" : std::string(daemon.status.message()),
             absent ? "systemctl start sealiftd, or sealiftd --config FILE" : ""}};
  }
  std::vector<Diagnosis> findings;
  if (daemon.ready) {
    findings.push_back(Ok("daemon", "", fmt::format("it runs and is ready (process {})", daemon.pid)));
  } else {
    findings.push_back({"daemon", "", State::kFailed, fmt::format("it runs and is not ready: {}", daemon.why), ""});
  }
  if (!daemon.audit.empty()) {
    findings.push_back({"audit", "", State::kFailed, daemon.audit, "`sealift audit verify` says whether it is whole"});
  }
  if (daemon.version == version) {
    findings.push_back(Ok("version", "", fmt::format("daemon and command line are both {}", version)));
  } else {
    findings.push_back({"version", "", State::kWarning,
                        fmt::format("the daemon is {} and the command line {}", daemon.version, version),
                        "restart sealiftd after an upgrade"});
  }
  return findings;
}

ExitCode VerdictOf(const std::vector<Diagnosis>& findings) {
  bool disk = false, passing = false;
  for (const Diagnosis& finding : findings) {
    if (finding.state != State::kFailed) continue;
    if (finding.check == "disk" || finding.check == "audit") {
      disk = true;
    } else if (finding.check == "resolver" || finding.check == "daemon" || finding.check == "sink" ||
               finding.check.starts_with("port_")) {
      passing = true;
    } else {
      return ExitCode::kConfig;
    }
  }
  return disk ? ExitCode::kIo : passing ? ExitCode::kTryLater : ExitCode::kOk;
}

}  // namespace sealift::tools
