// tls probe
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

const std::vector<Column>& OutcomeColumns() {
  static const std::vector<Column> columns = {{"policy", "POLICY"}, {"streams", "STREAMS"}, {"applies", "APPLIES"},
                                              {"fate", "FATE"},     {"tls", "TLS"},         {"verified", "VERIFIED"},
                                              {"why", "WHY"}};
  return columns;
}

void PrintTable(const json& answer, Console& console) {
  json summary = answer;
  const json sts = answer.value("mta_sts", json::object());
  summary["sts"] = sts.value("mode", "");
  summary["sts_mx"] = sts.value("mx", json());
  summary["sts_trouble"] = sts.value("trouble", "");
  console.Record(summary, {{"domain", "domain"},
                           {"provider", "provider"},
                           {"mx", "mx"},
                           {"mx_authenticated", "mx signed (DNSSEC)"},
                           {"sts", "mta-sts"},
                           {"sts_mx", "mta-sts hosts"},
                           {"sts_trouble", "mta-sts trouble"}});
  console.Say("");
  console.Rows(answer, "hosts",
               {{"preference", "PREF"},
                {"host", "HOST"},
                {"peer", "PEER"},
                {"starttls", "STARTTLS"},
                {"requiretls", "REQUIRETLS"},
                {"versions", "VERSIONS"},
                {"cipher", "CIPHER"},
                {"dane", "DANE"},
                {"in_sts_policy", "IN MTA-STS"},
                {"certificate_names", "CERTIFICATE"},
                {"certificate_issuer", "ISSUER"},
                {"certificate_expires", "EXPIRES"},
                {"trouble", "TROUBLE"}});
  console.Say("");
  console.Rows(answer, "outcomes", OutcomeColumns());
}

}  // namespace

CommandResult RunTlsProbe(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer =
      daemon->Post("/api/v1/domains/" + PathPart(call.arguments[0]) + "/tls-probe", json::object());
  if (!answer.ok()) return answer.status();
  if (console.format() == Format::kTable) {
    PrintTable(*answer, console);
  } else if (console.format() == Format::kCsv) {
    console.Rows(*answer, "outcomes", OutcomeColumns());
  } else {
    console.Record(*answer, {});
  }
  return ExitCode::kOk;
}

}  // namespace sealift::tools
