#include "queue/reconciliation.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "queue/address_hash.h"
#include "queue/event_block.h"
#include "queue/event_log.h"
#include "queue/keys.h"
#include "queue/pack.h"
#include "queue/parked_row.h"
#include "queue/rocks.h"
#include "queue/row_search.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

bool MayHaveArrived(const Event& event) { return event.reason_class == kInDoubtClass; }

// ... and it was held there until somebody decides.
bool IsInDoubt(const Event& event) { return event.kind == OutcomeKind::kDeferred && MayHaveArrived(event); }

Outcome OutcomeOf(const Event& event, const RowPlace& place) {
  Outcome outcome;
  outcome.pack = place.pack;
  outcome.index = place.index;
  outcome.kind = event.kind;
  outcome.time = event.time;
  if (IsInDoubt(event)) outcome.due = absl::InfiniteFuture();
  outcome.attempt = event.attempt;
  outcome.reason_class = event.reason_class;
  outcome.rule = event.rule;
  outcome.code = event.code;
  outcome.enhanced = event.enhanced;
  outcome.reply = event.reply;
  outcome.key = event.key;
  outcome.evidence = std::make_shared<const Evidence>(event.evidence);
  outcome.received = event.kind == OutcomeKind::kDelivered;  // whether the stream has a cap is not known here
  return outcome;
}

// Lines come in any order.
std::vector<const Event*> OldestFirst(std::span<const Event> events) {
  std::vector<const Event*> sorted;
  sorted.reserve(events.size());
  for (const Event& event : events) sorted.push_back(&event);
  std::ranges::sort(sorted, {}, [](const Event* event) {
    return std::tuple(EventCursor::Parse(event->cursor).value_or(EventCursor()), event->time, event);
  });
  return sorted;
}

// Whether the event is in the backup. One without a cursor is taken for one that is not.
bool IsInBackup(const Event& event, const Restored& restored) {
  const std::optional<EventCursor> cursor = EventCursor::Parse(event.cursor);
  return cursor.has_value() && cursor->sequence != 0 && cursor->sequence <= restored.sequence;
}

// That its recipient has received it, of a row that is not here. Only an event that names him can say so.
void AddReceipt(const CommitContext& context, const Event& event, rocksdb::WriteBatch* batch) {
  if (event.kind != OutcomeKind::kDelivered || event.recipient.empty()) return;
  std::string scratch;
  const AddressHash stream = HashName(*context.ring, event.evidence.stream, &scratch);
  const AddressHash recipient = HashAddress(*context.ring, event.recipient, &scratch);
  batch->Put(context.database->handle(Column::kReceived),
             ReceivedKey(stream, recipient, event.time, event.message.lane.campaign, event.message.row), "");
}

// Archive keeps what became of rows that are not here: they are found by it, and who got them can opt out and
// complain. Only an event that names its recipient can be kept.
class Archive {
 public:
  Archive(CommitContext* context, rocksdb::WriteBatch* batch) : context_(context), batch_(batch) {}

  // Nothing where it is kept already.
  absl::Status Add(const Event& event) {
    if (event.recipient.empty() || !added_.emplace(event.message, event.time).second) return absl::OkStatus();
    std::string scratch, value;
    const AddressHash address = HashAddress(*context_->ring, event.recipient, &scratch);
    const std::string seen = SeenNameKey(event.message.lane.campaign, address, event.message.row);
    // Without it none is kept: it is written first. To look through the events of a lane for each of its rows is dear.
    const auto found = context_->database->get()->Get({}, context_->database->handle(Column::kSeen), seen, &value);
    if (!found.ok() && !found.IsNotFound()) return FromRocks(found, "look for a name");
    if (found.ok()) {
      const absl::StatusOr<std::vector<Event>> kept = EventsOf(context_->database, &context_->unsealer, event.message);
      if (!kept.ok()) return kept.status();
      const bool known = std::ranges::any_of(
          *kept, [&](const Event& other) { return other.kind == event.kind && other.time == event.time; });
      if (known) return absl::OkStatus();
    }
    absl::StatusOr<std::shared_ptr<Pack>> pack =
        PackOf(event.message, StoredRow{.message = event.message, .recipient = event.recipient});
    if (!pack.ok()) return pack.status();
    outcomes_.push_back(OutcomeOf(event, {*std::move(pack), 0}));
    value.clear();
    PutFixed32(static_cast<uint32_t>(event.message.row), &value);
    PutFixed64(static_cast<uint64_t>(event.message.lane.destination), &value);
    batch_->Put(context_->database->handle(Column::kSeen), seen, value);
    return absl::OkStatus();
  }

  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  CommitContext* const context_;
  rocksdb::WriteBatch* const batch_;
  std::set<std::pair<MessageKey, absl::Time>> added_;
  std::vector<Outcome> outcomes_;
};

