// config check, config show, config diff, reload, audit tail, audit verify, audit export, version
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/config_show.h"
#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/entry_list.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/read_config.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

json ProblemJson(const engine::ConfigProblem& problem) {
  return {{"file", problem.file}, {"line", problem.line}, {"column", problem.column}, {"text", problem.text}};
}

// What would be lost as CSV.
absl::Status NoRows(const std::string& command) {
  return Fail(ExitCode::kUsage, {command + ": there is no CSV of it", "",
                                 "It is no list of rows with the same columns.", "Use -o json, or leave -o out."});
}

}  // namespace

CommandResult RunConfigCheck(const Invocation& call, Console& console) {
  const absl::StatusOr<engine::Config> config = ReadConfig(call);
  if (!config.ok()) return config.status();
  if (!config->errors.empty()) return Refused(*config, call.config);
  json answer = {{"file", call.config},
                 {"ok", true},
                 {"delivery", engine::ToString(config->options->delivery)},
                 {"streams", config->options->streams.size()},
                 {"sources", config->options->sources.size()},
                 {"warnings", json::array()}};
  for (const engine::ConfigProblem& problem : config->warnings) {
    answer["warnings"].push_back(ProblemJson(problem));
    if (!console.machine()) console.err() << "warning: " << problem.ToString() << "\n";
  }
  console.Record(
      answer,
      {{"file", "file"}, {"ok", "good"}, {"delivery", "delivery"}, {"streams", "streams"}, {"sources", "sources"}});
  return ExitCode::kOk;
}

CommandResult RunConfigShow(const Invocation& call, Console& console) {
  json answer;
  if (call.Has("file")) {
    const absl::StatusOr<engine::Config> config = ReadConfig(call);
    if (!config.ok()) return config.status();
    if (!config->errors.empty()) return Refused(*config, call.config);
    answer = {{"toml", engine::ShowEffective(*config->options)}, {"values", json::array()}};
    for (const engine::EffectiveValue& one : engine::ListEffective(*config->options)) {
      answer["values"].push_back({{"key", one.key}, {"value", one.value}, {"set_by", one.set_by}});
    }
  } else {
    absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
    if (!daemon.ok()) return daemon.status();
    absl::StatusOr<json> shown = daemon->Get("/api/v1/config");
    if (!shown.ok()) return shown.status();
    answer = *std::move(shown);
  }
  if (console.format() == Format::kTable) {
    console.out() << answer.value("toml", "") << std::flush;
  } else {
    console.Rows(answer, "values", {{"key", "SETTING"}, {"value", "VALUE"}, {"set_by", "SET BY"}});
  }
  return ExitCode::kOk;
}

CommandResult RunConfigDiff(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/config/diff");
  if (!answer.ok()) return answer.status();
  const json changes = answer->value("changes", json::array()), keys = answer->value("keys", json::array());
  if (console.format() == Format::kTable && changes.empty() && keys.empty()) {
    console.Say("Nothing differs: a reload would change nothing.");
    return ExitCode::kOk;
  }
  console.Rows(
      *answer, "changes",
      {{"key", "SETTING"}, {"before", "NOW"}, {"after", "THEN"}, {"effect", "EFFECT"}, {"weakens_tls", "WEAKER"}});
  for (const json& key : keys) console.Say(CellText(key));
  for (const json& policy : answer->value("weaker", json::array())) console.Say("weaker: " + CellText(policy));
  if (answer->value("needs_restart", false)) {
    console.Say("A reload is refused as long as a setting that needs a restart differs.");
  } else if (answer->value("needs_allow_weaker", false)) {
    console.Say("A reload needs --allow-weaker --reason TEXT.");
  }
  return ExitCode::kOk;
}

CommandResult RunReload(const Invocation& call, Console& console) {
  if (call.Has("allow-weaker") && call.Value("reason").empty()) {
    return Fail(ExitCode::kUsage,
                {"reload: --allow-weaker needs --reason", "",
                 "A weaker TLS policy is written to the audit file with its reason.", "Give --reason TEXT."});
  }
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer =
      daemon->Post("/api/v1/reload", {{"allow_weaker", call.Has("allow-weaker")}, {"reason", call.Value("reason")}});
  if (!answer.ok()) return answer.status();
  if (console.format() == Format::kTable) {
    const json changes = answer->value("changes", json::array());
    if (changes.empty()) console.Say("The configuration was read again; nothing has changed.");
    for (const json& change : changes) console.Say(CellText(change));
  } else {
    console.Record(*answer, {{"changes", "changes"}});
  }
  return ExitCode::kOk;
}

CommandResult RunAuditTail(const Invocation& call, Console& console) {
  const absl::StatusOr<int> lines = ParseCount("lines", call.Value("lines", "20"), 1, 10000);
  if (!lines.ok()) return lines.status();
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/audit", {{"lines", std::to_string(*lines)}});
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "entries",
               {{"time", "TIME"},
                {"user", "USER"},
                {"command", "COMMAND"},
                {"target", "TARGET"},
                {"reason", "REASON"},
                {"result", "RESULT"}});
  return ExitCode::kOk;
}

CommandResult RunAuditVerify(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/audit/verify");
  if (!answer.ok()) return answer.status();
  console.Record(*answer, {{"lines", "lines"}, {"intact", "intact"}});
  return ExitCode::kOk;
}

CommandResult RunAuditExport(const Invocation& call, Console& console) {
  if (console.format() == Format::kCsv) return NoRows("audit export");
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  EntryList entries(console, "entries");
  bool complete = false;
  const absl::Status ended = daemon->Lines("/api/v1/audit/export", {}, [&](std::string_view line) -> absl::Status {
    if (line == "{\"end\":true}") {
      complete = true;
      return absl::OkStatus();
    }
    entries.Add(line);
    return console.out() ? absl::OkStatus() : absl::CancelledError("the reader is gone");
  });
  if (absl::IsCancelled(ended)) return ExitCode::kOk;
  if (!ended.ok()) return ended;
  if (complete) {
    entries.End();
    return ExitCode::kOk;
  }
  return Fail(ExitCode::kIo, {"audit export: the file is not complete", daemon->socket(), "The answer ended early.",
                              "Give the same command again."});
}

CommandResult RunVersion(const Invocation& call, Console& console) {
  json answer = {{"version", SEALIFT_VERSION}, {"daemon", nullptr}};
  // A daemon that does not run, or a configuration that is not there, is no failure of this question.
  if (absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call); daemon.ok()) {
    if (const absl::StatusOr<json> node = daemon->Get("/api/v1/node"); node.ok()) answer["daemon"] = *node;
  }
  if (console.format() != Format::kTable) {
    console.Record(answer, {{"version", "version"}});
    return ExitCode::kOk;
  }
  console.Say(fmt::format("sealift {}", SEALIFT_VERSION));
  if (const json& node = answer["daemon"]; node.is_object()) {
    console.Say(
        fmt::format("sealiftd {}, delivery {}, {}", CellText(node.value("version", json(""))),
                    CellText(node.value("delivery", json(""))),
                    node.value("ready", false) ? "ready" : "not ready: " + CellText(node.value("why", json("")))));
    if (node.contains("notice")) console.Say(CellText(node["notice"]));
  }
  return ExitCode::kOk;
}

}  // namespace sealift::tools
