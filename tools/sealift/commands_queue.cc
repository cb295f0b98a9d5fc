// queue list, shape, retry; message find, show, trace; events
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "queue/reply_line.h"
#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/filter_flags.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

const std::vector<Column>& EventColumns() {
  static const std::vector<Column> columns = {
      {"cursor", "CURSOR"},     {"time", "TIME"},         {"id", "ID"},         {"key", "KEY"},
      {"campaign", "CAMPAIGN"}, {"stream", "STREAM"},     {"source", "SOURCE"}, {"mx", "MX"},
      {"attempt", "ATTEMPT"},   {"outcome", "OUTCOME"},   {"class", "CLASS"},   {"rule", "RULE"},
      {"code", "CODE"},         {"enhanced", "ENHANCED"}, {"reply", "REPLY"},   {"tls", "TLS"},
      {"cipher", "CIPHER"},     {"verified", "VERIFIED"}, {"policy", "POLICY"}, {"recipient", "RECIPIENT"}};
  return columns;
}

// For a table, which has no columns for its codes.
void JoinReply(json& event) {
  event["reply"] = queue::ReplyLine(event.value("code", 0), event.value("enhanced", ""), event.value("reply", ""));
}

void SayUnplaced(const json& answer, Console& console) {
  const uint64_t rows = answer.value("unplaced", uint64_t{0});
  if (rows == 0 || console.format() == Format::kJson) return;
  console.err() << "Of " << rows << " more rows nobody knows the provider yet: the DNS was asked.\n";
}

}  // namespace

CommandResult RunQueueList(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient::Parameters> parameters = FilterQuery(call);
  if (!parameters.ok()) return parameters.status();
  if (call.Has("limit")) {
    const absl::StatusOr<int> limit = ParseCount("limit", call.Value("limit"), 1, 1000);
    if (!limit.ok()) return limit.status();
    (*parameters)["limit"] = std::to_string(*limit);
  }
  if (call.Has("after")) (*parameters)["after"] = call.Value("after");
  if (call.Has("reveal")) (*parameters)["reveal"] = "1";
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/queue/rows", *parameters);
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "rows",
               {{"id", "ID"},
                {"key", "KEY"},
                {"campaign", "CAMPAIGN"},
                {"recipient", "RECIPIENT"},
                {"state", "STATE"},
                {"attempts", "TRIES"},
                {"due", "DUE"},
                {"expires", "EXPIRES"}});
  const std::string cursor = answer->value("cursor", "");
  if (!cursor.empty() && console.format() != Format::kJson)
    console.err() << "There are more: --after " << cursor << "\n";
  SayUnplaced(*answer, console);
  return ExitCode::kOk;
}

CommandResult RunQueueShape(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient::Parameters> parameters = FilterQuery(call);
  if (!parameters.ok()) return parameters.status();
  if (call.Has("limit")) {
    const absl::StatusOr<int> limit = ParseCount("limit", call.Value("limit"), 1, 100'000);
    if (!limit.ok()) return limit.status();
    (*parameters)["limit"] = std::to_string(*limit);
  }
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/queue/shape", *parameters);
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "destinations",
               {{"domain", "DOMAIN"},
                {"queued", "QUEUED"},
                {"retrying", "RETRYING"},
                {"under_5m", "<5M"},
                {"under_1h", "<1H"},
                {"under_4h", "<4H"},
                {"under_1d", "<1D"},
                {"older", "OLDER"}});
  if (const auto others = answer->find("others"); others != answer->end() && console.format() != Format::kJson) {
    console.err() << fmt::format("And {} more destinations with {} messages, {} of them retrying: --limit shows more\n",
                                 answer->value("total", uint64_t{0}) - (*answer)["destinations"].size(),
                                 others->value("queued", uint64_t{0}), others->value("retrying", uint64_t{0}));
  }
  SayUnplaced(*answer, console);
  return ExitCode::kOk;
}

CommandResult RunMessageFind(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Post(
      "/api/v1/messages/find",
      {{"recipient", call.Value("recipient")}, {"reason", call.Value("reason")}, {"reveal", call.Has("reveal")}});
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "messages",
               {{"id", "ID"},
                {"campaign", "CAMPAIGN"},
                {"stream", "STREAM"},
                {"key", "KEY"},
                {"recipient", "RECIPIENT"},
                {"state", "STATE"},
                {"due", "DUE"}});
  if (console.format() == Format::kTable && answer->value("messages", json::array()).empty()) {
    console.Say("No campaign that is remembered has this address.");
  }
  return ExitCode::kOk;
}

