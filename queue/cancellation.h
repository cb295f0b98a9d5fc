#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/campaign.h"
#include "queue/campaign_table.h"
#include "queue/committer.h"

namespace sealift::queue {

// Settles all that a campaign has queued as cancelled, in one write however much it is; with `erase` also forgets its
// rows, its address index and its data key. Runs on the committer's thread, while the caller holds the campaign's gate.
absl::StatusOr<Counters> CancelCampaign(CommitContext& context, CampaignTable* campaigns, CampaignId id, bool erase,
                                        absl::Time now);

// Makes the deleted data key unreadable on disk too: rewrites the few kilobytes that held its wrapped form, and drops
// the logs that did. Blocks.
absl::Status ScrubKeys(Database* database);

}  // namespace sealift::queue
