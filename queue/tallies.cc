#include "queue/tallies.h"

#include <string>

#include "queue/campaign_records.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {

absl::StatusOr<Tally*> Tallies::Of(CampaignId id) {
  const auto known = tallies_.find(id);
  if (known != tallies_.end()) return &known->second;
  Tally tally;
  std::string value;
  const auto found =
      database_->get()->Get({}, database_->handle(Column::kCampaigns), CampaignKey(id, CampaignPart::kTally), &value);
  if (!found.ok() && !found.IsNotFound()) return FromRocks(found, "read a campaign's counts");
  if (found.ok() && !DecodeTally(value, &tally.counters)) {
    return absl::DataLossError("a campaign's counts are in a form that this version does not know");
  }
  absl::StatusOr<Campaign> head = campaigns_->Head(id);
  if (!head.ok()) return head.status();
  tally.cancelled = head->state == CampaignState::kCancelled;
  tally.erased = head->erased;
  return &tallies_.emplace(id, tally).first->second;
}

void Tallies::Write(rocksdb::WriteBatch* batch) {
  for (auto& [id, tally] : tallies_) {
    if (!tally.changed) continue;
    std::string value;
    EncodeTally(tally.counters, &value);
    batch->Put(database_->handle(Column::kCampaigns), CampaignKey(id, CampaignPart::kTally), value);
    tally.changed = false;
  }
}

}  // namespace sealift::queue
