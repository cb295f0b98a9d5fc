#include "engine/suppressions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/exit_code.h"
#include "engine/filter_names.h"
#include "engine/smtp/mailbox.h"
#include "engine/suppression_import.h"

namespace sealift::engine {
namespace {

using queue::SuppressionChange;
using queue::SuppressionEntry;
using queue::SuppressionKind;
using queue::SuppressionRecord;
using queue::SuppressionScope;

constexpr int kPageRecords = 1000;
constexpr int kRecordsLookedAtMax = 20'000;
constexpr size_t kReasonBytesMax = 500;
constexpr size_t kNameBytesMax = 64;

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

}  // namespace

absl::Status CheckSuppressionReason(std::string_view reason) {
  if (reason.size() <= kReasonBytesMax) return absl::OkStatus();
  return Usage(fmt::format("the reason has {} bytes; {} are the most", reason.size(), kReasonBytesMax));
}

absl::StatusOr<std::string> ParseSuppressedAddress(std::string_view text) {
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(text);
  if (!mailbox.ok())
    return Usage(fmt::format("the address cannot be used: {}", std::string(mailbox.status().message())));
  if (mailbox->local.ends_with("***")) return Usage("the address is masked: give the whole one");
  return mailbox->ToString();
}

Suppressions::Suppressions(queue::Store& store, ReadOptions options, Shards shards)
    : store_(store), options_(std::move(options)), shards_(std::move(shards)) {}

absl::StatusOr<SuppressionScope> Suppressions::ScopeOf(const Which& which) const {
  if (!which.stream.empty() && !which.campaign.empty()) {
    return Usage("a suppression holds in a stream or in a campaign, not in both: name one of them");
  }
  if (!which.stream.empty()) return SuppressionScope{SuppressionScope::Of::kStream, which.stream};
  if (which.campaign.empty()) return SuppressionScope{};
  if (which.campaign.size() > kNameBytesMax) return Usage("no campaign has so long a name: 64 bytes are the most");
  return SuppressionScope{SuppressionScope::Of::kCampaign, which.campaign};
}

absl::StatusOr<SuppressionEntry> Suppressions::Entry(const Which& which, const Given& given) const {
  if (absl::Status fits = CheckSuppressionReason(given.reason); !fits.ok()) return fits;
  absl::StatusOr<SuppressionScope> scope = ScopeOf(which);
  if (!scope.ok()) return scope.status();
  SuppressionEntry entry;
  entry.what.kind = which.kind.value_or(SuppressionKind::kManual);
  entry.what.scope = *std::move(scope);
  entry.time = absl::Now();
  entry.reason = given.reason;
  entry.by = given.by;
  if (which.stream.empty()) return entry;
  const StreamOptions* const stream = options_()->FindStream(which.stream);
  if (stream == nullptr) {
    return Usage(
        fmt::format("the configuration has no stream '{}': such a suppression would bind nothing", which.stream));
  }
  const bool asked_for = entry.what.kind == SuppressionKind::kOptOut || entry.what.kind == SuppressionKind::kComplaint;
  if (asked_for && stream->kind == StreamKind::kTransactional) {
    return Usage(fmt::format("{} never binds a transactional stream, and '{}' is one; `manual` does",
                             queue::ToString(entry.what.kind), which.stream));
  }
  return entry;
}

absl::StatusOr<SuppressionRecord> Suppressions::Read(const std::string& address) {
  absl::StatusOr<std::optional<SuppressionRecord>> found = store_.FindSuppressions(address);
  if (!found.ok()) return found.status();
  if (found->has_value()) return **std::move(found);
  return SuppressionRecord{.key = store_.AddressOf(address), .address = address, .history = {}};
}

absl::StatusOr<Suppressions::Change> Suppressions::Add(std::string_view address, const Which& which,
                                                       const Given& given) {
  const absl::StatusOr<std::string> parsed = ParseSuppressedAddress(address);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<SuppressionEntry> entry = Entry(which, given);
  if (!entry.ok()) return entry.status();
  return AddEntry(*parsed, *std::move(entry));
}

absl::StatusOr<Suppressions::Change> Suppressions::AddEntry(const std::string& address, SuppressionEntry entry) {
  const absl::StatusOr<uint64_t> changed = store_.ChangeSuppressions({{address, std::move(entry)}}, true);
  if (!changed.ok()) return WithExit(changed.status(), ExitCode::kIo);
  shards_.heard();
  absl::StatusOr<SuppressionRecord> record = Read(address);
  if (!record.ok()) return record.status();
  return Change{*std::move(record), *changed};
}

absl::StatusOr<Suppressions::Change> Suppressions::Remove(std::string_view address, const Which& which,
                                                          const Given& given, bool dry_run) {
  const absl::StatusOr<std::string> parsed = ParseSuppressedAddress(address);
  if (!parsed.ok()) return parsed.status();
  if (absl::Status fits = CheckSuppressionReason(given.reason); !fits.ok()) return fits;
  const absl::StatusOr<SuppressionScope> scope = ScopeOf(which);
  if (!scope.ok()) return scope.status();
  absl::StatusOr<SuppressionRecord> record = Read(*parsed);
  if (!record.ok()) return record.status();
  std::vector<SuppressionChange> changes;
  for (const SuppressionEntry* entry : record->InForce()) {
    if (entry->what.scope != *scope || (which.kind && entry->what.kind != *which.kind)) continue;
    changes.push_back(
        {*parsed, {.what = entry->what, .added = false, .time = absl::Now(), .reason = given.reason, .by = given.by}});
  }
  if (changes.empty()) {
    return WithExit(absl::NotFoundError(fmt::format(
                        "there is nothing to take back: no such suppression is in force {}. `sealift suppression "
                        "history` shows what is, and where",
                        scope->of == SuppressionScope::Of::kGlobal ? "everywhere" : "there")),
                    ExitCode::kNoInput);
  }
  const uint64_t count = changes.size();
  if (dry_run) return Change{*std::move(record), count};
  const absl::StatusOr<uint64_t> changed = store_.ChangeSuppressions(std::move(changes), false);
  if (!changed.ok()) return WithExit(changed.status(), ExitCode::kIo);
  shards_.judge_again();
  record = Read(*parsed);
  if (!record.ok()) return record.status();
  return Change{*std::move(record), *changed};
}

absl::StatusOr<SuppressionRecord> Suppressions::History(std::string_view address) {
  const absl::StatusOr<std::string> parsed = ParseSuppressedAddress(address);
  if (!parsed.ok()) return parsed.status();
  return Read(*parsed);
}

absl::StatusOr<Suppressions::Verdict> Suppressions::Check(std::string_view address, std::string_view stream,
                                                          std::string_view campaign) {
  const absl::StatusOr<std::string> parsed = ParseSuppressedAddress(address);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<SuppressionRecord> record = Read(*parsed);
  if (!record.ok()) return record.status();
  const std::shared_ptr<const Options> options = options_();
  if (!stream.empty() && options->FindStream(stream) == nullptr) {
    return Usage(fmt::format("the configuration has no stream '{}'", stream));
  }
  Verdict verdict;
  verdict.record = *std::move(record);
  const std::vector<const SuppressionEntry*> in_force = verdict.record.InForce();
  verdict.binds.assign(in_force.size(), false);
  const auto judge = [&](const queue::Mailing& mailing) {
    bool bound = false;
    for (size_t i = 0; i < in_force.size(); ++i) {
      if (!in_force[i]->what.Binds(mailing)) continue;
      bound = verdict.binds[i] = verdict.suppressed = true;
    }
    return bound;
  };
  if (!stream.empty() || !campaign.empty()) {
    const queue::Mailing mailing = MailingOf(stream, campaign);
    verdict.sent_as = mailing.transactional ? "transactional" : "marketing";
    judge(mailing);
    return verdict;
  }
  verdict.sent_as = "anything";
  for (const StreamOptions& each : options->streams) {
    if (judge(MailingOf(each.name, {}))) verdict.where.push_back("stream " + each.name);
  }
  for (const SuppressionEntry* entry : in_force) {
    if (entry->what.scope.of != SuppressionScope::Of::kCampaign) continue;
    std::string name = "campaign " + entry->what.scope.name;
    if (!judge(MailingOf({}, entry->what.scope.name)) || std::ranges::count(verdict.where, name) > 0) continue;
    verdict.where.push_back(std::move(name));
  }
  return verdict;
}

// What a message of the stream, or of the campaign, would be sent as.
queue::Mailing Suppressions::MailingOf(std::string_view stream, std::string_view campaign) const {
  const std::shared_ptr<const Options> options = options_();
  queue::Mailing mailing{.campaign = std::string(campaign), .stream = std::string(stream)};
  if (!campaign.empty()) {
    const absl::StatusOr<queue::Campaign> loaded = store_.FindCampaign(campaign);
    if (loaded.ok()) mailing.stream = loaded->spec.stream;
  }
  const StreamOptions* const configured = options->FindStream(mailing.stream);
  mailing.transactional = configured != nullptr && configured->kind == StreamKind::kTransactional;
  mailing.sink = options->delivery == Delivery::kSink;
  return mailing;
}

bool Suppressions::Filter::Passes(const queue::Suppression& what) const {
  if (kind && what.kind != *kind) return false;
  if (!stream.empty() && (what.scope.of != SuppressionScope::Of::kStream || what.scope.name != stream)) return false;
  return campaign.empty() || (what.scope.of == SuppressionScope::Of::kCampaign && what.scope.name == campaign);
}

absl::StatusOr<Suppressions::Page> Suppressions::List(const Filter& filter, std::string_view cursor, int max) {
  Page page;
  page.cursor = cursor;
  for (int looked_at = 0; looked_at < kRecordsLookedAtMax;) {
    const int room = max - static_cast<int>(page.items.size());
    if (room <= 0) return page;
    const absl::StatusOr<queue::SuppressionsPage> read =
        store_.ListSuppressions(page.cursor, std::min(room, kPageRecords));
    if (!read.ok()) return read.status();
    for (const SuppressionRecord& record : read->records) {
      for (const SuppressionEntry* entry : record.InForce()) {
        if (filter.Passes(entry->what)) page.items.push_back({record.key, record.address, *entry});
      }
    }
    looked_at += static_cast<int>(read->records.size());
    page.cursor = read->done ? "" : read->cursor;
    if (read->done) return page;
  }
  return page;
}

absl::StatusOr<uint64_t> Suppressions::CountBefore(absl::Time time) {
  uint64_t count = 0;
  std::string cursor;
  for (bool done = false; !done;) {
    const absl::StatusOr<queue::SuppressionsPage> page = store_.ListSuppressions(cursor, kPageRecords);
    if (!page.ok()) return page.status();
    for (const SuppressionRecord& record : page->records) {
      count += static_cast<uint64_t>(std::ranges::count_if(
          record.InForce(), [&](const SuppressionEntry* entry) { return entry->time < time && !entry->what.sink; }));
    }
    cursor = page->cursor;
    done = page->done;
  }
  return count;
}

absl::StatusOr<uint64_t> Suppressions::TakeBack(const Undo& undo, const Given& given, bool dry_run) {
  if (undo.since >= undo.until) return Usage("the time range is empty: --since must be before --until");
  if (absl::Status fits = CheckSuppressionReason(given.reason); !fits.ok()) return fits;
  uint64_t taken_back = 0;
  std::set<std::string> told;  // the sources that stand in the list
  absl::Status failed;
  std::string cursor;
  for (bool done = false; !done && failed.ok();) {
    const absl::StatusOr<queue::SuppressionsPage> page = store_.ListSuppressions(cursor, kPageRecords);
    if (!page.ok()) {
      failed = page.status();
      break;
    }
    std::vector<SuppressionChange> changes;
    for (const SuppressionRecord& record : page->records) {
      for (const SuppressionEntry* entry : record.InForce()) {
        const bool heard =
            entry->what.kind == SuppressionKind::kHardBounce || entry->what.kind == SuppressionKind::kSuspected;
        if (heard) told.insert(entry->source);
        if (!heard || entry->source != undo.source) continue;
        if (!undo.provider.empty() && entry->provider != undo.provider) continue;
        if (entry->time < undo.since || entry->time >= undo.until) continue;
        changes.push_back(
            {record.address,
             {.what = entry->what, .added = false, .time = absl::Now(), .reason = given.reason, .by = given.by}});
      }
    }
    cursor = page->cursor;
    done = page->done;
    if (dry_run) {
      taken_back += changes.size();
    } else if (!changes.empty()) {
      const absl::StatusOr<uint64_t> changed = store_.ChangeSuppressions(std::move(changes), false);
      if (changed.ok()) taken_back += *changed;
      if (!changed.ok()) failed = WithExit(changed.status(), ExitCode::kIo);
    }
  }
  if (!dry_run && taken_back > 0) shards_.judge_again();
  if (!failed.ok()) return failed;
  if (taken_back == 0) {
    if (absl::Status known = CheckNamesOf(undo, told); !known.ok()) return known;
  }
  return taken_back;
}

absl::Status Suppressions::CheckNamesOf(const Undo& undo, const std::set<std::string>& told) const {
  const std::shared_ptr<const Options> options = options_();
  if (options->FindSource(undo.source) == nullptr && !told.contains(undo.source)) {
    std::set<std::string> names = told;
    for (const SourceOptions& source : options->sources) names.insert(source.name);
    return Usage(fmt::format("there is no source '{}', and none of that name was told anything; there are: {}",
                             undo.source, fmt::join(names, ", ")));
  }
  return undo.provider.empty() ? absl::OkStatus() : CheckProvider(undo.provider, *options);
}

absl::StatusOr<std::unique_ptr<SuppressionImport>> Suppressions::Import(Which which, Given given) {
  const absl::StatusOr<SuppressionEntry> checked = Entry(which, given);
  if (!checked.ok()) return checked.status();
  return std::make_unique<SuppressionImport>(*this, std::move(which), std::move(given));
}

absl::StatusOr<uint64_t> Suppressions::Commit(std::vector<SuppressionChange> changes) {
  absl::StatusOr<uint64_t> changed = store_.ChangeSuppressions(std::move(changes), false);
  if (!changed.ok()) return WithExit(changed.status(), ExitCode::kIo);
  return changed;
}

}  // namespace sealift::engine
