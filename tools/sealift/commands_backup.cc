// backup create, list, verify, restore, reconcile
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/kek.h"
#include "queue/backup.h"
#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/confirmation.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/files.h"
#include "tools/sealift/read_config.h"
#include "tools/sealift/row_file.h"
#include "tools/sealift/row_upload.h"
#include "tools/sealiftd/data_directory.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

std::string TimeText(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

json LabelJson(const std::string& file, const queue::BackupLabel& label) {
  return {{"file", file},
          {"hostname", label.hostname},
          {"taken", TimeText(label.taken)},
          {"campaigns", label.campaigns},
          {"rows", label.rows}};
}

absl::StatusOr<std::shared_ptr<const engine::Options>> OptionsOf(const Invocation& call) {
  const absl::StatusOr<engine::Config> config = ReadConfig(call);
  if (!config.ok()) return config.status();
  if (!config->errors.empty()) return Refused(*config, call.config);
  return config->options;
}

absl::Status Failed(const absl::Status& status, const std::string& what) {
  const ExitCode code = absl::IsNotFound(status)             ? ExitCode::kNoInput
                        : absl::IsDataLoss(status)           ? ExitCode::kBadData
                        : absl::IsFailedPrecondition(status) ? ExitCode::kConfig
                        : absl::IsAlreadyExists(status)      ? ExitCode::kCannotCreate
                                                             : ExitCode::kIo;
  return Because(engine::WithExit(status, code), what);
}

absl::StatusOr<engine::Kek> BackupKey(const engine::Options& options) {
  absl::StatusOr<engine::Kek> key = engine::LoadBackupKey(options);
  return key.ok() ? key : engine::WithExit(key.status(), ExitCode::kConfig);
}

// What was in force in the backup is in the file, unless it was taken back since, or the file is not whole.
uint64_t MissingOf(const json& imported) {
  const auto in_backup = imported.value("in_backup", uint64_t{0}),
             there = imported.value("already_in_force", uint64_t{0});
  return in_backup - std::min(in_backup, there);
}

// What an import of suppressions says becomes a part of what a reconciliation says.
void AddSuppressed(const json& imported, json* answer) {
  (*answer)["suppressed"] = imported.value("added", uint64_t{0});
  (*answer)["suppressions"] = imported;
  (*answer)["suppressions"]["missing"] = MissingOf(imported);
}

absl::Status CheckSuppressionsWhole(const Invocation& call, const json& imported) {
  const uint64_t missing = MissingOf(imported);
  if (missing == 0) return absl::OkStatus();
  if (call.Has("taken-back")) {
    const absl::StatusOr<int> taken_back = ParseCount("taken-back", call.Value("taken-back"), 1, 1'000'000'000);
    if (!taken_back.ok()) return taken_back.status();
    if (static_cast<uint64_t>(*taken_back) == missing) return absl::OkStatus();
  }
  return Fail(
      ExitCode::kBadData,
      {"backup reconcile: the file of suppressions may not be whole", call.Value("suppressions"),
       fmt::format("{} of the {} that were in force in the backup are not in it. Where it lacks these it may lack "
                   "those who have opted out since, who would get mail. Nothing was changed.",
                   missing, imported.value("in_backup", uint64_t{0})),
       fmt::format("Give all that `sealift suppression export --reveal` printed, without a filter; if they were "
                   "taken back since, --taken-back {}.",
                   missing)});
}

}  // namespace

CommandResult RunBackupCreate(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Post("/api/v1/backup/create", json::object());
  if (!answer.ok()) return answer.status();
  console.Record(
      *answer,
      {{"file", "file"}, {"bytes", "bytes"}, {"taken", "as of"}, {"campaigns", "campaigns"}, {"rows", "queued rows"}});
  return ExitCode::kOk;
}

CommandResult RunBackupList(const Invocation& call, Console& console) {
  const absl::StatusOr<std::shared_ptr<const engine::Options>> options = OptionsOf(call);
  if (!options.ok()) return options.status();
  const absl::StatusOr<engine::Kek> key = BackupKey(**options);
  if (!key.ok()) return key.status();
  const std::string& dir = (*options)->backup.dir;
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.is_regular_file() && entry.path().extension() == ".backup") files.push_back(entry.path());
  }
  if (error) {
    return Fail(ExitCode::kNoInput,
                {"backup list: the directory cannot be read", dir, error.message() + ".", "Set dir in [backup]."});
  }
  std::ranges::sort(files);
  json answer = {{"backups", json::array()}};
  bool all = true;
  for (const std::string& file : files) {
    const absl::StatusOr<queue::BackupLabel> label = queue::ReadBackupLabel(file, *key);
    json line = label.ok() ? LabelJson(file, *label) : json{{"file", file}};
    line["bytes"] = std::filesystem::file_size(file, error);
    line["note"] = label.ok() ? "" : std::string(label.status().message());
    all = all && label.ok();
    answer["backups"].push_back(std::move(line));
  }
  console.Rows(answer, "backups",
               {{"taken", "AS OF"},
                {"hostname", "NODE"},
                {"campaigns", "CAMPAIGNS"},
                {"rows", "QUEUED ROWS"},
                {"bytes", "BYTES"},
                {"file", "FILE"},
                {"note", "NOTE"}});
  return all ? ExitCode::kOk : ExitCode::kPartly;
}

