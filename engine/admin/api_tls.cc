// The route of what a destination's TLS is asked.
#include <nlohmann/json.hpp>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/tls_probe_report.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

json TimeOrNull(const std::optional<absl::Time>& time) { return time.has_value() ? TimeJson(*time) : json(); }

json ToJson(const TlsProbeReport::Host& host) {
  return {{"host", host.name},
          {"preference", host.preference},
          {"in_sts_policy", host.in_sts_policy},
          {"peer", host.peer},
          {"dane", host.dane},
          {"starttls", host.starttls},
          {"requiretls", host.requiretls},
          {"versions", host.versions},
          {"cipher", host.cipher},
          {"certificate_names", host.certificate_names},
          {"certificate_expires", TimeOrNull(host.certificate_expires)},
          {"certificate_issuer", host.certificate_issuer},
          {"trouble", host.trouble}};
}

json ToJson(const TlsProbeReport::Outcome& outcome) {
  return {{"policy", outcome.policy}, {"streams", outcome.streams}, {"applies", outcome.applies},
          {"fate", outcome.fate},     {"tls", outcome.tls},         {"verified", outcome.verified},
          {"why", outcome.why}};
}

template <typename T>
json ListJson(const std::vector<T>& all) {
  json list = json::array();
  for (const T& one : all) list.push_back(ToJson(one));
  return list;
}

}  // namespace

absl::StatusOr<json> Api::ProbeTls(Call& call) {
  const absl::StatusOr<TlsProbeReport> report = node_.ProbeTls(call.Name());
  if (!report.ok()) return report.status();
  return json{{"domain", report->domain},
              {"provider", report->provider},
              {"mx", report->mx},
              {"mx_authenticated", report->mx_authenticated},
              {"mta_sts",
               {{"mode", report->sts},
                {"id", report->sts_id},
                {"mx", report->sts_mx},
                {"expires", TimeOrNull(report->sts_expires)},
                {"trouble", report->sts_trouble}}},
              {"hosts", ListJson(report->hosts)},
              {"outcomes", ListJson(report->outcomes)}};
}

}  // namespace sealift::engine
