#pragma once

#include <span>

#include "absl/status/statusor.h"
#include "queue/campaign_table.h"
#include "queue/committer.h"
#include "queue/event.h"
#include "queue/restored.h"

namespace sealift::queue {

// Settles rows as events from elsewhere say: in one commit, with the evidence that they bring. Deferrals change
// nothing, the row stays queued. `dry_run` only counts. Nothing may be claimed meanwhile.
//
// Threads: the committer's.
absl::StatusOr<Reconciled> SettleElsewhere(CommitContext& context, const CampaignTable* campaigns,
                                           std::span<const Event> events, bool dry_run);

}  // namespace sealift::queue
