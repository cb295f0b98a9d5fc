#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/exit_code.h"
#include "engine/options.h"

namespace sealift::tools {

// One thing that was looked at.
struct Diagnosis {
  enum class State { kOk, kSkipped, kWarning, kFailed };

  std::string check;  // config, key, data_dir, disk, clock, io_uring, files, memlock, fips, source, dkim, ...
  std::string about;  // a source, a key, a path; may be empty
  State state = State::kOk;
  std::string what;  // what was found, and why it matters
  std::string next;  // what to do; empty where all is well
};

// "ok", "skipped", "warning", "failed"
std::string_view ToString(Diagnosis::State state);

// What the daemon says of itself, when it runs.
struct DaemonAnswer {
  absl::Status status;  // of the question: Ok, or why there is no answer
  std::string version;
  bool ready = false;
  std::string why;    // it is not ready
  std::string audit;  // why the audit file takes no entry
  int pid = 0;
  std::set<std::string> unavailable;  // sources whose address the machine did not have when it looked
};

// The checks, a group each. They read, and change nothing; those of the DNS block and are made in live mode only, for
// in sink mode even a question would leave the machine. What a start refuses is refused by the same code here.
std::vector<Diagnosis> DiagnoseKeys(const engine::Options& options);
std::vector<Diagnosis> DiagnoseStorage(const engine::Options& options, absl::Time now);
std::vector<Diagnosis> DiagnoseMachine(const engine::Options& options, const DaemonAnswer& daemon, absl::Time now);
std::vector<Diagnosis> DiagnoseSources(const engine::Options& options, const DaemonAnswer& daemon);
std::vector<Diagnosis> DiagnoseNames(const engine::Options& options);
// Whether each source reaches a mail server, one of the domain's, up to its greeting; without a domain nobody is
// connected to. In sink mode, whether the sink answers.
std::vector<Diagnosis> DiagnoseEgress(const engine::Options& options, const std::string& domain);
std::vector<Diagnosis> DiagnoseDaemon(const DaemonAnswer& daemon, const std::string& version);

// 0 when nothing failed. 78: something of the configuration, its keys or its sources, or what the machine grants. Else
// 74: the disk, the audit file. Else 75: what may pass: the resolver, who is not reached, a daemon that is not ready.
engine::ExitCode VerdictOf(const std::vector<Diagnosis>& findings);

}  // namespace sealift::tools
