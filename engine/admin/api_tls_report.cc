// What was counted of TLS sessions, and the reports made of it (RFC 8460).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/exit_code.h"
#include "engine/tls_reports.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

// Nothing: none was named.
absl::StatusOr<std::optional<absl::CivilDay>> DayFrom(const std::string& text) {
  if (text.empty()) return std::nullopt;
  absl::CivilDay day;
  if (!absl::ParseCivilTime(text, &day)) {
    return WithExit(absl::InvalidArgumentError("a day is written as 2026-11-27; it is one of UTC"), ExitCode::kUsage);
  }
  return day;
}

json ToJson(const std::string& domain, const ReportedPolicy& policy, const TlsTally::Policy& counted) {
  json failures = json::array();
  for (const auto& [detail, sessions] : counted.details) {
    failures.push_back({{"result", ToString(detail.failure)},
                        {"source", detail.sending_ip},
                        {"mx", detail.receiving_host},
                        {"address", detail.receiving_ip},
                        {"reason", detail.reason},
                        {"sessions", sessions}});
  }
  return {{"domain", domain},
          {"policy", ToString(policy.type)},
          {"policy_text", policy.text},
          {"successful", counted.succeeded},
          {"failed", counted.failed},
          {"failures", std::move(failures)},
          {"without_detail", counted.without_detail}};
}

}  // namespace

absl::StatusOr<json> Api::CountTls(Call& call) {
  const absl::StatusOr<std::optional<absl::CivilDay>> day = DayFrom(call.request.Query("date"));
  if (!day.ok()) return day.status();
  const absl::CivilDay of = day->value_or(TlsReports::DayAt(options_.clock()));
  const TlsTally::Day counted = node_.tls_reports().CountsOf(of, call.request.Query("domain"));
  json answer = {{"date", absl::FormatCivilTime(of)},
                 {"counts", json::array()},
                 {"sessions_without_domain", counted.without_domain}};
  for (const auto& [name, domain] : counted.domains) {
    for (const auto& [policy, sessions] : domain.policies) answer["counts"].push_back(ToJson(name, policy, sessions));
  }
  return answer;
}

absl::StatusOr<json> Api::ListTlsReports(Call& call) {
  if (const std::string name = call.request.Query("name"); !name.empty()) {
    const absl::StatusOr<std::string> text = node_.tls_reports().Read(name);
    if (!text.ok()) return text.status();
    const json report = json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (report.is_discarded()) {
      return WithExit(absl::DataLossError(fmt::format("the report {} is no JSON", name)), ExitCode::kBadData);
    }
    return json{{"name", name}, {"report", report}};
  }
  const absl::StatusOr<std::optional<absl::CivilDay>> day = DayFrom(call.request.Query("date"));
  if (!day.ok()) return day.status();
  json answer = {{"reports", json::array()}};
  for (const KeptReport& report : node_.tls_reports().List(*day, call.request.Query("domain"))) {
    answer["reports"].push_back({{"name", report.name},
                                 {"date", absl::FormatCivilTime(report.day)},
                                 {"domain", report.domain},
                                 {"bytes", report.bytes},
                                 {"written", TimeJson(report.written)}});
  }
  return answer;
}

absl::StatusOr<json> Api::IssueTlsReports(Call& call) {
  const absl::StatusOr<std::string> date = call.Text("date");
  if (!date.ok()) return date.status();
  const absl::StatusOr<std::optional<absl::CivilDay>> day = DayFrom(*date);
  if (!day.ok()) return day.status();
  const absl::CivilDay of = day->value_or(TlsReports::DayAt(options_.clock()));
  call.entry.target = absl::FormatCivilTime(of);
  if (call.entry.reason.empty()) {
    return WithExit(absl::InvalidArgumentError("To report before it is time needs --reason TEXT; it is written to the "
                                               "audit file."),
                    ExitCode::kUsage);
  }
  const absl::StatusOr<TlsReports::Issued> issued = node_.tls_reports().Issue(of);
  if (!issued.ok()) return issued.status();
  return json{{"date", absl::FormatCivilTime(of)},
              {"reports", issued->reports},
              {"mails", issued->mails},
              {"campaign", issued->campaign},
              {"posts", issued->posts},
              {"not_posted", issued->not_posted},
              {"without_record", issued->without_record},
              {"later", issued->later}};
}

}  // namespace sealift::engine
