#include "queue/cancellation.h"

#include <string>
#include <vector>

#include "queue/event_block.h"
#include "queue/event_log.h"
#include "queue/keys.h"
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
  if (again && (!erase || tally.erased)) return campaign->counters;

  rocksdb::WriteBatch batch;
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
  tally.roll = roll.loaded;  // nothing is queued: should a head of before come back, its rows are too many
  tally.cancelled = true;
  tally.erased = campaign->erased;
  tally.changed = true;
  const Evidence evidence{.stream = campaign->spec.stream};
  EventBlock events;
  events.AddCancellation(id, campaign->erased, now, evidence);
  if (absl::Status status =
          AddEventBlock(database, context.ring, &context.sealer, context.NextSequence(), &events, &batch);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = context.tallies.Write(&batch); !status.ok()) return status;
  if (absl::Status status = campaigns->WriteHead(*campaign, &batch); !status.ok()) return status;
  return campaign->counters;
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
