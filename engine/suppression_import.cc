#include "engine/suppression_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "engine/smtp/redact.h"

namespace sealift::engine {
namespace {

constexpr size_t kChangesACommit = 2000;
constexpr size_t kEvidenceBytesMax = 256;
constexpr std::array<std::string_view, 9> kNames = {"kind",   "stream",   "campaign", "reason", "time",
                                                    "source", "provider", "class",    "reply"};

absl::Status BadInput(std::string why) {
  return WithNext(WithPlace(WithExit(absl::InvalidArgumentError(std::move(why)), ExitCode::kBadData), "the file"),
                  "Correct it and give the same command again: what is in force already is not added twice.");
}

}  // namespace

SuppressionImport::SuppressionImport(Suppressions& list, Suppressions::Which which, Suppressions::Given given)
    : list_(list), which_(std::move(which)), given_(std::move(given)) {}

SuppressionImport::~SuppressionImport() { TellShards(); }

void SuppressionImport::TellShards() {
  if (std::exchange(untold_, false)) list_.JudgeAgain();
}

absl::Status SuppressionImport::Feed(std::string_view bytes) {
  reader_.Feed(bytes);
  return Read();
}

absl::Status SuppressionImport::Read() {
  while (true) {
    const absl::StatusOr<RecipientReader::Step> step = reader_.Next();
    if (!step.ok()) return BadInput(std::string(step.status().message()));
    if (!has_columns_ && reader_.has_columns()) {
      if (absl::Status found = FindColumns(); !found.ok()) return found;
    }
    switch (*step) {
      case RecipientReader::Step::kNeedMore:
      case RecipientReader::Step::kEnd:
        return absl::OkStatus();
      case RecipientReader::Step::kRejected:
        ++summary_.rejected;
        if (on_rejection_) on_rejection_(reader_.rejection());
        break;
      case RecipientReader::Step::kRecipient:
        if (absl::Status taken = Take(reader_.recipient()); !taken.ok()) return taken;
        break;
    }
  }
}

absl::Status SuppressionImport::FindColumns() {
  has_columns_ = true;
  const std::vector<std::string>& columns = reader_.columns();
  for (size_t i = 0; i < kNames.size(); ++i) {
    const auto found = std::ranges::find(columns, kNames[i]);
    if (found != columns.end()) columns_[i] = static_cast<size_t>(found - columns.begin());
  }
  if (columns_[kKind] || which_.kind) return absl::OkStatus();
  return WithExit(
      absl::InvalidArgumentError(
          "the file has no column `kind`, and none was given: --kind says whether these are opt_out, complaint, "
          "hard_bounce or manual, which decides what they bind"),
      ExitCode::kUsage);
}

void SuppressionImport::Reject(const RecipientReader::Recipient& recipient, std::string_view column,
                               std::string_view reason) {
  ++summary_.rejected;
  if (!on_rejection_) return;
  on_rejection_({.line = recipient.line,
                 .row = recipient.row,
                 .offset = recipient.offset,
                 .column = std::string(column),
                 .reason = std::string(reason)});
}

absl::Status SuppressionImport::Take(const RecipientReader::Recipient& recipient) {
  const auto cell = [&](Column column) {
    return columns_[column] ? recipient.fields[*columns_[column]] : std::string_view();
  };
  const auto capped = [&](Column column) { return std::string(cell(column).substr(0, kEvidenceBytesMax)); };
  if (recipient.mailbox->local.ends_with("***")) {
    Reject(recipient, "email", "it is masked: export with --reveal");
    return absl::OkStatus();
  }
  Suppressions::Which which = which_;
  if (!cell(kKind).empty()) {
    which.kind = queue::ParseSuppressionKind(cell(kKind));
    if (!which.kind) {
      Reject(recipient, "kind", "it is none of opt_out, complaint, hard_bounce, manual");
      return absl::OkStatus();
    }
  }
  if (!which.kind) {
    Reject(recipient, "kind", "it is empty, and no --kind was given");
    return absl::OkStatus();
  }
  if (!cell(kStream).empty() || !cell(kCampaign).empty()) {
    which.stream = cell(kStream);
    which.campaign = cell(kCampaign);
  }
  Suppressions::Given given = given_;
  if (!cell(kReason).empty()) given.reason = cell(kReason);
  absl::StatusOr<queue::SuppressionEntry> entry = list_.Entry(which, given);
  if (!entry.ok()) {
    // Its sentence could quote a cell.
    Reject(recipient, "",
           "its stream, campaign or reason cannot be used: no such stream, an opt_out or complaint for "
           "a transactional one, both a stream and a campaign, or too long");
    return absl::OkStatus();
  }
  if (!cell(kTime).empty()) {
    absl::Time time;
    if (!absl::ParseTime(absl::RFC3339_full, std::string(cell(kTime)), &time, nullptr) || time > entry->time ||
        time < absl::UnixEpoch()) {
      Reject(recipient, "time", "it is no time of the past in RFC 3339");
      return absl::OkStatus();
    }
    entry->time = time;
  }
  entry->source = capped(kSource);
  entry->provider = capped(kProvider);
  entry->reason_class = capped(kClass);
  entry->reply = RedactReply(cell(kReply), recipient.email);
  changes_.push_back({std::string(recipient.email), *std::move(entry)});
  return changes_.size() < kChangesACommit ? absl::OkStatus() : Commit();
}

// How many of them would be recorded.
absl::StatusOr<uint64_t> SuppressionImport::Count(const std::vector<queue::SuppressionChange>& changes) const {
  uint64_t added = 0;
  for (const queue::SuppressionChange& change : changes) {
    const absl::StatusOr<queue::SuppressionRecord> record = list_.History(change.address);
    if (!record.ok()) return record.status();
    const auto known = [&](const queue::SuppressionEntry* entry) { return entry->what == change.entry.what; };
    if (std::ranges::none_of(record->InForce(), known)) ++added;
  }
  return added;
}

absl::Status SuppressionImport::Commit() {
  if (changes_.empty()) return absl::OkStatus();
  const uint64_t count = changes_.size();
  std::vector<queue::SuppressionChange> changes = std::exchange(changes_, {});
  const absl::StatusOr<uint64_t> added = only_count_ ? Count(changes) : list_.Commit(std::move(changes));
  if (!added.ok()) return added.status();
  untold_ = !only_count_;
  summary_.added += *added;
  summary_.known += count - *added;
  return absl::OkStatus();
}

absl::StatusOr<SuppressionImport::Summary> SuppressionImport::Finish() {
  reader_.Finish();
  absl::Status read = Read();
  if (read.ok() && !has_columns_) {
    read = BadInput("the file is empty; its first row names the columns, `email` among them");
  }
  if (read.ok()) read = Commit();
  TellShards();
  if (!read.ok()) return read;
  return summary_;
}

}  // namespace sealift::engine
