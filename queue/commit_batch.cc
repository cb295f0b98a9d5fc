#include "queue/commit_batch.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "queue/damage.h"
#include "queue/due_horizon.h"
#include "queue/event_log.h"
#include "queue/keys.h"
#include "queue/pack.h"
#include "queue/parked_row.h"
#include "queue/reply_line.h"
#include "queue/rocks.h"
#include "queue/roll.h"
#include "queue/rows_merge.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

uint64_t Millis(absl::Time time) {
  constexpr int64_t kFar = int64_t{1} << 52;
  return static_cast<uint64_t>(std::clamp<int64_t>(absl::ToUnixMillis(time), 1, kFar));
}

uint64_t* CountOf(OutcomeKind kind, Counters* counters) {
  switch (kind) {
    case OutcomeKind::kDelivered:
      return &counters->delivered;
    case OutcomeKind::kBounced:
      return &counters->bounced;
    case OutcomeKind::kExpired:
      return &counters->expired;
    case OutcomeKind::kSuppressed:
      return &counters->suppressed;
    case OutcomeKind::kCancelled:
      return &counters->cancelled;
    case OutcomeKind::kDeferred:
      break;
  }
  return &counters->deferrals;
}

// That of the row, once it is deferred.
std::string_view ClassOf(const Outcome& outcome, const Row& row) {
  return outcome.keeps_class || outcome.reason_class.empty() ? row.reason_class : outcome.reason_class;
}

SuppressionChange HardBounce(const Outcome& outcome, std::string_view recipient) {
  SuppressionChange change{.address = std::string(recipient), .entry = {}};
  change.entry.what = {.kind = outcome.doubtful ? SuppressionKind::kSuspected : SuppressionKind::kHardBounce,
                       .scope = {},
                       .sink = outcome.sink};
  change.entry.time = outcome.time;
  if (outcome.evidence != nullptr) change.entry.source = outcome.evidence->source;
  change.entry.provider = outcome.provider;
  change.entry.reason_class = outcome.reason_class;
  change.entry.reply = ReplyLine(outcome.code, outcome.enhanced, outcome.reply);
  return change;
}

// Who took mail is somebody.
SuppressionChange Refutation(const Outcome& outcome, std::string_view recipient) {
  SuppressionChange change{.address = std::string(recipient), .entry = {}};
  change.entry.what = {.kind = SuppressionKind::kSuspected, .scope = {}, .sink = outcome.sink};
  change.entry.added = false;
  change.entry.time = outcome.time;
  change.entry.reason = "took mail";
  return change;
}

bool IsParked(OutcomeKind kind) {
  return kind == OutcomeKind::kBounced || kind == OutcomeKind::kExpired || kind == OutcomeKind::kCancelled;
}

}  // namespace

absl::Status CommitBatch::Build(std::span<const Outcome> outcomes, std::span<const Intent> intents, uint64_t sequence,
                                rocksdb::WriteBatch* batch) {
  Begin();
  for (const Intent& intent : intents) {
    const Pack& pack = *intent.pack;
    batch->Put(database_->handle(Column::kIntents), IntentKey(pack.lane().campaign, pack.rows_[intent.index].id),
               IntentValue(pack.key_, intent.attempt, intent.date));
  }
  uint64_t earliest = std::numeric_limits<uint64_t>::max();
  for (const Outcome& outcome : outcomes) {
    if (outcome.kind != OutcomeKind::kDeferred || outcome.in_doubt()) continue;
    earliest = std::min(earliest, Millis(RoundDue(outcome.due, outcome.time)));
  }
  uint64_t floor_ms = 0;
  if (earliest != std::numeric_limits<uint64_t>::max()) floor_ms = horizon_->Prepare(earliest, Millis(absl::Now()));

  for (const Outcome& outcome : outcomes) {
    if (absl::Status status = AddOutcome(outcome, floor_ms, batch); !status.ok()) return status;
  }
  if (absl::Status status = PackDeferred(sequence); !status.ok()) return status;
  return Finish(sequence, batch);
}

absl::Status CommitBatch::BuildLate(std::span<const Outcome> outcomes, bool delivered, uint64_t sequence,
                                    rocksdb::WriteBatch* batch) {
  Begin();
  for (const Outcome& outcome : outcomes) {
    absl::StatusOr<Tally*> tally = tallies_->Of(outcome.pack->lane().campaign);
    if (!tally.ok()) return tally.status();
    const Row& row = outcome.pack->rows_[outcome.index];
    if (outcome.received) AddReceived(outcome, row, batch);
    if (outcome.intended) EndIntent(outcome, row, batch);
    if (absl::Status status = AddFact(outcome, row, delivered, *tally, batch); !status.ok()) return status;
  }
  return Finish(sequence, batch);
}

