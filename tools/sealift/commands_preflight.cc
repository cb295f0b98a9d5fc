// campaign preflight, campaign test
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

constexpr size_t kRowsShown = 30;

const std::vector<Column>& FindingColumns() {
  static const std::vector<Column> columns = {
      {"severity", "SEVERITY"}, {"check", "CHECK"}, {"about", "ABOUT"}, {"state", "STATE"}, {"what", "WHAT"}};
  return columns;
}

// The finish in words, as one more row of the record.
json Summary(const json& answer) {
  json summary = answer;
  const json finish = answer.value("finish", json::object());
  if (finish.value("finish", json()).is_string()) {
    summary["projected_finish"] = fmt::format("{} ({} {})", finish["finish"].get<std::string>(),
                                              finish.value("limit", ""), finish.value("value", ""));
  } else {
    summary["projected_finish"] = "no rate binds it";
  }
  summary["expires"] = finish.value("expires", json());
  return summary;
}

// The first of a list, which is the weightiest; how many more there are is said.
void PrintTop(const json& answer, const char* member, const std::vector<Column>& columns, Console& console) {
  json top = {{member, json::array()}};
  const json all = answer.value(member, json::array());
  for (const json& one : all) {
    if (top[member].size() == kRowsShown) break;
    top[member].push_back(one);
  }
  console.Say("");
  console.Rows(top, member, columns);
  if (all.size() > kRowsShown) {
    console.Say(fmt::format("and {} more {}; -o json has them all", all.size() - kRowsShown, member));
  }
}

void PrintTable(const json& answer, Console& console) {
  console.Record(Summary(answer), {{"campaign", "campaign"},
                                   {"stream", "stream"},
                                   {"state", "state"},
                                   {"queued", "queued"},
                                   {"suppressed_at_load", "suppressed at load"},
                                   {"suppressed_now", "suppressed since"},
                                   {"source", "probed from"},
                                   {"projected_finish", "projected finish"},
                                   {"expires", "expires"}});
  PrintTop(answer, "providers",
           {{"provider", "PROVIDER"},
            {"domains", "DOMAINS"},
            {"rows", "ROWS"},
            {"send", "SEND"},
            {"hold", "HOLD"},
            {"bounce", "BOUNCE"},
            {"defer", "DEFER"},
            {"unknown", "UNKNOWN"}},
           console);
  PrintTop(answer, "sites",
           {{"domain", "DOMAIN"},
            {"domains", "DOMAINS"},
            {"rows", "ROWS"},
            {"mx", "MX"},
            {"policy", "POLICY"},
            {"tls", "TLS"},
            {"verified", "VERIFIED"},
            {"fate", "FATE"},
            {"why", "WHY"}},
           console);
  PrintTop(answer, "findings", FindingColumns(), console);
}

ExitCode ExitOf(const std::string& outcome) {
  if (outcome == "delivered") return ExitCode::kOk;
  return outcome == "deferred" || outcome == "pending" ? ExitCode::kTryLater : ExitCode::kBadData;
}

}  // namespace

CommandResult RunCampaignPreflight(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer =
      daemon->Post("/api/v1/campaigns/" + PathPart(call.arguments[0]) + "/preflight", json::object());
  if (!answer.ok()) return answer.status();
  if (console.format() == Format::kTable) {
    PrintTable(*answer, console);
  } else if (console.format() == Format::kCsv) {
    console.Rows(*answer, "findings", FindingColumns());
  } else {
    console.Record(*answer, {});
  }
  if (answer->contains("notice")) console.Say(CellText((*answer)["notice"]));
  return answer->value("result", "") == "ok" ? ExitCode::kOk : ExitCode::kBadData;
}

CommandResult RunCampaignTest(const Invocation& call, Console& console) {
  json body = {{"to", call.Value("to")}, {"reason", call.Value("reason")}};
  if (call.Has("row")) {
    const absl::StatusOr<int> row = ParseCount("row", call.Value("row"), 1, std::numeric_limits<int>::max());
    if (!row.ok()) return row.status();
    if (!call.Has("reason")) {
      return Fail(ExitCode::kUsage,
                  {"campaign test: --row needs --reason", "",
                   "A row's values are somebody's data, and the message shows them to another.",
                   fmt::format("For example: {} --row 1 --reason 'asked by support'", call.command->example)});
    }
    body["row"] = *row;
  }
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Post("/api/v1/campaigns/" + PathPart(call.arguments[0]) + "/test", body);
  if (!answer.ok()) return answer.status();
  console.Record(*answer, {{"campaign", "campaign"},
                           {"test", "sent as"},
                           {"id", "id"},
                           {"recipient", "recipient"},
                           {"values", "values"},
                           {"outcome", "outcome"},
                           {"source", "source"},
                           {"mx", "mx"},
                           {"tls", "tls"},
                           {"cipher", "cipher"},
                           {"verified", "verified"},
                           {"policy", "policy"},
                           {"class", "class"},
                           {"code", "code"},
                           {"reply", "reply"}});
  const std::string outcome = answer->value("outcome", "");
  if (outcome == "deferred" || outcome == "pending") {
    console.Say(fmt::format("It is tried again for an hour at most; `sealift campaign show {}` shows it.",
                            answer->value("test", "")));
  }
  if (outcome == "suppressed") console.Say("The address is suppressed; see `sealift suppression history`.");
  if (answer->contains("notice")) console.Say(CellText((*answer)["notice"]));
  return ExitOf(outcome);
}

}  // namespace sealift::tools