CommandResult RunBackupVerify(const Invocation& call, Console& console) {
  const absl::StatusOr<std::shared_ptr<const engine::Options>> options = OptionsOf(call);
  if (!options.ok()) return options.status();
  const absl::StatusOr<engine::Kek> key = BackupKey(**options);
  if (!key.ok()) return key.status();
  const std::string& file = call.arguments[0];
  const absl::StatusOr<queue::BackupCheck> check =
      queue::VerifyBackup(file, *key, call.Value("scratch", file + ".verifying"));
  if (absl::IsAlreadyExists(check.status())) return Failed(check.status(), "backup verify: nothing was verified");
  if (!check.ok()) return Failed(check.status(), "backup verify: the backup cannot be relied upon");
  json answer = LabelJson(file, check->label);
  answer["files"] = check->files;
  answer["campaigns"] = check->campaigns;
  answer["rows"] = check->rows;
  answer["good"] = true;
  console.Record(answer, {{"file", "file"},
                          {"hostname", "node"},
                          {"taken", "as of"},
                          {"campaigns", "campaigns"},
                          {"rows", "queued rows"},
                          {"good", "good"}});
  return ExitCode::kOk;
}

CommandResult RunBackupRestore(const Invocation& call, Console& console) {
  const absl::StatusOr<std::shared_ptr<const engine::Options>> options = OptionsOf(call);
  if (!options.ok()) return options.status();
  const absl::StatusOr<engine::Kek> key = BackupKey(**options);
  if (!key.ok()) return key.status();
  const absl::StatusOr<engine::Kek> kek = engine::LoadKek(**options);
  if (!kek.ok()) return engine::WithExit(kek.status(), ExitCode::kConfig);
  const std::string& data_dir = (*options)->node.data_dir;
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Take(data_dir);
  if (!directory.ok()) return directory.status();
  const std::string& file = call.arguments[0];
  const absl::StatusOr<queue::BackupLabel> label =
      queue::RestoreBackup({.path = file, .key = *key, .data_dir = data_dir, .kek = *kek, .now = absl::Now()});
  if (!label.ok()) return Failed(label.status(), "backup restore: nothing was restored");
  json answer = LabelJson(file, *label);
  answer["data_dir"] = data_dir;
  console.Record(answer, {{"data_dir", "restored into"},
                          {"hostname", "from the node"},
                          {"taken", "as of"},
                          {"campaigns", "campaigns"},
                          {"rows", "queued rows"}});
  console.Say(
      "Every queued row is in doubt: it may have been sent since. Start sealiftd, which sends nothing, and give it "
      "what "
      "happened since:\n  sealift backup reconcile --events FILE --suppressions FILE");
  return ExitCode::kOk;
}