void CommitBatch::Begin() {
  packs_.clear();
  deferrals_.clear();
  deferred_packs_.clear();
  lanes_.clear();
  suppressions_learnt_.clear();
  moved_.clear();
  news_.clear();
}

absl::Status CommitBatch::Finish(uint64_t sequence, rocksdb::WriteBatch* batch) {
  if (!suppressions_learnt_.empty()) {
    const absl::StatusOr<uint64_t> suppressed =
        suppressions_->Change(suppressions_learnt_, sealer_, unsealer_, batch, &news_);
    if (!suppressed.ok()) return suppressed.status();
  }
  AddPacks(batch);
  AddLanes(sequence, batch);
  if (absl::Status status = tallies_->Write(batch); !status.ok()) return status;
  return lanes_.empty() ? absl::OkStatus()
                        : AddEventBlock(database_, ring_, sealer_, sequence, &events_, newest_block_, batch);
}

absl::Status CommitBatch::AddOutcome(const Outcome& outcome, uint64_t floor_ms, rocksdb::WriteBatch* batch) {
  Pack& pack = *outcome.pack;
  assert(outcome.index < pack.rows_.size());
  const Row& row = pack.rows_[outcome.index];
  const uint16_t bit = pack.bits_[outcome.index];
  absl::StatusOr<Tally*> found = tallies_->Of(pack.lane().campaign);
  if (!found.ok()) return found.status();
  Tally& tally = **found;
  if (pack.epoch_ < tally.overtaken) {
    if (absl::Status status = LookAgain(&pack); !status.ok()) return status;
  }
  if (tally.overtaken > 0 && (pack.settled_ & bit) != 0) return AddOvertaken(outcome, row, &tally, batch);
  if (outcome.received) AddReceived(outcome, row, batch);
  if (outcome.intended) EndIntent(outcome, row, batch);
  assert(((pack.settled_ | pack.pending_) & bit) == 0 && "a row has one outcome a claim");
  const bool deferred = outcome.kind == OutcomeKind::kDeferred, in_doubt = outcome.in_doubt();
  uint64_t due_ms = 0;
  if (in_doubt) {
    due_ms = RowsKey::kInDoubt;
  } else if (deferred) {
    due_ms = RoundUpDue(std::max(Millis(RoundDue(outcome.due, outcome.time)), floor_ms + 1));
  }

  events_.Add(outcome, row, RowsKey{.due_ms = deferred ? due_ms : RowsKey::kInDoubt}.due());
  Learn(outcome, row, /*late=*/false);
  LaneChange& lane = lanes_.emplace_back(pack.lane(), row.id);

  if (tally.cancelled) {
    // The cancellation has counted this row and dropped its lane; what really happened to it is worth knowing.
    const bool tells = in_doubt || (!deferred && outcome.kind != OutcomeKind::kCancelled);
    if (!tells || tally.counters.cancelled == 0) return absl::OkStatus();
    if (!in_doubt) {
      --tally.counters.cancelled;
      ++*CountOf(outcome.kind, &tally.counters);
    }
    tally.changed = true;
    if (tally.erased) return absl::OkStatus();
    const bool was_in_doubt = pack.due() == absl::InfiniteFuture();
    tally.roll += RollMark(ring_->roll_key(), pack.lane().campaign, row.id, was_in_doubt);
  } else {
    ++*CountOf(outcome.kind, &tally.counters);
    tally.changed = true;
    const bool was_in_doubt = pack.due() == absl::InfiniteFuture();
    const bool was_retrying = pack.due() != absl::InfinitePast() && !was_in_doubt;
    const int64_t retrying = (deferred && !in_doubt ? 1 : 0) - (was_retrying ? 1 : 0);
    const bool is_sated = deferred && !in_doubt && ClassOf(outcome, row) == kSatedClass;
    const int64_t sated = (is_sated ? 1 : 0) - (was_retrying && row.reason_class == kSatedClass ? 1 : 0);
    const int64_t doubts = (in_doubt ? 1 : 0) - (was_in_doubt ? 1 : 0);
    tally.counters.retrying += static_cast<uint64_t>(retrying);
    // Those of a database of before they were counted are not in it.
    tally.counters.sated =
        static_cast<uint64_t>(std::max<int64_t>(static_cast<int64_t>(tally.counters.sated) + sated, 0));
    tally.counters.in_doubt += static_cast<uint64_t>(doubts);
    if (!deferred || doubts != 0) {
      const auto mark = [&](bool held) { return RollMark(ring_->roll_key(), pack.lane().campaign, row.id, held); };
      tally.roll += mark(was_in_doubt) - (deferred ? mark(in_doubt) : 0);
    }
    lane.counted = true;
    lane.value = {.queued = deferred ? 0 : -1,
                  .retrying = retrying,
                  .in_doubt = doubts,
                  .sated = sated,
                  .due_ms = in_doubt ? 0 : due_ms,
                  .sealed_domain = {}};
    if (deferred) deferrals_.push_back({&outcome, due_ms});
  }
  if (pack.pending_ == 0) packs_.push_back(&pack);
  pack.pending_ |= bit;
  if (tally.cancelled && in_doubt) return ParkInDoubt(outcome, OutcomeKind::kCancelled, row, batch);
  return IsParked(outcome.kind) ? Park(outcome, row, batch) : absl::OkStatus();
}

