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
  absl::StatusOr<Campaign> head = campaigns_->Head(id);
  if (!head.ok()) return head.status();
  Campaign counted;
  counted.id = id;
  Roll roll;
  if (absl::Status status = campaigns_->ReadCounts(nullptr, &counted, &roll); !status.ok()) return status;
  tally.counters = counted.counters;
  tally.roll = roll.settled;
  tally.cancelled = head->state == CampaignState::kCancelled;
  tally.erased = head->erased;
  return &tallies_.emplace(id, tally).first->second;
}

absl::Status Tallies::Write(rocksdb::WriteBatch* batch) {
  std::string plaintext, sealed;
  for (auto& [id, tally] : tallies_) {
    if (!tally.changed) continue;
    plaintext.clear();
    sealed.clear();
    EncodeTally(tally.counters, tally.roll, &plaintext);
    const std::string key = CampaignKey(id, CampaignPart::kTally);
    if (absl::Status status = sealer_->Seal(KeyName::Node(), Seal::kCampaign, key, plaintext, &sealed); !status.ok()) {
      return status;
    }
    batch->Put(database_->handle(Column::kCampaigns), key, sealed);
    tally.changed = false;
  }
  return absl::OkStatus();
}

}  // namespace sealift::queue
