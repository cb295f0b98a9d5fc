// suppression add, remove, check, import, export, list, history, undo
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/confirmation.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/entry_list.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/rejects_file.h"
#include "tools/sealift/row_file.h"
#include "tools/sealift/row_upload.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

constexpr char kPath[] = "/api/v1/suppressions";

const std::vector<Column>& EntryColumns() {
  static const std::vector<Column> columns = {{"kind", "KIND"},         {"stream", "STREAM"}, {"campaign", "CAMPAIGN"},
                                              {"time", "TIME"},         {"by", "BY"},         {"source", "SOURCE"},
                                              {"provider", "PROVIDER"}, {"reason", "REASON"}, {"reply", "REPLY"}};
  return columns;
}

std::vector<Column> With(Column first, const std::vector<Column>& others) {
  std::vector<Column> columns = {std::move(first)};
  columns.insert(columns.end(), others.begin(), others.end());
  return columns;
}

// The address and which of its suppressions are meant.
json BodyOf(const Invocation& call) {
  json body = {{"address", call.arguments[0]}};
  for (const char* flag : {"kind", "stream", "campaign", "reason"}) body[flag] = call.Value(flag);
  return body;
}

DaemonClient::Parameters FilterOf(const Invocation& call) {
  DaemonClient::Parameters filter;
  for (const char* flag : {"kind", "stream", "campaign"}) {
    if (call.Has(flag)) filter[flag] = call.Value(flag);
  }
  if (call.Has("reveal")) filter["reveal"] = "1";
  return filter;
}

// "opt_out of stream newsletter"
std::string InShort(const json& entry) {
  const std::string kind = entry.value("kind", "");
  for (const char* scope : {"stream", "campaign"}) {
    if (const std::string name = entry.value(scope, ""); !name.empty())
      return fmt::format("{} of {} {}", kind, scope, name);
  }
  return kind;
}

// A record, and below it in a table what its lists hold.
void Print(const json& answer, const char* list, const std::vector<Column>& summary, const std::vector<Column>& lines,
           Console& console) {
  if (console.format() == Format::kCsv || console.format() == Format::kNdjson) {
    return console.Rows(answer, list, lines);
  }
  console.Record(answer, summary);
  if (console.format() != Format::kTable || answer.value(list, json::array()).empty()) return;
  console.Say("");
  console.Rows(answer, list, lines);
}

}  // namespace

CommandResult RunSuppressionAdd(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Post(std::string(kPath) + "/add", BodyOf(call));
  if (!answer.ok()) return answer.status();
  console.Record(*answer, {{"recipient", "recipient"}, {"key", "key"}, {"added", "added"}});
  if (answer->value("added", uint64_t{0}) == 0) console.Say("It was in force already; nothing was changed.");
  return ExitCode::kOk;
}

CommandResult RunSuppressionRemove(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const std::string path = std::string(kPath) + "/remove";
  const std::vector<Column> columns = {{"recipient", "recipient"},
                                       {"key", "key"},
                                       {"removed", call.Has("dry-run") ? "would be taken back" : "taken back"}};
  json body = BodyOf(call);
  body["dry_run"] = true;
  const absl::StatusOr<json> dry_run = daemon->Post(path, body);
  if (!dry_run.ok()) return dry_run.status();
  if (call.Has("dry-run")) {
    console.Record(*dry_run, columns);
    return ExitCode::kOk;
  }
  const absl::StatusOr<bool> confirmed =
      Confirmed(call, console,
                fmt::format("{} suppressions of {} would be taken back", dry_run->value("removed", uint64_t{0}),
                            dry_run->value("recipient", "")),
                "Mail this address again?", Unasked::kGoOn);
  if (!confirmed.ok()) return confirmed.status();
  if (!*confirmed) {
    console.err() << "Nothing was changed.\n";
    return ExitCode::kInterrupted;
  }
  body["dry_run"] = false;
  const absl::StatusOr<json> answer = daemon->Post(path, body);
  if (!answer.ok()) return answer.status();
  console.Record(*answer, columns);
  return ExitCode::kOk;
}

CommandResult RunSuppressionCheck(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Post(std::string(kPath) + "/check", BodyOf(call));
  if (!answer.ok()) return answer.status();
  std::vector<Column> verdict = {{"recipient", "recipient"},
                                 {"key", "key"},
                                 {"suppressed", "suppressed"},
                                 {"sent_as", "if sent as"},
                                 {"where", "gets nothing of"}};
  if (console.format() == Format::kCsv) {  // the verdict is what was asked: one row, whatever is in force
    json row = *answer;
    row["in_force"] = json::array();
    for (const json& entry : answer->value("in_force", json::array())) row["in_force"].push_back(InShort(entry));
    verdict.push_back({"in_force", "in force"});
    console.Record(row, verdict);
  } else if (console.format() == Format::kNdjson) {
    console.Record(*answer, verdict);
  } else {
    Print(*answer, "in_force", verdict, With({"binds", "BINDS"}, EntryColumns()), console);
  }
  return ExitCode::kOk;
}

CommandResult RunSuppressionHistory(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer =
      daemon->Post(std::string(kPath) + "/history", json{{"address", call.arguments[0]}});
  if (!answer.ok()) return answer.status();
  Print(*answer, "history", {{"recipient", "recipient"}, {"key", "key"}}, With({"act", "ACT"}, EntryColumns()),
        console);
  if (answer->value("history", json::array()).empty()) console.Say("It was never suppressed.");
  return ExitCode::kOk;
}