void CommitBatch::Learn(const Outcome& outcome, const Row& row, bool late) {
  if (outcome.bad_mailbox) {
    suppressions_learnt_.push_back(HardBounce(outcome, row.recipient));
    if (late) suppressions_learnt_.back().entry.reason = kReported;
  } else if (outcome.kind == OutcomeKind::kDelivered && suppressions_->MaySuspect(row.recipient)) {
    suppressions_learnt_.push_back(Refutation(outcome, row.recipient));
  }
}

void CommitBatch::EndIntent(const Outcome& outcome, const Row& row, rocksdb::WriteBatch* batch) {
  batch->Delete(database_->handle(Column::kIntents), IntentKey(outcome.pack->lane().campaign, row.id));
}

void CommitBatch::AddReceived(const Outcome& outcome, const Row& row, rocksdb::WriteBatch* batch) {
  assert(outcome.kind == OutcomeKind::kDelivered && outcome.evidence != nullptr);
  const AddressHash stream = HashName(*ring_, outcome.evidence->stream, &scratch_);
  const AddressHash recipient = HashAddress(*ring_, row.recipient, &scratch_);
  batch->Put(database_->handle(Column::kReceived),
             ReceivedKey(stream, recipient, outcome.time, outcome.pack->lane().campaign, row.id), "");
}

absl::Status CommitBatch::Park(const Outcome& outcome, const Row& row, rocksdb::WriteBatch* batch) {
  const std::string key = ParkedKey(outcome.pack->lane().campaign, row.id);
  std::string value;
  if (absl::Status status = EncodeParked(sealer_, outcome, row, key, &value); !status.ok()) return status;
  batch->Put(database_->handle(Column::kParked), key, value);
  return absl::OkStatus();
}

absl::Status CommitBatch::ParkInDoubt(Outcome outcome, OutcomeKind decided, const Row& row,
                                      rocksdb::WriteBatch* batch) {
  outcome.kind = decided;
  outcome.reason_class = kInDoubtClass;
  return Park(outcome, row, batch);
}

absl::Status CommitBatch::LookAgain(Pack* pack) {
  std::string value;
  const auto found = database_->get()->Get({}, database_->handle(Column::kRows), pack->key_, &value);
  RowsValueView view;
  if (found.IsNotFound()) {
    view.settled = pack->all_;
  } else if (!found.ok()) {
    return FromRocks(found, "read a row");
  } else if (!ParseRowsValue(value, &view)) {
    return Damage("a pack of the queue is cut short");
  }
  pack->settled_ |= view.settled;
  pack->epoch_ = epoch_->Current();
  return absl::OkStatus();
}

absl::Status CommitBatch::AddOvertaken(const Outcome& outcome, const Row& row, Tally* tally,
                                       rocksdb::WriteBatch* batch) {
  const bool fact = outcome.kind == OutcomeKind::kDelivered || outcome.kind == OutcomeKind::kBounced ||
                    outcome.reason_class == kInDoubtClass;
  if (fact) {
    const absl::StatusOr<std::optional<ParkedRow>> parked =
        FindParkedRow(database_, unsealer_, outcome.pack->lane().campaign, row.id);
    if (!parked.ok()) return parked.status();
    if (!*parked) {
      moved_.push_back(outcome);
      return absl::OkStatus();
    }
  }
  if (outcome.received) AddReceived(outcome, row, batch);
  if (outcome.intended) EndIntent(outcome, row, batch);
  return fact ? AddFact(outcome, row, /*delivered=*/false, tally, batch) : absl::OkStatus();
}

