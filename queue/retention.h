#pragma once

#include <atomic>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "queue/campaign_table.h"
#include "queue/committer.h"
#include "queue/database.h"

namespace sealift::queue {

// Forgets what is past its retention: parked rows and the rows of cancelled campaigns whose time of settling `is_old`,
// events before `events_before` with the keys of whole months, and the recipients of campaigns that ended before that
// and have no row left. Finds on the caller's thread, deletes on the
// committer's, which is the only writer of these columns. Blocks; ends early once `stop` is set.
absl::Status ForgetOld(Database* database, Committer* committer, CampaignTable* campaigns,
                       const std::function<bool(absl::Time settled)>& is_old, absl::Time events_before, absl::Time now,
                       const std::atomic<bool>& stop);

}  // namespace sealift::queue