// It is not in the backup: what is here of it stands for it since (Store::AdoptCampaign).
bool IsElsewhere(const Campaign& campaign) {
  return campaign.state == CampaignState::kCancelled && campaign.input_rows == 0;
}

// When what was taken over of the row says that it happened; InfinitePast: nothing was.
absl::StatusOr<absl::Time> TakenOver(CommitContext& context, const Restored& restored, const MessageKey& message) {
  const absl::StatusOr<std::vector<Event>> events = EventsOf(context.database, &context.unsealer, message);
  if (!events.ok()) return events.status();
  absl::Time newest = absl::InfinitePast();
  for (const Event& event : *events) {
    if (!IsInBackup(event, restored)) newest = std::max(newest, event.time);
  }
  return newest;
}

// Of a row that is not queued, if it was settled here before the event, and could be sent again: as if it were claimed.
absl::StatusOr<std::optional<RowPlace>> Parked(CommitContext& context, const Restored& restored, const Event& event) {
  const MessageKey& message = event.message;
  const absl::StatusOr<std::optional<ParkedRow>> row =
      FindParkedRow(context.database, &context.unsealer, message.lane.campaign, message.row);
  if (!row.ok()) return row.status();
  if (!*row || (MayHaveArrived(event) && (*row)->reason_class == kInDoubtClass)) return std::nullopt;
  if ((*row)->settled >= event.time) {
    if ((*row)->settled == event.time && (*row)->kind == event.kind) return std::nullopt;  // by this one
    const absl::StatusOr<absl::Time> newest = TakenOver(context, restored, message);
    if (!newest.ok()) return newest.status();
    if (*newest >= event.time) return std::nullopt;
  }
  absl::StatusOr<std::shared_ptr<Pack>> pack = PackOf(message, (*row)->row);
  if (!pack.ok()) return pack.status();
  return RowPlace{*std::move(pack), 0};
}

// Of a row that was delivered before the event, as if it were claimed.
absl::StatusOr<std::optional<RowPlace>> DeliveredBefore(CommitContext& context, const Event& event) {
  const absl::StatusOr<std::vector<Event>> events = EventsOf(context.database, &context.unsealer, event.message);
  if (!events.ok()) return events.status();
  if (events->empty()) return std::nullopt;
  const Event& last = events->back();
  if (last.kind != OutcomeKind::kDelivered || last.time >= event.time) return std::nullopt;
  absl::StatusOr<std::shared_ptr<Pack>> pack =
      PackOf(event.message, StoredRow{.message = event.message, .recipient = last.recipient});
  if (!pack.ok()) return pack.status();
  return RowPlace{*std::move(pack), 0};
}

}  // namespace

