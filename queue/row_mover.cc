#include "queue/row_mover.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "queue/intent.h"
#include "queue/keys.h"
#include "queue/lane_value.h"
#include "queue/order_book.h"
#include "queue/pack.h"
#include "queue/parked_row.h"
#include "queue/reading.h"
#include "queue/rocks.h"
#include "queue/roll.h"
#include "queue/rows_merge.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr int kPacksAStep = 64;  // other commits wait that long

uint64_t* CountOf(OutcomeKind kind, Counters* counters) {
  if (kind == OutcomeKind::kBounced) return &counters->bounced;
  if (kind == OutcomeKind::kExpired) return &counters->expired;
  return &counters->cancelled;
}

// A parked row on its way back.
struct Returning {
  ParkedRow parked;
  uint64_t due_ms = 0;
  absl::Time expires;
  std::string key;
  bool suppressed = false;
};

// Reads the rows of a step that are still parked.
absl::StatusOr<std::vector<Returning>> ReadReturning(CommitContext& context, const ReplayStep& step) {
  std::vector<Returning> rows;
  if (step.rows.empty()) return rows;
  const auto earliest = std::ranges::min_element(step.rows, {}, &ReplayStep::Row::due);
  const uint64_t floor = context.horizon->Prepare(RoundUpDue(DueMillis(earliest->due)), DueMillis(absl::Now()));
  for (const ReplayStep::Row& wanted : step.rows) {
    absl::StatusOr<std::optional<ParkedRow>> parked =
        FindParkedRow(context.database, &context.unsealer, step.campaign, wanted.row);
    if (!parked.ok()) return parked.status();
    if (!*parked || (step.meant && !step.meant(**parked))) continue;
    // Its message may be past the final dot since before it was settled.
    const absl::StatusOr<bool> intended = HasIntent(context, step.campaign, wanted.row);
    if (!intended.ok()) return intended.status();
    if (*intended) continue;
    Returning row{.expires = wanted.expires, .key = ParkedKey(step.campaign, wanted.row)};
    row.parked = **std::move(parked);
    row.due_ms = RoundUpDue(std::max(DueMillis(wanted.due), floor + 1));
    rows.push_back(std::move(row));
  }
  if (!step.mailing.has_value()) return rows;
  std::string scratch;
  std::vector<SuppressionList::Question> questions;
  questions.reserve(rows.size());
  for (const Returning& row : rows) {
    questions.push_back({HashAddress(*context.ring, row.parked.row.recipient, &scratch), &*step.mailing});
  }
  if (absl::Status asked = context.suppressions->Ask(&context.unsealer, questions); !asked.ok()) return asked;
  for (size_t i = 0; i < rows.size(); ++i) rows[i].suppressed = questions[i].suppressed;
  return rows;
}

// As its lane has it.
std::string DomainOf(std::string_view recipient) {
  std::string domain(recipient.substr(recipient.rfind('@') + 1));
  absl::AsciiStrToLower(&domain);
  return domain;
}

void PutSequence(CommitContext& context, uint64_t sequence, rocksdb::WriteBatch* batch) {
  std::string newest;
  PutFixed64(sequence, &newest);
  batch->Put(context.database->handle(Column::kMeta), std::string(kSequenceKey), newest);
}

}  // namespace

absl::StatusOr<SettledRows> SettleRows(CommitContext& context, const SettleStep& step) {
  SettledRows settled;
  const std::string prefix = LaneKey(step.lane), end = PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  options.fill_cache = false;
  rocksdb::ColumnFamilyHandle* const column = context.database->handle(Column::kRows);
  const std::unique_ptr<rocksdb::Iterator> it(context.database->get()->NewIterator(options, column));
  std::vector<Outcome> outcomes;
  it->Seek(step.after.empty() ? prefix : step.after);
  for (int packs = 0; it->Valid() && packs < kPacksAStep; it->Next(), ++packs) {
    const std::string key = it->key().ToString();
    settled.after = key + '\0';
    absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(&context.unsealer, key, ToView(it->value()));
    if (!pack.ok()) return pack.status();
    if ((*pack)->due() == absl::InfiniteFuture()) continue;  // in doubt: not settled by a filter
    for (size_t i = 0; i < (*pack)->rows().size(); ++i) {
      std::optional<Outcome> outcome = step.judge(**pack, (*pack)->rows()[i]);
      if (!outcome) continue;
      outcome->pack = *pack;
      outcome->index = static_cast<uint8_t>(i);
      ++settled.rows;
      if ((*pack)->due() != absl::InfinitePast()) ++settled.retrying;
      outcomes.push_back(*std::move(outcome));
    }
  }
  if (auto status = it->status(); !status.ok()) return FromRocks(status, "read a lane");
  settled.done = !it->Valid();
  if (outcomes.empty()) return settled;
  const Order order = step.record(settled.rows);
  if (absl::Status status = context.SettleAside(step.lane.campaign, outcomes, &order); !status.ok()) return status;
  return settled;
}