CommandResult RunBackupReconcile(const Invocation& call, Console& console) {
  const bool dry_run = call.Has("dry-run");
  if (!call.Has("events") || !(call.Has("suppressions") || dry_run)) {
    return Fail(ExitCode::kUsage,
                {"backup reconcile: both files are needed", "",
                 "Without the events rows would be sent twice, without the suppressions to who has opted out since.",
                 "Give --events FILE and --suppressions FILE. To send all that is queued without knowing what was sent "
                 "since: `sealift queue release --state in_doubt --reason TEXT`."});
  }
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> node = daemon->Get("/api/v1/node");
  if (!node.ok()) return node.status();
  if (!node->contains("in_doubt") || (*node)["in_doubt"].is_null()) {
    return Fail(ExitCode::kUsage, {"backup reconcile: this node is not in doubt", daemon->socket(),
                                   "It was not restored, or what followed is reconciled already.", ""});
  }
  absl::StatusOr<RejectsFile> no_rejects = RejectsFile::Create("");
  if (!no_rejects.ok()) return no_rejects.status();
  const auto pass = [&](bool dry) -> absl::StatusOr<json> {
    absl::StatusOr<RowFile> events = RowFile::Open(call.Value("events"), "--events");
    if (!events.ok()) return events.status();
    const json head = {{"dry_run", dry}, {"incomplete", call.Has("incomplete")}, {"reason", call.Value("reason")}};
    return Upload(*daemon,
                  {.command = "backup reconcile",
                   .path = "/api/v1/backup/reconcile",
                   .beginning = head.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
                   .look_next = "Give the same command again: nothing is settled twice."},
                  *events, *no_rejects, console);
  };
  // Who has opted out since; null: the file was not given.
  const auto suppress = [&](bool dry) -> absl::StatusOr<json> {
    if (!call.Has("suppressions")) return json();
    absl::StatusOr<RowFile> file = RowFile::Open(call.Value("suppressions"), "--suppressions");
    if (!file.ok()) return file.status();
    const json head = {{"reason", "backup reconcile"}, {"dry_run", dry}};
    return Upload(*daemon,
                  {.command = "backup reconcile",
                   .path = "/api/v1/suppressions/import",
                   .beginning = head.dump() + "\n",
                   .look_next = "Give the same command again: nothing is added twice."},
                  *file, *no_rejects, console);
  };
  const std::vector<Column> columns = {{"events", "events read"},
                                       {"newest_event", "the newest of"},
                                       {"settled", "rows settled since the backup"},
                                       {"settled_before", "  settled in it already"},
                                       {"held_in_doubt", "rows held in doubt since, and here too"},
                                       {"not_in_backup", "  not in it"},
                                       {"masked", "events that name nobody (exported without --reveal)"},
                                       {"loads_ended", "loads that end where it has them"},
                                       {"names_taken", "campaigns loaded since, names taken"},
                                       {"campaigns_cancelled", "campaigns cancelled since"},
                                       {"suppressed", "addresses suppressed since"},
                                       {"left", dry_run ? "rows that would be sent" : "rows left to send"},
                                       {"sending_on", dry_run ? "campaigns that would go on" : "campaigns that go on"},
                                       {"released", "sending goes on"}};
  absl::StatusOr<json> would = pass(/*dry=*/true);
  if (!would.ok()) return would.status();
  if (dry_run) {
    const absl::StatusOr<json> suppressed = suppress(/*dry=*/true);
    if (!suppressed.ok()) return suppressed.status();
    if (suppressed->is_object()) AddSuppressed(*suppressed, &*would);
    console.Record(*would, columns);
    return ExitCode::kOk;
  }
  const absl::StatusOr<json> listed = suppress(/*dry=*/true);
  if (!listed.ok()) return listed.status();
  if (absl::Status whole = CheckSuppressionsWhole(call, *listed); !whole.ok()) return whole;
  const absl::StatusOr<bool> confirmed = Confirmed(
      call, console,
      fmt::format(
          "{} rows would be settled and {} be sent; what was sent after {} and is not in the file would "
          "be sent twice",
          would->value("settled", uint64_t{0}), would->value("left", uint64_t{0}),
          (*would)["newest_event"].is_string() ? (*would)["newest_event"].get<std::string>() : "the backup was taken"),
      "Send on?");
  if (!confirmed.ok()) return confirmed.status();
  if (!*confirmed) {
    console.err() << "Nothing was changed.\n";
    return ExitCode::kInterrupted;
  }
  const absl::StatusOr<json> suppressed = suppress(/*dry=*/false);
  if (!suppressed.ok()) return suppressed.status();
  if (suppressed->value("rejected", uint64_t{0}) > 0) {
    return Fail(ExitCode::kBadData,
                {"backup reconcile: some suppressions cannot be read", call.Value("suppressions"),
                 fmt::format("{} rows were rejected, and who they are would get mail. The others are in force; nothing "
                             "was released.",
                             suppressed->value("rejected", uint64_t{0})),
                 "Give what `sealift suppression export --reveal` printed."});
  }
  absl::StatusOr<json> done = pass(/*dry=*/false);
  if (!done.ok()) return done.status();
  AddSuppressed(*suppressed, &*done);
  console.Record(*done, columns);
  return ExitCode::kOk;
}

}  // namespace sealift::tools