absl::StatusOr<Reconciled> SettleElsewhere(CommitContext& context, const CampaignTable* campaigns,
                                           const Restored& restored, std::span<const Event> events, bool dry_run) {
  Reconciled result;
  rocksdb::WriteBatch receipts;
  Archive archive(&context, &receipts);
  RowSearch search(context.database, &context.unsealer);
  std::map<MessageKey, const Event*> wanted;  // the newest word on each row
  std::map<CampaignId, uint32_t> accepted;    // how far the input of each campaign was accepted
  std::map<CampaignId, bool> elsewhere_only;  // campaigns that are not in the backup, and whether they are here since
  for (const Event* of_them : OldestFirst(events)) {
    const Event& event = *of_them;
    const bool in_doubt = IsInDoubt(event);
    if ((event.kind == OutcomeKind::kDeferred && !in_doubt) || event.of_campaign()) {
      // An operator released it since, and it was tried again.
      if (const auto held = wanted.find(event.message); held != wanted.end() && IsInDoubt(*held->second)) {
        wanted.erase(held);
      }
      continue;
    }
    const CampaignId id = event.message.lane.campaign;
    if (!accepted.contains(id) && !elsewhere_only.contains(id)) {
      absl::StatusOr<Campaign> campaign = campaigns->Head(id);
      const bool is_here = !absl::IsNotFound(campaign.status());
      if (is_here && !campaign.ok()) return campaign.status();
      if (is_here) {
        if (absl::Status status = campaigns->ReadCounts(nullptr, &*campaign); !status.ok()) return status;
      }
      if (is_here && !IsElsewhere(*campaign)) {
        accepted.emplace(id, campaign->input_rows);
      } else {
        elsewhere_only.emplace(id, is_here);
      }
    }
    if (const auto found = elsewhere_only.find(id); found != elsewhere_only.end()) {
      ++result.foreign;
      result.foreign_of.insert(id);
      if (!found->second) {
        AddReceipt(context, event, &receipts);
      } else if (absl::Status status = dry_run ? absl::OkStatus() : archive.Add(event); !status.ok()) {
        return status;
      }
      continue;
    }
    // What was replayed since that outcome is queued here, and has to be sent.
    if (IsInBackup(event, restored)) {
      ++result.known;
      continue;
    }
    wanted[event.message] = &event;
  }
  std::map<MessageKey, RowPlace> places;
  std::map<LaneId, std::set<RowId>> elsewhere;
  for (const auto& [message, event] : wanted) {
    const absl::StatusOr<std::optional<RowPlace>> place = search.Fresh(message);
    if (!place.ok()) return place.status();
    if (*place) {
      places.emplace(message, **place);
    } else {
      elsewhere[message.lane].insert(message.row);
    }
  }
  for (const auto& [lane, rows] : elsewhere) {
    if (absl::Status status = search.Retrying(lane, rows, &places); !status.ok()) return status;
  }
  std::vector<Outcome> outcomes, facts, late;
  for (const auto& [message, event] : wanted) {
    if (const auto place = places.find(message); place != places.end()) {
      const bool held = place->second.pack->due() == absl::InfiniteFuture();
      if (IsInDoubt(*event)) {
        if (held) continue;  // here too
        ++result.held_of[message.lane.campaign];
      } else {
        const absl::StatusOr<absl::Time> newest =
            held ? TakenOver(context, restored, message) : absl::StatusOr<absl::Time>(absl::InfinitePast());
        if (!newest.ok()) return newest.status();
        if (*newest >= event->time) {  // it was replayed since, and is held by what became of it then
          ++result.known;
          continue;
        }
        ++result.dequeued_of[message.lane.campaign];
      }
      outcomes.push_back(OutcomeOf(*event, place->second));
      continue;
    }
    // Settled here, replayed there since, and delivered, refused or in doubt.
    const bool bounced = event->kind == OutcomeKind::kBounced;
    const bool lacking = static_cast<uint32_t>(message.row) > accepted.at(message.lane.campaign);
    absl::StatusOr<std::optional<RowPlace>> parked = std::nullopt, delivered = std::nullopt;
    if (event->kind == OutcomeKind::kDelivered || bounced || MayHaveArrived(*event)) {
      parked = Parked(context, restored, *event);
    }
    if (!parked.ok()) return parked.status();
    if (bounced && !lacking && !parked->has_value())
      delivered = DeliveredBefore(context, *event);  // and reported since
    if (!delivered.ok()) return delivered.status();
    if (parked->has_value()) {
      facts.push_back(OutcomeOf(*event, **parked));
    } else if (delivered->has_value()) {
      late.push_back(OutcomeOf(*event, **delivered));
    } else if (lacking) {
      ++result.lacking;
      if (absl::Status status = dry_run ? absl::OkStatus() : archive.Add(*event); !status.ok()) return status;
      result.lacking_of.insert(message.lane.campaign);
    } else if (!IsInDoubt(*event)) {
      ++result.known;
    }
  }
  result.settled += outcomes.size() + facts.size() + late.size();
  for (const auto& [campaign, rows] : result.held_of) result.settled -= rows;
  if (dry_run) return result;
  if (receipts.Count() > 0) {
    if (absl::Status status = context.Write(&receipts); !status.ok()) return status;
  }
  facts.insert(facts.end(), archive.outcomes().begin(), archive.outcomes().end());
  if (!facts.empty()) {
    if (absl::Status status = context.SettleLate(facts, /*delivered=*/false); !status.ok()) return status;
  }
  if (!late.empty()) {
    if (absl::Status status = context.SettleLate(late, /*delivered=*/true); !status.ok()) return status;
  }
  if (outcomes.empty()) return result;
  // They are read and settled between two commits: nothing can have overtaken them.
  for (const Outcome& outcome : outcomes) outcome.pack->set_epoch(context.epoch->Current());
  if (absl::Status status = context.Settle(outcomes, {}); !status.ok()) return status;
  return result;
}

}  // namespace sealift::queue
