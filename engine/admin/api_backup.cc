// The routes of backups, of what follows a restore, and of the key that opens the queue.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/exit_code.h"
#include "engine/restoration.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr size_t kHeadBytesMax = 64 << 10;

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

json KeysJson(const queue::KeyReport& keys) {
  return {{"kek", keys.kek},
          {"next", keys.next ? json(*keys.next) : json()},
          {"incarnation", keys.incarnation},
          {"incarnation_drawn", TimeJson(keys.drawn)},
          {"campaign_keys", keys.campaigns},
          {"event_keys", keys.months}};
}

}  // namespace

json RestoredJson(const std::optional<queue::Restored>& restored) {
  if (!restored) return nullptr;
  return {{"backup_taken", TimeJson(restored->taken)}, {"restored", TimeJson(restored->at)}};
}

absl::StatusOr<json> Api::CreateBackup(Call& call) {
  const absl::StatusOr<BackupMade> made = node_.Backup();
  if (!made.ok()) return made.status();
  call.entry.target = made->path.substr(made->path.rfind('/') + 1);
  const queue::BackupLabel& label = made->result.label;
  return json{{"file", made->path},
              {"bytes", made->result.bytes},
              {"taken", TimeJson(label.taken)},
              {"campaigns", label.campaigns},
              {"rows", label.rows}};
}

// One line of JSON (dry_run, reason), then the lines of `events`, which may be none.
absl::StatusOr<json> Api::ReconcileBackup(Call& call) {
  bool dry_run = false;
  std::unique_ptr<Reconciliation> reconciliation;
  std::string head;
  const auto begin = [&](std::string_view line) -> absl::Status {
    call.body = json::parse(line, nullptr, false);
    if (!call.body.is_object()) return Usage("The request's first line is no JSON object.");
    const absl::StatusOr<bool> dry = call.Truth("dry_run");
    const absl::StatusOr<bool> incomplete = call.Truth("incomplete");
    absl::StatusOr<std::string> reason = call.Text("reason");
    for (const absl::Status& status : {dry.status(), incomplete.status(), reason.status()}) {
      if (!status.ok()) return status;
    }
    if (*incomplete && reason->empty()) return Usage("Events may only be missing with --reason TEXT.");
    dry_run = *dry;
    call.entry.reason = *std::move(reason);
    if (dry_run) call.audited = false;
    if (!node_.restoration().pending()) {
      return WithExit(
          absl::FailedPreconditionError(
              "This node was not restored, or what followed is reconciled already: there is nothing to do."),
          ExitCode::kUsage);
    }
    reconciliation = std::make_unique<Reconciliation>(node_.restoration(), dry_run, *incomplete);
    return Begin(call);
  };
  const auto take = [&](std::string_view piece) -> absl::Status {
    if (reconciliation == nullptr) {
      const size_t end = piece.find('\n');
      head.append(piece.substr(0, end));
      if (head.size() > kHeadBytesMax) return Usage("The request's first line is too long.");
      if (end == std::string_view::npos) return absl::OkStatus();
      if (absl::Status begun = begin(head); !begun.ok()) return begun;
      piece.remove_prefix(end + 1);
    }
    return reconciliation->Feed(piece);
  };
  // After a failure the rest is read and dropped: an HTTP client that still writes would not see the answer.
  absl::Status failed;
  const absl::Status read = call.request.ReadBody([&](std::string_view piece) {
    if (failed.ok()) failed = take(piece);
    return true;
  });
  if (failed.ok()) failed = read;
  if (failed.ok() && reconciliation == nullptr) failed = Usage("The request ended within its first line.");
  if (!failed.ok()) return failed;

  const absl::StatusOr<Reconciliation::Summary> summary = reconciliation->Finish();
  reconciliation.reset();
  if (!summary.ok()) return summary.status();
  if (!dry_run && summary->events == 0 && call.entry.reason.empty()) {
    return Usage(
        "There is no event in it, so nothing says what was sent since: to send all that is queued needs --reason "
        "TEXT.");
  }
  call.entry.target =
      fmt::format("events={} settled={} ended={} taken={} cancelled={} released={}", summary->events, summary->settled,
                  summary->ended.size(), summary->taken.size(), summary->cancelled.size(), !dry_run);
  if (!dry_run) {
    if (absl::Status released = node_.restoration().Release(); !released.ok()) return released;
  }
  json answer = {{"summary",
                  {{"events", summary->events},
                   {"newest_event", TimeJson(summary->newest)},
                   {"settled", summary->settled},
                   {"settled_before", summary->known},
                   {"held_in_doubt", summary->held},
                   {"deferred", summary->deferred},
                   {"not_in_backup", summary->lacking + summary->foreign},
                   {"masked", summary->masked},
                   {"loads_ended", summary->ended},
                   {"names_taken", summary->taken},
                   {"campaigns_cancelled", summary->cancelled},
                   {"left", summary->left},
                   {"sending_on", summary->running},
                   {"released", !dry_run},
                   {"dry_run", dry_run}}}};
  call.response.content_type = "application/x-ndjson";
  call.response.stream = [text = Dump(answer) + "\n"](AdminWriter& writer) { writer.Write(text); };
  return answer;
}

absl::StatusOr<json> Api::ShowKeys(Call&) { return KeysJson(node_.Keys()); }

absl::StatusOr<json> Api::RotateKey(Call& call) {
  const absl::StatusOr<std::string> file = call.Text("file");
  if (!file.ok()) return file.status();
  if (!file->starts_with('/')) return Usage("Which file holds the next key? Its absolute path.");
  call.entry.target = "file=" + *file;
  if (absl::Status begun = Begin(call); !begun.ok())
    return begun;  // once it is done the present key may be thrown away
  const absl::StatusOr<queue::KeyReport> keys = node_.RotateKey(*file);
  if (!keys.ok()) return keys.status();
  call.entry.target = fmt::format("from={} to={}", keys->kek, keys->next.value_or(""));
  return KeysJson(*keys);
}

}  // namespace sealift::engine
