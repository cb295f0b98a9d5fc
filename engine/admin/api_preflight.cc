// The routes of what is asked of a campaign before it is started.
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/admin/api_mask.h"
#include "engine/exit_code.h"
#include "engine/preflight/report.h"
#include "engine/suppressions.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr char kNotice[] = "SINK: nothing leaves this machine";

json ToJson(const PreflightFinding& finding) {
  return {{"severity", ToString(finding.severity)},
          {"check", finding.check},
          {"about", finding.about},
          {"state", finding.state},
          {"what", finding.what}};
}

json ToJson(const PreflightProvider& provider) {
  json answer = {{"provider", provider.name}, {"domains", provider.domains}, {"rows", provider.rows}};
  for (int i = 0; i < kFates; ++i) answer[std::string(ToString(static_cast<Fate>(i)))] = provider.rows_of[i];
  return answer;
}

json ToJson(const PreflightSite& site) {
  return {{"domain", site.domain},
          {"domains", site.domains},
          {"rows", site.rows},
          {"rows_utf8", site.rows_utf8},
          {"rows_8bit", site.rows_8bit},
          {"smtputf8", site.smtputf8.has_value() ? json(*site.smtputf8) : json()},
          {"eightbitmime", site.eightbitmime.has_value() ? json(*site.eightbitmime) : json()},
          {"provider", site.provider},
          {"hosts", site.hosts},
          {"mx", site.mx},
          {"policy", site.policy},
          {"host", site.host},
          {"tls", site.tls},
          {"verified", site.verified.has_value() ? json(*site.verified) : json()},
          {"fate", ToString(site.fate)},
          {"why", site.why}};
}

json ToJson(const PreflightFinish& finish) {
  return {{"rows", finish.rows},
          {"start", TimeJson(finish.start)},
          {"finish", finish.finish.has_value() ? TimeJson(*finish.finish) : json()},
          {"expires", TimeJson(finish.expires)},
          {"rows_late", finish.rows_late},
          {"limit", finish.limit},
          {"value", finish.value},
          {"set_by", finish.set_by}};
}

template <typename T>
json ListJson(const std::vector<T>& all) {
  json list = json::array();
  for (const T& one : all) list.push_back(ToJson(one));
  return list;
}

}  // namespace

absl::StatusOr<json> Api::PreflightCampaign(Call& call) {
  const absl::StatusOr<PreflightReport> report = node_.RunPreflight(call.Name());
  if (!report.ok()) return report.status();
  json answer = {{"campaign", report->campaign},
                 {"stream", report->stream},
                 {"state", report->state},
                 {"result", report->Fails() ? "fail" : "ok"},
                 {"queued", report->queued},
                 {"suppressed_at_load", report->suppressed_at_load},
                 {"suppressed_now", report->suppressed_now.has_value() ? json(*report->suppressed_now) : json()},
                 {"source", report->source},
                 {"providers", ListJson(report->providers)},
                 {"sites", ListJson(report->sites)},
                 {"findings", ListJson(report->findings)},
                 {"finish", ToJson(report->finish)}};
  if (report->sink) answer["notice"] = kNotice;
  return answer;
}

absl::StatusOr<json> Api::TestCampaign(Call& call) {
  TestMailRequest request;
  const absl::StatusOr<std::string> to = call.Text("to");
  if (!to.ok()) return to.status();
  request.to = *to;
  if (const auto row = call.body.find("row"); row != call.body.end() && !row->is_null()) {
    if (!row->is_number_unsigned() || row->get<uint64_t>() < 1 ||
        row->get<uint64_t>() > std::numeric_limits<uint32_t>::max()) {
      return WithExit(absl::InvalidArgumentError("`row` must be a whole number from 1."), ExitCode::kUsage);
    }
    request.row = row->get<uint32_t>();
    call.entry.target += fmt::format(" row={}", *request.row);
    if (call.entry.reason.empty()) {
      return WithExit(absl::InvalidArgumentError("A row's values are somebody's data: say why they are shown to "
                                                 "another, with --reason."),
                      ExitCode::kUsage);
    }
  }
  const absl::StatusOr<queue::SuppressionRecord> known = node_.suppressions().History(request.to);
  if (!known.ok()) return known.status();
  call.entry.target += " key=" + queue::ToHex(known->key);
  if (absl::Status begun = Begin(call); !begun.ok()) return begun;
  const absl::StatusOr<TestMail> mail = node_.SendTestMail(call.Name(), request);
  if (!mail.ok()) return mail.status();
  call.entry.target += fmt::format(" as={} outcome={}", mail->campaign, mail->outcome);
  json answer = {{"campaign", call.Name()},
                 {"test", mail->campaign},
                 {"id", mail->id},
                 {"recipient", MaskAddress(mail->recipient)},
                 {"values", request.row.has_value() ? fmt::format("of row {}", *request.row) : "made up"},
                 {"outcome", mail->outcome}};
  if (mail->event.has_value()) {
    const json event = engine::ToJson(*mail->event, mail->id, mail->campaign, /*reveal=*/false);
    for (const char* member : {"time", "source", "mx", "class", "rule", "code", "enhanced", "reply", "tls", "cipher",
                               "verified", "policy"}) {
      if (event.contains(member)) answer[member] = event[member];
    }
  }
  if (mail->sink) answer["notice"] = kNotice;
  return answer;
}

}  // namespace sealift::engine
