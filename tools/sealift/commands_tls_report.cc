// tls report, tls reports, tls send-report
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

DaemonClient::Parameters Which(const Invocation& call) {
  DaemonClient::Parameters parameters;
  for (const char* flag : {"date", "domain"}) {
    if (call.Has(flag)) parameters[flag] = call.Value(flag);
  }
  return parameters;
}

// One line a way of failing, and one for what succeeded.
json LinesOf(const json& answer) {
  json lines = json::array();
  for (const json& counted : answer.value("counts", json::array())) {
    const auto line = [&](const std::string& result, const json& sessions, const json& failure) {
      lines.push_back({{"domain", counted["domain"]},
                       {"policy", counted["policy"]},
                       {"result", result},
                       {"sessions", sessions},
                       {"mx", failure.value("mx", "")},
                       {"address", failure.value("address", "")},
                       {"source", failure.value("source", "")},
                       {"reason", failure.value("reason", "")}});
    };
    if (counted["successful"] != 0) line("successful", counted["successful"], json::object());
    for (const json& failure : counted["failures"]) line(failure["result"], failure["sessions"], failure);
    if (counted["without_detail"] != 0) line("failed, in further ways", counted["without_detail"], json::object());
  }
  return lines;
}

}  // namespace

CommandResult RunTlsReport(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/tls/counts", Which(call));
  if (!answer.ok()) return answer.status();
  if (console.machine()) {
    console.Record(*answer, {});
    return ExitCode::kOk;
  }
  console.Rows({{"lines", LinesOf(*answer)}}, "lines",
               {{"domain", "DOMAIN"},
                {"policy", "POLICY"},
                {"result", "RESULT"},
                {"sessions", "SESSIONS"},
                {"mx", "MX"},
                {"address", "ADDRESS"},
                {"source", "SOURCE"},
                {"reason", "REASON"}});
  if (const json& beyond = (*answer)["sessions_without_domain"]; beyond != 0) {
    console.Say(fmt::format("{} sessions with further domains are counted together.", CellText(beyond)));
  }
  return ExitCode::kOk;
}

CommandResult RunTlsReports(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  DaemonClient::Parameters parameters = Which(call);
  if (!call.arguments.empty()) parameters["name"] = call.arguments[0];
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/tls/reports", parameters);
  if (!answer.ok()) return answer.status();
  if (!call.arguments.empty()) {
    console.out() << (*answer)["report"].dump(2) << '\n';
    return ExitCode::kOk;
  }
  console.Rows(*answer, "reports",
               {{"name", "NAME"}, {"date", "DATE"}, {"domain", "DOMAIN"}, {"bytes", "BYTES"}, {"written", "WRITTEN"}});
  return ExitCode::kOk;
}

CommandResult RunTlsSendReport(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer =
      daemon->Post("/api/v1/tls/reports", {{"date", call.Value("date")}, {"reason", call.Value("reason")}});
  if (!answer.ok()) return answer.status();
  console.Record(*answer, {{"date", "date"},
                           {"reports", "reports made"},
                           {"mails", "mailed"},
                           {"campaign", "as campaign"},
                           {"posts", "posted"},
                           {"not_posted", "not taken by web servers"},
                           {"without_record", "domains that want none"},
                           {"later", "domains to be asked again"}});
  return ExitCode::kOk;
}

}  // namespace sealift::tools