absl::Status CommitBatch::AddFact(const Outcome& outcome, const Row& row, bool delivered, Tally* tally,
                                  rocksdb::WriteBatch* batch) {
  events_.Add(outcome, row, absl::InfiniteFuture());
  Learn(outcome, row, delivered);
  lanes_.emplace_back(outcome.pack->lane(), row.id);
  const CampaignId campaign = outcome.pack->lane().campaign;
  const absl::StatusOr<std::optional<ParkedRow>> parked = FindParkedRow(database_, unsealer_, campaign, row.id);
  if (!parked.ok()) return parked.status();
  if (!*parked) {  // decided as delivered, or past its retention
    if (!delivered || tally->counters.delivered == 0) return absl::OkStatus();
    --tally->counters.delivered;
    ++*CountOf(outcome.kind, &tally->counters);
    tally->changed = true;
    return absl::OkStatus();
  }
  const OutcomeKind decided = (*parked)->kind;
  if (outcome.reason_class == kInDoubtClass) return ParkInDoubt(outcome, decided, row, batch);
  --*CountOf(decided, &tally->counters);
  ++*CountOf(outcome.kind, &tally->counters);
  tally->changed = true;
  if (outcome.kind == OutcomeKind::kBounced) return Park(outcome, row, batch);
  batch->Delete(database_->handle(Column::kParked), ParkedKey(campaign, row.id));
  return absl::OkStatus();
}

absl::Status CommitBatch::PackDeferred(uint64_t sequence) {
  // Rows that may share a pack become neighbours.
  const auto group = [](const Deferral& deferral) {
    const Pack& pack = *deferral.outcome->pack;
    return std::tuple(pack.lane(), deferral.due_ms, pack.accepted(), pack.expires());
  };
  std::sort(deferrals_.begin(), deferrals_.end(), [&](const Deferral& a, const Deferral& b) {
    const auto row = [](const Deferral& deferral) { return deferral.outcome->pack->rows_[deferral.outcome->index].id; };
    return std::tuple(group(a), row(a)) < std::tuple(group(b), row(b));
  });
  uint64_t number = 0;
  std::vector<Row> rows;
  std::string plaintext, sealed;
  for (size_t i = 0; i < deferrals_.size();) {
    const Pack& pack = *deferrals_[i].outcome->pack;
    const RowsKey place{pack.lane(), deferrals_[i].due_ms, PlaceOf(sequence, number++)};
    rows.clear();
    for (const auto first = group(deferrals_[i]);
         i < deferrals_.size() && rows.size() < Pack::kRowsMax && group(deferrals_[i]) == first; ++i) {
      const Outcome& outcome = *deferrals_[i].outcome;
      Row row = outcome.pack->rows_[outcome.index];
      row.attempts = std::max(row.attempts, outcome.attempt);
      if (row.date == absl::InfinitePast()) row.date = outcome.date;
      row.reason_class = ClassOf(outcome, row);
      rows.push_back(row);
    }
    plaintext.clear();
    sealed.clear();
    Pack::Encode(pack.accepted(), pack.expires(), rows, &plaintext);
    std::string key = place.Encode();
    if (absl::Status status = sealer_->Seal(KeyName::Of(place.lane.campaign), Seal::kRows, key, plaintext, &sealed);
        !status.ok()) {
      return status;
    }
    deferred_packs_.emplace_back(std::move(key), RowsValue(sealed));
  }
  return absl::OkStatus();
}

void CommitBatch::AddPacks(rocksdb::WriteBatch* batch) {
  std::ranges::sort(packs_, {}, [](const Pack* pack) -> std::string_view { return pack->key_; });
  auto deferred = deferred_packs_.begin();
  const auto put_deferred_before = [&](const std::string* key) {
    for (; deferred != deferred_packs_.end() && (key == nullptr || deferred->first < *key); ++deferred) {
      batch->Put(database_->handle(Column::kRows), deferred->first, deferred->second);
    }
  };
  for (const Pack* pack : packs_) {
    put_deferred_before(&pack->key_);
    if ((pack->settled_ | pack->pending_) == pack->all_) {
      batch->Delete(database_->handle(Column::kRows), pack->key_);
    } else {
      batch->Merge(database_->handle(Column::kRows), pack->key_, SettledOperand(pack->pending_));
    }
  }
  put_deferred_before(nullptr);
}

void CommitBatch::AddLanes(uint64_t sequence, rocksdb::WriteBatch* batch) {
  std::ranges::sort(lanes_, {}, &LaneChange::lane);
  std::string rows;
  for (auto first = lanes_.begin(); first != lanes_.end();) {
    LaneChange sum{.lane = first->lane};
    rows.clear();
    for (; first != lanes_.end() && first->lane == sum.lane; ++first) {
      PutVarint(static_cast<uint32_t>(first->row), &rows);
      sum.value.Add(first->value);
      sum.counted = sum.counted || first->counted;
    }
    if (sum.counted) batch->Merge(database_->handle(Column::kLanes), LaneKey(sum.lane), sum.value.Encode());
    batch->Put(database_->handle(Column::kEvents), TraceKey(sum.lane, sequence), rows);
  }
}

void CommitBatch::Settled() {
  for (Pack* pack : packs_) {
    pack->settled_ |= pack->pending_;
    pack->pending_ = 0;
  }
  packs_.clear();
}

}  // namespace sealift::queue
