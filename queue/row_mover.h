#pragma once

#include "absl/status/statusor.h"
#include "queue/committer.h"
#include "queue/row_moves.h"

namespace sealift::queue {

// What row_moves.h describes, as work of the committer.
//
// Threads: the committer's, who publishes the horizon afterwards.
absl::StatusOr<SettledRows> SettleRows(CommitContext& context, const SettleStep& step);
absl::StatusOr<ReplayedRows> ReplayRows(CommitContext& context, const ReplayStep& step);

// Threads: any, with an Unsealer of its own.
absl::StatusOr<ParkedPage> ReadParked(Database* database, Unsealer* unsealer, CampaignId campaign, RowId after,
                                      int max);

}  // namespace sealift::queue
