#pragma once

#include <span>

#include "absl/status/statusor.h"
#include "queue/campaign_table.h"
#include "queue/committer.h"
#include "queue/event.h"
#include "queue/restored.h"

namespace sealift::queue {

// Settles rows as events from elsewhere say that are not in the backup, with the evidence that they bring. A row that
// was settled here, and delivered or refused there since, is so here too, also one that was cancelled, or was delivered
// and came back. A row that is in doubt there is held in doubt here, or is not replayed where it was settled; other
// deferrals change nothing, it stays queued. Of several events of a row the newest counts, by their cursors; of one
// that an earlier call has settled or held, by the times. That an earlier call's doubt was over since, another deferral
// cannot say: give what is in doubt last. Of rows that are not here the event is kept, where it names its recipient and
// something stands for its campaign (Store::AdoptCampaign). `dry_run` only counts. Nothing may be claimed meanwhile.
//
// Threads: the committer's.
absl::StatusOr<Reconciled> SettleElsewhere(CommitContext& context, const CampaignTable* campaigns,
                                           const Restored& restored, std::span<const Event> events, bool dry_run);

}  // namespace sealift::queue