absl::StatusOr<ReplayedRows> ReplayRows(CommitContext& context, const ReplayStep& step) {
  ReplayedRows replayed;
  absl::StatusOr<Tally*> tally = context.tallies.Of(step.campaign);
  if (!tally.ok()) return tally.status();
  if ((*tally)->cancelled) {
    return absl::FailedPreconditionError("the campaign is cancelled: its rows are never sent");
  }
  absl::StatusOr<std::vector<Returning>> rows = ReadReturning(context, step);
  if (!rows.ok()) return rows.status();
  replayed.suppressed =
      static_cast<uint64_t>(std::erase_if(*rows, [](const Returning& row) { return row.suppressed; }));
  std::ranges::sort(*rows, [](const Returning& a, const Returning& b) {
    const auto place = [](const Returning& row) {
      return std::tuple(row.parked.row.message.lane, row.due_ms, row.expires, row.parked.row.message.row);
    };
    return place(a) < place(b);
  });

  rocksdb::WriteBatch batch;
  const uint64_t sequence = context.NextSequence();
  uint64_t number = 0;
  std::string plaintext, sealed;
  for (size_t i = 0; i < rows->size();) {
    const Returning& first = (*rows)[i];
    const LaneId lane = first.parked.row.message.lane;
    std::vector<std::vector<std::string_view>> fields;
    std::vector<Row> pack;
    fields.reserve(Pack::kRowsMax);  // rows have spans of it
    for (; i < rows->size() && pack.size() < Pack::kRowsMax && (*rows)[i].parked.row.message.lane == lane &&
           (*rows)[i].due_ms == first.due_ms && (*rows)[i].expires == first.expires;
         ++i) {
      const StoredRow& row = (*rows)[i].parked.row;
      fields.emplace_back(row.fields.begin(), row.fields.end());
      pack.push_back({.id = row.message.row, .recipient = row.recipient, .fields = fields.back()});
      batch.Delete(context.database->handle(Column::kParked), (*rows)[i].key);
      --*CountOf((*rows)[i].parked.kind, &(*tally)->counters);
      (*tally)->roll -= RollMark(context.ring->roll_key(), step.campaign, row.message.row, /*in_doubt=*/false);
    }
    const RowsKey place{lane, first.due_ms, PlaceOf(sequence, number++)};
    const std::string key = place.Encode();
    plaintext.clear();
    sealed.clear();
    Pack::Encode(step.accepted, first.expires, pack, &plaintext);
    if (absl::Status status = context.sealer.Seal(KeyName::Of(step.campaign), Seal::kRows, key, plaintext, &sealed);
        !status.ok()) {
      return status;
    }
    batch.Put(context.database->handle(Column::kRows), key, RowsValue(sealed));
    const auto count = static_cast<int64_t>(pack.size());
    LaneValue change;
    // The lane may be gone since nothing was queued in it: then this makes it anew.
    const std::string lane_key = LaneKey(lane);
    std::string sealed_domain;
    if (absl::Status status = context.sealer.Seal(KeyName::Of(step.campaign), Seal::kLane, lane_key,
                                                  DomainOf(first.parked.row.recipient), &sealed_domain);
        !status.ok()) {
      return status;
    }
    change.Add({.queued = count, .retrying = count, .due_ms = first.due_ms, .sealed_domain = sealed_domain});
    batch.Merge(context.database->handle(Column::kLanes), lane_key, change.Encode());
    (*tally)->counters.retrying += pack.size();
    replayed.rows += pack.size();
    const absl::Time due = absl::FromUnixMillis(static_cast<int64_t>(first.due_ms));
    if (replayed.lanes.empty() || replayed.lanes.back().lane != lane) replayed.lanes.push_back({lane, 0, due});
    replayed.lanes.back().rows += pack.size();
  }
  (*tally)->changed = true;
  if (absl::Status status = context.tallies.Write(&batch); !status.ok()) return status;
  PutSequence(context, sequence, &batch);
  if (step.record) {
    const Order order = step.record(replayed.rows, replayed.suppressed);
    if (absl::Status status = AddOrder(context.database, &context.sealer, order, &batch); !status.ok()) return status;
  }
  if (absl::Status status = context.Write(&batch); !status.ok()) return status;
  return replayed;
}

absl::StatusOr<ParkedPage> ReadParked(Database* database, Unsealer* unsealer, CampaignId campaign, RowId after,
                                      int max) {
  ParkedPage page{.rows = {}, .after = after};
  const std::string end = PrefixEnd(CampaignPrefix(campaign));
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator(options, database->handle(Column::kParked)));
  it->Seek(ParkedKey(campaign, RowId{static_cast<uint32_t>(after) + 1}));
  for (; it->Valid() && page.rows.size() < static_cast<size_t>(std::max(max, 1)); it->Next()) {
    absl::StatusOr<ParkedRow> row = DecodeParkedRow(unsealer, ToView(it->key()), ToView(it->value()));
    if (!row.ok()) return row.status();
    page.after = row->row.message.row;
    page.rows.push_back(*std::move(row));
  }
  if (auto status = it->status(); !status.ok()) return FromRocks(status, "read parked rows");
  page.done = !it->Valid();
  return page;
}

}  // namespace sealift::queue
