// The routes of the suppression list. Addresses come in bodies, never in a path or query, and an audited act names one
// by its key in the list.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/admin/api_mask.h"
#include "engine/admin/rejection_spool.h"
#include "engine/exit_code.h"
#include "engine/restoration.h"
#include "engine/suppression_import.h"
#include "engine/suppressions.h"

namespace sealift::engine {
namespace {

using nlohmann::json;
using queue::SuppressionEntry;
using queue::SuppressionRecord;
using queue::SuppressionScope;

constexpr int kPageMax = 1000;
constexpr size_t kHeadBytesMax = 64 << 10;

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

std::string_view ScopeWord(SuppressionScope::Of of) {
  switch (of) {
    case SuppressionScope::Of::kGlobal:
      return "global";
    case SuppressionScope::Of::kStream:
      return "stream";
    case SuppressionScope::Of::kCampaign:
      return "campaign";
  }
  return "global";
}

json EntryJson(const SuppressionEntry& entry) {
  const SuppressionScope& scope = entry.what.scope;
  return {{"kind", queue::ToString(entry.what.kind)},
          {"scope", ScopeWord(scope.of)},
          {"stream", scope.of == SuppressionScope::Of::kStream ? scope.name : ""},
          {"campaign", scope.of == SuppressionScope::Of::kCampaign ? scope.name : ""},
          {"delivery", entry.what.sink ? "sink" : "live"},
          {"time", TimeJson(entry.time)},
          {"reason", entry.reason},
          {"by", entry.by.empty() ? "delivery" : entry.by},
          {"source", entry.source},
          {"provider", entry.provider},
          {"class", entry.reason_class},
          {"reply", entry.reply}};
}

json RecordJson(const SuppressionRecord& record) {
  json answer = {
      {"recipient", MaskAddress(record.address)}, {"key", queue::ToHex(record.key)}, {"in_force", json::array()}};
  for (const SuppressionEntry* entry : record.InForce()) answer["in_force"].push_back(EntryJson(*entry));
  return answer;
}

absl::StatusOr<std::optional<queue::SuppressionKind>> ParseKind(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const std::optional<queue::SuppressionKind> kind = queue::ParseSuppressionKind(text);
  if (!kind)
    return Usage(
        "There is no such kind. There are: opt_out, complaint, hard_bounce, manual, and suspected, which binds "
        "nothing.");
  return kind;
}

absl::StatusOr<Suppressions::Which> WhichOf(const std::string& kind, std::string stream, std::string campaign) {
  const absl::StatusOr<std::optional<queue::SuppressionKind>> parsed = ParseKind(kind);
  if (!parsed.ok()) return parsed.status();
  return Suppressions::Which{*parsed, std::move(stream), std::move(campaign)};
}

std::string Described(const Suppressions::Which& which) {
  std::string text(which.kind ? queue::ToString(*which.kind) : "any kind");
  if (!which.stream.empty()) text += " stream=" + which.stream;
  if (!which.campaign.empty()) text += " campaign=" + which.campaign;
  return text;
}

// Which suppressions of which address the body of a request is about.
struct Asked {
  std::string address;
  Suppressions::Which which;
};

absl::StatusOr<Asked> AskedOf(const std::function<absl::StatusOr<std::string>(const char*)>& text) {
  std::string values[4];
  size_t i = 0;
  for (const char* member : {"address", "kind", "stream", "campaign"}) {
    absl::StatusOr<std::string> value = text(member);
    if (!value.ok()) return value.status();
    values[i++] = *std::move(value);
  }
  absl::StatusOr<Suppressions::Which> which = WhichOf(values[1], std::move(values[2]), std::move(values[3]));
  if (!which.ok()) return which.status();
  return Asked{std::move(values[0]), *std::move(which)};
}

}  // namespace

absl::StatusOr<json> Api::AddSuppression(Call& call) {
  const absl::StatusOr<Asked> asked = AskedOf([&](const char* member) { return call.Text(member); });
  if (!asked.ok()) return asked.status();
  Suppressions::Which meant = asked->which;
  if (!meant.kind) meant.kind = queue::SuppressionKind::kManual;
  call.entry.target = Described(meant);
  const absl::StatusOr<Suppressions::Change> change =
      node_.suppressions().Add(asked->address, asked->which, {call.entry.reason, call.entry.user});
  if (!change.ok()) return change.status();
  call.entry.target += " key=" + queue::ToHex(change->record.key);
  json answer = RecordJson(change->record);
  answer["added"] = change->changed;
  return answer;
}

absl::StatusOr<json> Api::Unsubscribe(Call& call) {
  const absl::StatusOr<std::string> token = call.Text("token");
  if (!token.ok()) return token.status();
  const absl::StatusOr<Suppressions::Unsubscribed> done =
      node_.suppressions().Unsubscribe(*token, {call.entry.reason, call.entry.user});
  if (!done.ok()) return done.status();
  call.entry.target = fmt::format("opt_out stream={} key={}", done->stream, queue::ToHex(done->change.record.key));
  json answer = RecordJson(done->change.record);
  answer["added"] = done->change.changed;
  answer["stream"] = done->stream;
  answer["campaign"] = done->campaign;
  return answer;
}

absl::StatusOr<json> Api::RemoveSuppression(Call& call) {
  const absl::StatusOr<Asked> asked = AskedOf([&](const char* member) { return call.Text(member); });
  if (!asked.ok()) return asked.status();
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  if (*dry_run) call.audited = false;
  call.entry.target = Described(asked->which);
  if (call.entry.reason.empty())
    return Usage("A removal needs --reason TEXT; it stands in the history of the address.");
  const absl::StatusOr<Suppressions::Change> change =
      node_.suppressions().Remove(asked->address, asked->which, {call.entry.reason, call.entry.user}, *dry_run);
  if (!change.ok()) return change.status();
  call.entry.target += " key=" + queue::ToHex(change->record.key);
  json answer = RecordJson(change->record);
  answer["removed"] = change->changed;
  answer["dry_run"] = *dry_run;
  return answer;
}

absl::StatusOr<json> Api::CheckSuppression(Call& call) {
  const absl::StatusOr<Asked> asked = AskedOf([&](const char* member) { return call.Text(member); });
  if (!asked.ok()) return asked.status();
  const absl::StatusOr<Suppressions::Verdict> verdict =
      node_.suppressions().Check(asked->address, asked->which.stream, asked->which.campaign);
  if (!verdict.ok()) return verdict.status();
  json answer = RecordJson(verdict->record);
  answer["suppressed"] = verdict->suppressed;
  answer["sent_as"] = verdict->sent_as;
  if (verdict->sent_as == "anything") answer["where"] = fmt::format("{}", fmt::join(verdict->where, ", "));
  for (size_t i = 0; i < verdict->binds.size(); ++i) answer["in_force"][i]["binds"] = bool{verdict->binds[i]};
  return answer;
}

absl::StatusOr<json> Api::ShowSuppressionHistory(Call& call) {
  const absl::StatusOr<std::string> address = call.Text("address");
  if (!address.ok()) return address.status();
  const absl::StatusOr<SuppressionRecord> record = node_.suppressions().History(*address);
  if (!record.ok()) return record.status();
  json answer = {
      {"recipient", MaskAddress(record->address)}, {"key", queue::ToHex(record->key)}, {"history", json::array()}};
  for (const SuppressionEntry& entry : record->history) {
    json line = EntryJson(entry);
    line["act"] = entry.added ? "added" : "removed";
    answer["history"].push_back(std::move(line));
  }
  return answer;
}

absl::StatusOr<json> Api::ListSuppressions(Call& call) {
  const absl::StatusOr<Suppressions::Which> which =
      WhichOf(call.request.Query("kind"), call.request.Query("stream"), call.request.Query("campaign"));
  if (!which.ok()) return which.status();
  const absl::StatusOr<int> limit = call.Number("limit", 100, kPageMax);
  if (!limit.ok()) return limit.status();
  call.entry.target = Described(*which);
  const absl::StatusOr<Suppressions::Page> page =
      node_.suppressions().List({which->kind, which->stream, which->campaign}, call.request.Query("after"), *limit);
  if (!page.ok()) return page.status();
  json answer = {{"suppressions", json::array()}, {"cursor", page->cursor}};
  for (const Suppressions::Item& item : page->items) {
    // Which binds nothing: shown to those who ask for it.
    if (!which->kind && item.entry.what.kind == queue::SuppressionKind::kSuspected) continue;
    json line = EntryJson(item.entry);
    line["recipient"] = call.reveal ? item.address : MaskAddress(item.address);
    line["key"] = queue::ToHex(item.key);
    answer["suppressions"].push_back(std::move(line));
  }
  return answer;
}

absl::StatusOr<json> Api::ExportSuppressions(Call& call) {
  absl::StatusOr<Suppressions::Which> which =
      WhichOf(call.request.Query("kind"), call.request.Query("stream"), call.request.Query("campaign"));
  if (!which.ok()) return which.status();
  call.entry.target = Described(*which);
  if (!call.reveal) return Usage("An export holds whole addresses: say --reveal; it is written to the audit file.");
  // The first page before the answer begins: a list that cannot be read is still an error.
  const Suppressions::Filter filter{which->kind, which->stream, which->campaign};
  absl::StatusOr<Suppressions::Page> first = node_.suppressions().List(filter, "", kPageMax);
  if (!first.ok()) return first.status();
  call.response.content_type = "application/x-ndjson";
  call.response.stream = [this, filter, page = *std::move(first)](AdminWriter& writer) mutable {
    while (true) {
      std::string lines;
      for (const Suppressions::Item& item : page.items) {
        if (item.entry.what.sink) continue;  // it is of no use to anybody else
        json line = EntryJson(item.entry);
        line["email"] = item.address;
        lines += Dump(line) + "\n";
      }
      if (!lines.empty() && !writer.Write(lines)) return;
      if (page.cursor.empty()) break;
      absl::StatusOr<Suppressions::Page> next = node_.suppressions().List(filter, page.cursor, kPageMax);
      if (!next.ok()) {
        writer.Write(Dump(ErrorJson(next.status(), "suppression export ended early")) + "\n");
        return;
      }
      page = *std::move(next);
    }
    writer.Write("{\"end\":true}\n");
  };
  return json();
}

absl::StatusOr<json> Api::UndoSuppressions(Call& call) {
  Suppressions::Undo undo;
  std::string since, until;
  for (const auto& [member, out] :
       {std::pair{"source", &undo.source}, {"provider", &undo.provider}, {"since", &since}, {"until", &until}}) {
    absl::StatusOr<std::string> value = call.Text(member);
    if (!value.ok()) return value.status();
    *out = *std::move(value);
  }
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  if (*dry_run) call.audited = false;
  call.entry.target = fmt::format("source={} provider={} since={} until={}", undo.source, undo.provider, since, until);
  if (undo.source.empty()) return Usage("Which source? --source NAME.");
  if (call.entry.reason.empty()) return Usage("An undo needs --reason TEXT; it stands in the history of each address.");
  for (const auto& [text, time] : {std::pair{&since, &undo.since}, {&until, &undo.until}}) {
    const absl::StatusOr<absl::Time> parsed = ParseTime(*text);
    if (!parsed.ok()) return parsed.status();
    *time = *parsed;
  }
  if (absl::Status begun = Begin(call); !begun.ok()) return begun;
  const absl::StatusOr<uint64_t> removed =
      node_.suppressions().TakeBack(undo, {call.entry.reason, call.entry.user}, *dry_run);
  if (!removed.ok()) return removed.status();
  call.entry.target += fmt::format(" removed={}", *removed);
  return json{{"removed", *removed}, {"dry_run", *dry_run}};
}

// One line of JSON (kind, stream, campaign, reason, dry_run), then the file to its end.
absl::StatusOr<json> Api::ImportSuppressions(Call& call) {
  absl::StatusOr<std::shared_ptr<RejectionSpool>> spool = RejectionSpool::Create(options_.data_dir);
  std::unique_ptr<SuppressionImport> import;
  std::string head;
  const auto begin = [&](std::string_view line) -> absl::Status {
    const json parsed = json::parse(line, nullptr, false);
    if (!parsed.is_object()) return Usage("The request's first line is no JSON object.");
    const auto text = [&](const char* member) -> absl::StatusOr<std::string> {
      const auto found = parsed.find(member);
      if (found == parsed.end() || found->is_null()) return std::string();
      if (!found->is_string()) return Usage(fmt::format("`{}` in the request is no text.", member));
      return found->get<std::string>();
    };
    absl::StatusOr<Asked> asked = AskedOf(text);
    if (!asked.ok()) return asked.status();
    absl::StatusOr<std::string> reason = text("reason");
    if (!reason.ok()) return reason.status();
    call.entry.reason = *reason;
    call.entry.target = Described(asked->which);
    absl::StatusOr<std::unique_ptr<SuppressionImport>> begun =
        node_.suppressions().Import(std::move(asked->which), {*std::move(reason), call.entry.user});
    if (!begun.ok()) return begun.status();
    import = *std::move(begun);
    const auto dry_run = parsed.find("dry_run");
    if (dry_run != parsed.end() && *dry_run == true) {
      import->OnlyCount();
      call.audited = false;
    }
    import->OnRejection([&spool](const SuppressionImport::Rejection& rejection) {
      (*spool)->Add(rejection.line, rejection.column, rejection.reason);
    });
    return Begin(call);
  };
  const auto take = [&](std::string_view piece) -> absl::Status {
    if (import == nullptr) {
      const size_t end = piece.find('\n');
      head.append(piece.substr(0, end));
      if (head.size() > kHeadBytesMax) return Usage("The request's first line is too long.");
      if (end == std::string_view::npos) return absl::OkStatus();
      if (absl::Status begun = begin(head); !begun.ok()) return begun;
      piece.remove_prefix(end + 1);
    }
    return piece.empty() ? absl::OkStatus() : import->Feed(piece);
  };
  // After a failure the rest is read and dropped: an HTTP client that still writes would not see the answer.
  absl::Status failed = spool.ok() ? absl::OkStatus() : spool.status();
  const absl::Status read = call.request.ReadBody([&](std::string_view piece) {
    if (failed.ok()) failed = take(piece);
    return true;
  });
  if (failed.ok()) failed = read;
  if (failed.ok() && import == nullptr) failed = Usage("The request ended within its first line.");
  if (!failed.ok()) return failed;

  const absl::StatusOr<SuppressionImport::Summary> summary = import->Finish();
  if (!summary.ok()) return summary.status();
  if (!(*spool)->Rewind()) {
    call.done_but = "which rows were rejected is not known";
    return WithExit(absl::InternalError("The file is imported, but the list of rejected rows could not be written; the "
                                        "disk may be full. The same command again adds nothing twice."),
                    ExitCode::kIo);
  }
  call.entry.target += fmt::format(" added={} rejected={}", summary->added, summary->rejected);
  json last = {
      {"summary", {{"added", summary->added}, {"already_in_force", summary->known}, {"rejected", summary->rejected}}}};
  if (const std::optional<queue::Restored> restored = node_.restoration().pending(); restored.has_value()) {
    const absl::StatusOr<uint64_t> before = node_.suppressions().CountBefore(restored->taken);
    if (!before.ok()) return before.status();
    last["summary"]["in_backup"] = *before;
  }
  call.response.content_type = "application/x-ndjson";
  call.response.stream = [rejections = *std::move(spool), end = Dump(last) + "\n"](AdminWriter& writer) {
    if (rejections->WriteTo(writer)) writer.Write(end);
  };
  return last;
}

}  // namespace sealift::engine
