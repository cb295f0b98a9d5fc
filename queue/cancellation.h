#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/campaign.h"
#include "queue/campaign_table.h"
#include "queue/committer.h"
#include "queue/row_moves.h"

namespace sealift::queue {

// Settles all that a campaign has queued as cancelled, in one write however much it is; with `erase` also forgets its
// rows, its address index and its data key. Runs on the committer's thread, while the caller holds the campaign's gate.
absl::StatusOr<Counters> CancelCampaign(CommitContext& context, CampaignTable* campaigns, CampaignId id, bool erase,
                                        absl::Time now);

// A cancelled campaign's rows lie where they stood in the schedule. This parks some of them, from `after` on (empty:
// the first), as cancelled when the campaign was, so that they can be replayed; those in doubt with the class that no
// replay takes. Nothing else changes: what is counted, and that none is sent.
//
// FailedPrecondition: it was cancelled by a version that kept no roll of such rows.
//
// Threads: the committer's.
absl::StatusOr<ParkedSome> ParkCancelled(CommitContext& context, const CampaignTable* campaigns, CampaignId id,
                                         std::string_view after);

// The campaign that was cancelled at that time runs again from `now` on, with nothing queued yet: what was is parked.
// FailedPrecondition: it was cancelled again since, or erased, or not all of it is parked. DataLoss: the rows that were
// parked are not those that were cancelled. Nothing happens to one that is not cancelled.
//
// Threads: the committer's, while the caller holds the campaign's gate.
absl::Status ReopenCampaign(CommitContext& context, CampaignTable* campaigns, CampaignId id, absl::Time cancelled,
                            absl::Time now);

// Makes the deleted data key unreadable on disk too: rewrites the few kilobytes that held its wrapped form, and drops
// the logs that did. Blocks.
absl::Status ScrubKeys(Database* database);

}  // namespace sealift::queue
