#include "queue/intent.h"

#include <map>
#include <vector>

#include "queue/campaign_table.h"
#include "queue/committer.h"
#include "queue/damage.h"
#include "queue/parked_row.h"
#include "queue/rocks.h"
#include "queue/row_search.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr uint8_t kVersion = 1;

struct Found {
  std::string rows_key;
  LaneId lane;
  RowId row{};
  uint16_t attempt = 0;
  absl::Time date;
};

bool Decode(std::string_view key, std::string_view value, Found* found) {
  if (key.size() != 8) return false;
  WireReader in(value);
  if (in.Byte() != kVersion) return false;
  found->row = RowId{Fixed32(key.data() + 4)};
  found->rows_key = in.Bytes();
  found->attempt = static_cast<uint16_t>(in.Varint());
  found->date = in.Time();
  const std::optional<RowsKey> place = RowsKey::Decode(found->rows_key);
  if (!place || !in.done() || !found->rows_key.starts_with(key.substr(0, 4))) return false;
  found->lane = place->lane;
  return true;
}

// Of a row that was settled aside while it was sent; null: it is not parked.
absl::StatusOr<std::shared_ptr<Pack>> ParkedPack(CommitContext& context, const Found& found) {
  const absl::StatusOr<std::optional<ParkedRow>> parked =
      FindParkedRow(context.database, &context.unsealer, found.lane.campaign, found.row);
  if (!parked.ok()) return parked.status();
  if (!*parked) return nullptr;
  return PackOf({found.lane, found.row}, (*parked)->row);
}

}  // namespace

std::string IntentKey(CampaignId campaign, RowId row) { return ParkedKey(campaign, row); }

std::string IntentValue(std::string_view rows_key, uint16_t attempt, absl::Time date) {
  std::string value;
  value.push_back(static_cast<char>(kVersion));
  PutBytes(rows_key, &value);
  PutVarint(attempt, &value);
  PutTime(date, &value);
  return value;
}

absl::StatusOr<bool> HasIntent(const CommitContext& context, CampaignId campaign, RowId row) {
  std::string value;
  const auto found =
      context.database->get()->Get({}, context.database->handle(Column::kIntents), IntentKey(campaign, row), &value);
  if (!found.ok() && !found.IsNotFound()) return FromRocks(found, "read an intent");
  return found.ok();
}

absl::Status HoldInDoubt(CommitContext& context, CampaignTable* campaigns, const KeyFieldOf& key_field,
                         absl::Time now) {
  rocksdb::DB* const db = context.database->get();
  rocksdb::ColumnFamilyHandle* const intents = context.database->handle(Column::kIntents);
  struct Owner {
    std::shared_ptr<const Evidence> evidence;
    std::optional<size_t> key_field;
  };
  std::map<CampaignId, Owner> owners;
  RowSearch search(context.database, &context.unsealer);
  std::vector<Outcome> outcomes, late;  // of rows that are queued, and parked
  rocksdb::WriteBatch settled;          // intents of others
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}, intents));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Found found;
    if (!Decode(ToView(it->key()), ToView(it->value()), &found)) {
      return Damage("an intent of the queue is cut short");
    }
    absl::StatusOr<std::optional<RowPlace>> place = search.At(found.rows_key, found.row);
    if (!place.ok()) return place.status();
    std::shared_ptr<Pack> parked;
    if (!*place) {
      absl::StatusOr<std::shared_ptr<Pack>> pack = ParkedPack(context, found);
      if (!pack.ok()) return pack.status();
      parked = *std::move(pack);
    }
    if (!*place && parked == nullptr) {  // it may have been moved
      std::map<MessageKey, RowPlace> places;
      if (absl::Status status = search.Retrying(found.lane, {found.row}, &places); !status.ok()) return status;
      if (!places.empty()) *place = places.begin()->second;
    }
    const bool queued = place->has_value();
    const std::shared_ptr<Pack> pack = queued ? (*place)->pack : parked;
    const uint8_t index = queued ? (*place)->index : uint8_t{0};
    if (pack == nullptr) {
      settled.Delete(intents, it->key());
      continue;
    }
    const CampaignId id = pack->lane().campaign;
    const auto [owner, unknown] = owners.try_emplace(id);
    if (unknown) {
      const absl::StatusOr<Campaign> campaign = campaigns->Get(id);
      if (!campaign.ok()) return campaign.status();
      auto evidence = std::make_shared<Evidence>();
      evidence->stream = campaign->spec.stream;
      owner->second = {std::move(evidence), key_field ? key_field(*campaign) : std::nullopt};
    }
    const Row& row = pack->rows()[index];
    Outcome outcome;
    outcome.pack = pack;
    outcome.index = index;
    outcome.kind = OutcomeKind::kDeferred;
    outcome.time = now;
    outcome.due = absl::InfiniteFuture();
    outcome.date = found.date;
    outcome.attempt = found.attempt;
    outcome.reason_class = kInDoubtClass;
    outcome.reply = "the node stopped between the final dot of this message and its outcome";
    if (owner->second.key_field.has_value() && *owner->second.key_field < row.fields.size()) {
      outcome.key = row.fields[*owner->second.key_field];
    }
    outcome.evidence = owner->second.evidence;
    outcome.intended = true;
    (queued ? outcomes : late).push_back(std::move(outcome));
  }
  if (!it->status().ok()) return FromRocks(it->status(), "read what is in doubt");
  if (settled.Count() > 0) {
    if (absl::Status status = context.Write(&settled); !status.ok()) return status;
  }
  if (!late.empty()) {
    if (absl::Status status = context.SettleLate(late, /*delivered=*/false); !status.ok()) return status;
  }
  return outcomes.empty() ? absl::OkStatus() : context.Settle(outcomes, {});
}

}  // namespace sealift::queue