namespace {

absl::StatusOr<json> AskOfMessage(const Invocation& call, const std::string& as) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  std::string id = call.arguments[0];
  if (id.starts_with("<") && id.ends_with(">")) id = id.substr(1, id.size() - 2);
  DaemonClient::Parameters parameters = {{"as", as}};
  if (call.Has("reveal")) parameters["reveal"] = "1";
  return daemon->Get("/api/v1/messages/" + PathPart(id), parameters);
}

void RecordMessage(const json& message, Console& console) {
  console.Record(message, {{"id", "id"},
                           {"key", "key"},
                           {"campaign", "campaign"},
                           {"stream", "stream"},
                           {"recipient", "recipient"},
                           {"state", "state"},
                           {"due", "due"},
                           {"waits_for", "waits for"}});
}

}  // namespace

CommandResult RunMessageShow(const Invocation& call, Console& console) {
  const absl::StatusOr<json> answer = AskOfMessage(call, "show");
  if (!answer.ok()) return answer.status();
  RecordMessage(*answer, console);
  return ExitCode::kOk;
}

CommandResult RunMessageTrace(const Invocation& call, Console& console) {
  absl::StatusOr<json> answer = AskOfMessage(call, "trace");
  if (!answer.ok()) return answer.status();
  if (console.format() != Format::kCsv) RecordMessage(*answer, console);
  if (console.machine()) return ExitCode::kOk;
  for (json& attempt : (*answer)["attempts"]) JoinReply(attempt);
  console.Say("");
  console.Rows(*answer, "attempts",
               {{"attempt", "TRY"},
                {"time", "TIME"},
                {"outcome", "OUTCOME"},
                {"class", "CLASS"},
                {"mx", "MX"},
                {"source", "SOURCE"},
                {"tls", "TLS"},
                {"cipher", "CIPHER"},
                {"verified", "VERIFIED"},
                {"policy", "POLICY"},
                {"reply", "REPLY"}});
  return ExitCode::kOk;
}

CommandResult RunEvents(const Invocation& call, Console& console) {
  DaemonClient::Parameters parameters;
  for (const char* name : {"after", "campaign", "outcome"}) {
    if (call.Has(name)) parameters[name] = call.Value(name);
  }
  if (call.Has("since")) {
    const absl::StatusOr<absl::Time> since = ParseTimeArgument("since", call.Value("since"), absl::Now());
    if (!since.ok()) return since.status();
    parameters["since"] = FormatTimeArgument(*since);
  }
  if (call.Has("limit")) {
    const absl::StatusOr<int> limit = ParseCount("limit", call.Value("limit"), 1, 1'000'000'000);
    if (!limit.ok()) return limit.status();
    parameters["limit"] = std::to_string(*limit);
  }
  if (call.Has("follow")) parameters["follow"] = "1";
  if (call.Has("reveal")) parameters["reveal"] = "1";
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();

  // NDJSON unless a table or CSV was asked for by name; -o json is the same lines, so that a stream has no end to wait
  // for.
  const bool lines = !call.format.has_value() || console.machine();
  bool headed = false;
  const absl::Status ended = daemon->Lines("/api/v1/events", parameters, [&](std::string_view line) -> absl::Status {
    if (line.empty()) return absl::OkStatus();
    if (line.starts_with("{\"error\"")) return DaemonClient::ErrorOf(line);
    if (lines) {
      console.out() << line << "\n" << std::flush;
    } else {
      json event = json::parse(line, nullptr, false);
      if (event.is_discarded())
        return Fail(ExitCode::kInternal, {"events: an unreadable line", daemon->socket(), "", ""});
      std::vector<Column> columns = EventColumns();
      if (console.format() == Format::kTable) {
        JoinReply(event);
        columns = {{"time", "TIME"},       {"campaign", "CAMPAIGN"}, {"recipient", "RECIPIENT"},
                   {"outcome", "OUTCOME"}, {"class", "CLASS"},       {"mx", "MX"},
                   {"reply", "REPLY"}};
      }
      console.Row(event, columns, !headed);
      headed = true;
    }
    return console.out() ? absl::OkStatus() : absl::CancelledError("the reader is gone");
  });
  if (absl::IsCancelled(ended)) return ExitCode::kOk;
  if (!ended.ok()) return ended;
  return ExitCode::kOk;
}

}  // namespace sealift::tools
