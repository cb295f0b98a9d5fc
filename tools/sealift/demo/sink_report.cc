#include "tools/sealift/demo/sink_report.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unordered_set>

#include "tools/sealift/failure.h"

namespace sealift::tools {

using nlohmann::json;

absl::StatusOr<SinkReport> ReadSinkReport(const std::string& summary, const std::string& ledger) {
  std::ifstream file(summary);
  const json counted = json::parse(file, nullptr, false);
  if (!counted.is_object() || !counted.contains("totals")) {
    return Fail(engine::ExitCode::kInternal,
                {"demo: the sink left no summary", summary, "It ended before it could write one.", ""});
  }
  const json& totals = counted["totals"];
  const auto total = [&totals](const char* name) { return totals.value(name, uint64_t{0}); };
  SinkReport report;
  report.messages = counted.value("messages", uint64_t{0});
  report.faults = counted.value("faults", uint64_t{0});
  report.in_clear = total("plaintext_mail");
  report.connections = total("connections");
  report.tls_handshakes = total("tls_handshakes");
  report.tls_resumed = total("sessions_resumed");
  report.over_limits = total("over_messages") + total("over_connects") + total("over_connections") +
                       total("over_messages_per_connection");
  std::ifstream lines(ledger);
  std::unordered_set<std::string> ids;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 4; ++i) std::getline(fields, field, '\t');  // time, provider, mailbox, Message-ID
    ids.insert(field);
  }
  report.distinct = ids.size();
  return report;
}

}  // namespace sealift::tools
