#include "queue/cancellation.h"

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "queue/damage.h"
#include "queue/event_block.h"
#include "queue/event_log.h"
#include "queue/keys.h"
#include "queue/parked_row.h"
#include "queue/reading.h"
#include "queue/rocks.h"
#include "queue/roll.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {

absl::StatusOr<Counters> CancelCampaign(CommitContext& context, CampaignTable* campaigns, CampaignId id, bool erase,
                                        absl::Time now) {
  // Before anything changes in memory, where an erased key is gone at once.
  if (context.failure->stopped()) return context.failure->status();
  Database* const database = context.database;
  absl::StatusOr<Campaign> campaign = campaigns->Head(id);
  if (!campaign.ok()) return campaign.status();
  Roll roll;
  if (absl::Status status = campaigns->ReadCounts(nullptr, &*campaign, &roll); !status.ok()) return status;
  absl::StatusOr<Tally*> found = context.tallies.Of(id);
  if (!found.ok()) return found.status();
  Tally& tally = **found;
  const bool again = tally.cancelled;
  rocksdb::WriteBatch batch;
  if (again && (!erase || tally.erased)) {
    // From here on it is cancelled anew: whoever was about to bring it back does not.
    campaign->ended = now;
    if (absl::Status status = campaigns->WriteHead(*campaign, &batch); !status.ok()) return status;
    return campaign->counters;
  }
  const std::string prefix = CampaignPrefix(id), end = PrefixEnd(prefix);
  if (!again) {
    campaign->state = CampaignState::kCancelled;
    campaign->ended = now;
    campaign->counters.cancelled += campaign->counters.queued();
    campaign->counters.retrying = campaign->counters.sated = 0;
    campaign->counters.in_doubt = 0;
    batch.DeleteRange(database->handle(Column::kLanes), prefix, end);
    batch.DeleteRange(database->handle(Column::kIntents), prefix, end);
  }
  if (erase) {
    campaign->erased = true;
    for (const Column column : {Column::kRows, Column::kSeen, Column::kParked, Column::kBodies}) {
      batch.DeleteRange(database->handle(column), prefix, end);
    }
    batch.Delete(database->handle(Column::kCampaigns), CampaignKey(id, CampaignPart::kBody));
    context.ring->Forget(KeyName::Of(id), &batch);
    batch.Put(ToSlice(kKekScrubKey), "");  // the next start's, should a crash come before ScrubKeys has ended
  }
  tally.counters = campaign->counters;
  if (!again) tally.roll -= CancelMark(context.ring->roll_key(), id);
  tally.cancelled = true;
  tally.erased = campaign->erased;
  tally.changed = true;
  const Evidence evidence{.stream = campaign->spec.stream};
  EventBlock events;
  events.AddCancellation(id, campaign->erased, now, evidence);
  if (absl::Status status = AddEventBlock(database, context.ring, &context.sealer, context.NextSequence(), &events,
                                          &context.newest_block, &batch);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = context.tallies.Write(&batch); !status.ok()) return status;
  if (absl::Status status = campaigns->WriteHead(*campaign, &batch); !status.ok()) return status;
  return campaign->counters;
}

