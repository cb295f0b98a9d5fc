// doctor
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/doctor.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/read_config.h"

namespace sealift::tools {
namespace {

using nlohmann::json;
using State = Diagnosis::State;

DaemonAnswer AskDaemon(const Invocation& call) {
  DaemonAnswer answer;
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) {
    answer.status = daemon.status();
    return answer;
  }
  const absl::StatusOr<json> node = daemon->Get("/api/v1/node");
  answer.status = node.status();
  if (!node.ok()) return answer;
  answer.version = node->value("version", "");
  answer.ready = node->value("ready", false);
  answer.why = node->value("why", "");
  answer.audit = node->value("audit", "");
  answer.pid = node->value("pid", 0);
  const absl::StatusOr<json> sources = daemon->Get("/api/v1/sources");
  if (!sources.ok()) return answer;
  for (const json& source : sources->value("sources", json::array())) {
    if (source.contains("unavailable")) answer.unavailable.insert(source.value("name", ""));
  }
  return answer;
}

// The configuration's own mistakes; nothing else can be looked at while there is one.
std::vector<Diagnosis> DiagnoseConfig(const absl::StatusOr<engine::Config>& config, const std::string& path) {
  if (!config.ok()) {
    const Failure failure = FailureOf(config.status());
    return {{"config", path, State::kFailed, failure.why, failure.next}};
  }
  std::vector<Diagnosis> findings;
  for (const engine::ConfigProblem& problem : config->errors) {
    findings.push_back(
        {"config", path, State::kFailed, problem.ToString(), "correct it; `sealift config check` says more"});
  }
  for (const engine::ConfigProblem& problem : config->warnings) {
    findings.push_back({"config", path, State::kWarning, problem.ToString(), ""});
  }
  if (findings.empty()) {
    findings.push_back({"config", path, State::kOk,
                        fmt::format("it is good; delivery is \"{}\"", engine::ToString(config->options->delivery)),
                        ""});
  }
  return findings;
}

}  // namespace

CommandResult RunDoctor(const Invocation& call, Console& console) {
  const absl::StatusOr<engine::Config> config = ReadConfig(call);
  const DaemonAnswer daemon = AskDaemon(call);
  const absl::Time now = absl::Now();
  std::vector<Diagnosis> findings = DiagnoseConfig(config, call.config);
  const auto add = [&](std::vector<Diagnosis> found) { std::ranges::move(found, std::back_inserter(findings)); };
  if (config.ok() && config->errors.empty()) {
    const engine::Options& options = *config->options;
    add(DiagnoseKeys(options));
    add(DiagnoseStorage(options, now));
    add(DiagnoseMachine(options, daemon, now));
    add(DiagnoseSources(options, daemon));
    add(DiagnoseNames(options));
    add(DiagnoseEgress(options, call.Value("reach")));
  } else {
    add(DiagnoseMachine(engine::Options(), daemon, now));
  }
  add(DiagnoseDaemon(daemon, SEALIFT_VERSION));

  const auto count = [&](State state) { return std::ranges::count(findings, state, &Diagnosis::state); };
  json answer = {{"checks", json::array()}, {"failed", count(State::kFailed)}, {"warnings", count(State::kWarning)}};
  for (const Diagnosis& finding : findings) {
    answer["checks"].push_back({{"check", finding.check},
                                {"about", finding.about},
                                {"state", ToString(finding.state)},
                                {"what", finding.what},
                                {"next", finding.next}});
  }
  console.Rows(answer, "checks",
               {{"check", "CHECK"}, {"state", "STATE"}, {"about", "ABOUT"}, {"what", "WHAT"}, {"next", "DO"}});
  console.Say(fmt::format("{} failed, {} warnings", count(State::kFailed), count(State::kWarning)));
  return VerdictOf(findings);
}

}  // namespace sealift::tools