CommandResult RunSuppressionList(const Invocation& call, Console& console) {
  DaemonClient::Parameters parameters = FilterOf(call);
  if (call.Has("limit")) {
    const absl::StatusOr<int> limit = ParseCount("limit", call.Value("limit"), 1, 1000);
    if (!limit.ok()) return limit.status();
    parameters["limit"] = std::to_string(*limit);
  }
  if (call.Has("after")) parameters["after"] = call.Value("after");
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get(kPath, parameters);
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "suppressions", With({"recipient", "RECIPIENT"}, EntryColumns()));
  const std::string cursor = answer->value("cursor", "");
  if (!cursor.empty() && console.format() != Format::kJson) {
    console.err() << "There are more: --after " << cursor << "\n";
  }
  return ExitCode::kOk;
}

CommandResult RunSuppressionImport(const Invocation& call, Console& console) {
  absl::StatusOr<RowFile> file = RowFile::Open(call.arguments[0], "FILE");
  if (!file.ok()) return file.status();
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  absl::StatusOr<RejectsFile> rejects = RejectsFile::Create(call.Value("rejects"));
  if (!rejects.ok()) return rejects.status();
  json head = json::object();
  for (const char* flag : {"kind", "stream", "campaign", "reason"}) head[flag] = call.Value(flag);
  const absl::StatusOr<json> summary =
      Upload(*daemon,
             {.command = "suppression import",
              .path = std::string(kPath) + "/import",
              .beginning = head.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
              .look_next = "Give the same command again: nothing is added twice."},
             *file, *rejects, console);
  if (!summary.ok()) return summary.status();
  console.Record(*summary, {{"added", "added"}, {"already_in_force", "in force already"}, {"rejected", "rejected"}});
  return summary->value("rejected", uint64_t{0}) == 0 ? ExitCode::kOk : ExitCode::kPartly;
}

CommandResult RunSuppressionExport(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  // CSV unless lines were asked for: what `suppression import` reads.
  const bool lines = call.format.has_value() && console.machine();
  const std::vector<Column> columns = {{"email", "email"},       {"kind", "kind"},         {"stream", "stream"},
                                       {"campaign", "campaign"}, {"time", "time"},         {"reason", "reason"},
                                       {"source", "source"},     {"provider", "provider"}, {"class", "class"},
                                       {"reply", "reply"}};
  console.SetFormat(lines ? console.format() : Format::kCsv);
  EntryList list(console, "suppressions");
  bool headed = false, complete = false;
  const auto print = [&](std::string_view line) -> absl::Status {
    if (line.starts_with("{\"error\"")) return DaemonClient::ErrorOf(line);
    if (line == "{\"end\":true}") {
      complete = true;
      return absl::OkStatus();
    }
    if (lines) {
      list.Add(line);
    } else {
      const json row = json::parse(line, nullptr, false);
      if (row.is_discarded()) {
        return Fail(ExitCode::kInternal, {"suppression export: an unreadable line", daemon->socket(), "", ""});
      }
      console.Row(row, columns, !headed);
      headed = true;
    }
    return console.out() ? absl::OkStatus() : absl::CancelledError("the reader is gone");
  };
  const absl::Status ended = daemon->Lines(std::string(kPath) + "/export", FilterOf(call), print);
  if (!ended.ok() && !absl::IsCancelled(ended)) return ended;
  if (!complete) {
    return Fail(ExitCode::kIo, {"suppression export: the list is not complete", daemon->socket(),
                                "The answer ended early.", "Give the same command again."});
  }
  if (lines) list.End();
  if (!lines && !headed) console.out() << "email,kind,stream,campaign,time,reason,source,provider,class,reply\n";
  return ExitCode::kOk;
}

CommandResult RunSuppressionUndo(const Invocation& call, Console& console) {
  json body = {
      {"source", call.Value("source")}, {"provider", call.Value("provider")}, {"reason", call.Value("reason")}};
  const absl::Time now = absl::Now();
  for (const char* flag : {"since", "until"}) {
    const absl::StatusOr<absl::Time> time = ParseTimeArgument(flag, call.Value(flag), now);
    if (!time.ok()) return time.status();
    body[flag] = FormatTimeArgument(*time);
  }
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const std::string path = std::string(kPath) + "/undo";
  body["dry_run"] = true;
  const absl::StatusOr<json> dry_run = daemon->Post(path, body);
  if (!dry_run.ok()) return dry_run.status();
  if (call.Has("dry-run")) {
    console.Record(*dry_run, {{"removed", "hard bounces that would be taken back"}});
    return ExitCode::kOk;
  }
  const absl::StatusOr<bool> confirmed =
      Confirmed(call, console,
                fmt::format("{} hard bounces of {} would be taken back", dry_run->value("removed", uint64_t{0}),
                            call.Value("source")),
                "Mail these addresses again?");
  if (!confirmed.ok()) return confirmed.status();
  if (!*confirmed) {
    console.err() << "Nothing was changed.\n";
    return ExitCode::kInterrupted;
  }
  body["dry_run"] = false;
  const absl::StatusOr<json> answer = daemon->Post(path, body);
  if (!answer.ok()) return answer.status();
  console.Record(*answer, {{"removed", "hard bounces that were taken back"}});
  return ExitCode::kOk;
}

}  // namespace sealift::tools
