// domain list, show, explain; source list, show; throttle list, explain
#include <nlohmann/json.hpp>

#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

// What a source or a domain was told last.
void SayReplies(const json& answer, Console& console) {
  if (answer.value("replies", json::array()).empty()) return;
  console.Say("\nLast replies:");
  console.Rows(answer, "replies", {{"time", "TIME"}, {"reply", "REPLY"}});
}

absl::StatusOr<json> Ask(const Invocation& call, const std::string& path,
                         const DaemonClient::Parameters& parameters = {}) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  return daemon->Get(path, parameters);
}

absl::StatusOr<json> AskOfDomain(const Invocation& call) {
  return Ask(call, "/api/v1/domains/" + PathPart(call.arguments[0]) + "/explain");
}

void RecordDomain(const json& domain, Console& console) {
  console.Record(domain, {{"domain", "domain"},
                          {"site", "site"},
                          {"provider", "provider"},
                          {"hosts", "hosts"},
                          {"queued", "queued"},
                          {"sessions", "open sessions"},
                          {"next_eligible", "goes on at"}});
}

CommandResult Throttles(const Invocation& call, Console& console, const DaemonClient::Parameters& parameters) {
  const absl::StatusOr<json> answer = Ask(call, "/api/v1/throttles", parameters);
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "limits",
               {{"limit", "LIMIT"},
                {"value", "VALUE"},
                {"set_by", "SET BY"},
                {"until", "FREE AT"},
                {"waiting", "ROWS WAIT FOR SUCH"}});
  return ExitCode::kOk;
}

}  // namespace

CommandResult RunDomainList(const Invocation& call, Console& console) {
  DaemonClient::Parameters parameters;
  if (call.Has("limit")) {
    const absl::StatusOr<int> limit = ParseCount("limit", call.Value("limit"), 1, 10'000);
    if (!limit.ok()) return limit.status();
    parameters["limit"] = std::to_string(*limit);
  }
  const absl::StatusOr<json> answer = Ask(call, "/api/v1/domains", parameters);
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "domains", {{"domain", "DOMAIN"}, {"queued", "QUEUED"}, {"retrying", "RETRYING"}});
  return ExitCode::kOk;
}

CommandResult RunDomainShow(const Invocation& call, Console& console) {
  const absl::StatusOr<json> answer = AskOfDomain(call);
  if (!answer.ok()) return answer.status();
  RecordDomain(*answer, console);
  if (console.format() == Format::kTable) SayReplies(*answer, console);
  return ExitCode::kOk;
}

CommandResult RunDomainExplain(const Invocation& call, Console& console) {
  const absl::StatusOr<json> answer = AskOfDomain(call);
  if (!answer.ok()) return answer.status();
  const std::vector<Column> waits = {
      {"rows", "ROWS"}, {"reason", "REASON"}, {"detail", "DETAIL"}, {"set_by", "SET BY"}, {"until", "UNTIL"}};
  if (console.format() == Format::kCsv) {
    console.Rows(*answer, "waits", waits);
    return ExitCode::kOk;
  }
  RecordDomain(*answer, console);
  if (console.machine()) return ExitCode::kOk;
  if (!answer->value("waits", json::array()).empty()) {
    console.Say("\nWhy rows wait, what binds first on top:");
    console.Rows(*answer, "waits", waits);
  }
  if (!answer->value("limits", json::array()).empty()) {
    console.Say("\nLimits in force:");
    console.Rows(*answer, "limits",
                 {{"name", "LIMIT"}, {"value", "VALUE"}, {"set_by", "SET BY"}, {"until", "FREE AT"}});
  }
  SayReplies(*answer, console);
  return ExitCode::kOk;
}

CommandResult RunSourceList(const Invocation& call, Console& console) {
  const absl::StatusOr<json> answer = Ask(call, "/api/v1/sources");
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "sources",
               {{"name", "NAME"},
                {"address", "ADDRESS"},
                {"hostname", "HOSTNAME"},
                {"state", "STATE"},
                {"rate", "RATE"},
                {"connections", "CONNECTIONS"},
                {"blocked", "BLOCKED SITES"}});
  return ExitCode::kOk;
}

CommandResult RunSourceShow(const Invocation& call, Console& console) {
  const absl::StatusOr<json> answer = Ask(call, "/api/v1/sources/" + PathPart(call.arguments[0]));
  if (!answer.ok()) return answer.status();
  std::vector<Column> columns = {{"name", "name"},   {"address", "address"}, {"hostname", "hostname"},
                                 {"pools", "pools"}, {"state", "state"},     {"suspended", "suspended by"}};
  if (answer->contains("unavailable")) columns.push_back({"unavailable", "why"});
  console.Record(*answer, columns);
  if (console.format() != Format::kTable) return ExitCode::kOk;
  if (!answer->value("limits", json::array()).empty()) {
    console.Say("\nLimits in force:");
    console.Rows(*answer, "limits",
                 {{"limit", "LIMIT"}, {"value", "VALUE"}, {"set_by", "SET BY"}, {"until", "FREE AT"}});
  }
  if (!answer->value("restraints", json::array()).empty()) {
    console.Say("\nWhat replies have put on it:");
    console.Rows(*answer, "restraints",
                 {{"where", "WHERE"},
                  {"value", "RATE"},
                  {"rule", "RULE"},
                  {"set_by", "SET BY"},
                  {"since", "SINCE"},
                  {"until", "UNTIL"}});
  }
  if (!answer->value("blocks", json::array()).empty()) {
    console.Say("\nWhere it cannot send now:");
    console.Rows(*answer, "blocks", {{"site", "SITE"}, {"what", "WHAT HAPPENED"}, {"until", "UNTIL"}});
  }
  SayReplies(*answer, console);
  return ExitCode::kOk;
}

CommandResult RunThrottleList(const Invocation& call, Console& console) { return Throttles(call, console, {}); }

CommandResult RunThrottleExplain(const Invocation& call, Console& console) {
  if (call.arguments.empty()) return Throttles(call, console, {{"binding", "1"}});
  return Throttles(call, console, {{"limit", call.arguments[0]}});
}

}  // namespace sealift::tools