absl::StatusOr<ParkedSome> ParkCancelled(CommitContext& context, const CampaignTable* campaigns, CampaignId id,
                                         std::string_view after) {
  constexpr int kPacksAStep = 64;  // other commits wait that long
  absl::StatusOr<Campaign> campaign = campaigns->Head(id);
  if (!campaign.ok()) return campaign.status();
  if (campaign->state != CampaignState::kCancelled || campaign->erased) return ParkedSome{.after = {}, .done = true};
  Roll roll;
  if (absl::Status status = campaigns->ReadCounts(nullptr, &*campaign, &roll); !status.ok()) return status;
  absl::StatusOr<Tally*> tally = context.tallies.Of(id);
  if (!tally.ok()) return tally.status();

  const std::string prefix = CampaignPrefix(id), end = PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  options.fill_cache = false;
  rocksdb::ColumnFamilyHandle* const rows = context.database->handle(Column::kRows);
  const std::unique_ptr<rocksdb::Iterator> it(context.database->get()->NewIterator(options, rows));
  rocksdb::WriteBatch batch;
  ParkedSome parked{.after = std::string(after)};
  uint64_t marks = 0;
  it->Seek(after.empty() ? prefix : after);
  if (it->Valid() && roll.queued() == 0) {
    return absl::FailedPreconditionError(
        fmt::format("campaign '{}' was cancelled by a version that kept no account of what it had queued: load it as "
                    "another campaign",
                    campaign->spec.name));
  }
  for (int packs = 0; it->Valid() && packs < kPacksAStep; it->Next(), ++packs) {
    const std::string key = it->key().ToString();
    parked.after = key + '\0';
    const absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(&context.unsealer, key, ToView(it->value()));
    if (!pack.ok()) return pack.status();
    const bool in_doubt = (*pack)->due() == absl::InfiniteFuture();
    for (const Row& row : (*pack)->rows()) {
      Outcome outcome;
      outcome.pack = *pack;
      outcome.kind = OutcomeKind::kCancelled;
      outcome.time = campaign->ended;
      outcome.reason_class = in_doubt ? kInDoubtClass : row.reason_class;
      const std::string parked_key = ParkedKey(id, row.id);
      std::string value;
      if (absl::Status sealed = EncodeParked(&context.sealer, outcome, row, parked_key, &value); !sealed.ok()) {
        return sealed;
      }
      batch.Put(context.database->handle(Column::kParked), parked_key, value);
      marks += RollMark(context.ring->roll_key(), id, row.id, in_doubt);
    }
    batch.Delete(rows, key);
  }
  if (!it->status().ok()) return FromRocks(it->status(), "read a cancelled campaign");
  parked.done = !it->Valid();
  if (batch.Count() == 0) return parked;
  (*tally)->roll += marks;
  (*tally)->changed = true;
  if (absl::Status status = context.tallies.Write(&batch); !status.ok()) return status;
  if (absl::Status status = context.Write(&batch); !status.ok()) return status;
  (*tally)->overtaken = context.epoch->Advance();
  return parked;
}

absl::Status ReopenCampaign(CommitContext& context, CampaignTable* campaigns, CampaignId id, absl::Time cancelled,
                            absl::Time now) {
  if (context.failure->stopped()) return context.failure->status();
  absl::StatusOr<Campaign> campaign = campaigns->Head(id);
  if (!campaign.ok()) return campaign.status();
  if (campaign->state != CampaignState::kCancelled) return absl::OkStatus();
  if (campaign->erased || campaign->ended != cancelled) {
    return absl::FailedPreconditionError("the campaign was cancelled again, or erased");
  }
  const std::string prefix = CampaignPrefix(id);
  const std::unique_ptr<rocksdb::Iterator> it(
      context.database->get()->NewIterator({}, context.database->handle(Column::kRows)));
  it->Seek(prefix);
  if (it->Valid() && it->key().starts_with(prefix)) {
    return absl::FailedPreconditionError("not all rows of the campaign are parked");
  }
  if (!it->status().ok()) return FromRocks(it->status(), "read a cancelled campaign");
  Campaign counted{.id = id};
  Roll roll;
  if (absl::Status status = campaigns->ReadCounts(nullptr, &counted, &roll); !status.ok()) return status;
  if (roll.queued() != CancelMark(context.ring->roll_key(), id)) {
    return Damage(
        fmt::format("the rows of campaign '{}' are not those that it had when it was cancelled: somebody put settled "
                    "rows back, or rows were taken away. None is sent",
                    campaign->spec.name));
  }
  absl::StatusOr<Tally*> found = context.tallies.Of(id);
  if (!found.ok()) return found.status();
  Tally& tally = **found;
  const Tally before = tally;
  tally.roll = roll.loaded;
  tally.cancelled = false;
  tally.changed = true;
  campaign->state = CampaignState::kRunning;
  campaign->ended = absl::InfiniteFuture();
  if (campaign->started == absl::InfiniteFuture()) campaign->started = now;
  rocksdb::WriteBatch batch;
  absl::Status status = context.tallies.Write(&batch);
  if (status.ok()) status = campaigns->WriteHead(*campaign, &batch);
  if (!status.ok()) tally = before;
  return status;
}

absl::Status ScrubKeys(Database* database) {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  handles.reserve(kColumns);
  for (size_t i = 0; i < kColumns; ++i) handles.push_back(database->handle(static_cast<Column>(i)));
  rocksdb::FlushOptions flush;
  if (auto status = database->get()->Flush(flush, handles); !status.ok()) return FromRocks(status, "erase a key");
  rocksdb::CompactRangeOptions compact;
  compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  return FromRocks(database->get()->CompactRange(compact, database->handle(Column::kMeta), nullptr, nullptr),
                   "erase a key");
}

}  // namespace sealift::queue
