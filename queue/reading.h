#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/claim_epoch.h"
#include "queue/database.h"
#include "queue/due_horizon.h"
#include "queue/keys.h"
#include "queue/pack.h"
#include "queue/sealer.h"
#include "queue/store.h"
#include "queue/suppression_list.h"

namespace sealift::queue {

// Opens the pack at `key` of `rows`. Its rows may be none: what a crash left of one that was settled in two places.
absl::StatusOr<std::shared_ptr<Pack>> OpenPack(Unsealer* unsealer, std::string_view key, std::string_view value);

// Where to go on behind a cursor. A fresh cursor is the place of the last pack read (8 bytes), a retry cursor its due
// time and place (16); anything else is the start.
RowsKey FreshKeyAfter(LaneId lane, std::string_view cursor);
RowsKey RetryKeyAfter(LaneId lane, std::string_view cursor);

// Reads windows of lanes. Iterators are bounded by the lane's end (a seek would otherwise walk the neighbours'
// tombstones), begin at its cursor, and do not outlive the call: each pins files.
//
// Threads: one Unsealer a thread.
std::vector<LaneWindow> ReadWindows(Database* database, DueHorizon* horizon, const ClaimEpoch& epoch,
                                    const SuppressionList& suppressions, const KeyRing& ring, Unsealer* unsealer,
                                    const std::vector<LaneRead>& reads);

LanesPage ReadLanesPage(Database* database, Unsealer* unsealer, CampaignId campaign, std::string_view cursor, int max,
                        int shard, int shards);

// Reads all of them, as a start does: what is damaged of them would else be rows that are queued and that nobody finds.
absl::Status CheckLanes(Database* database);

// One of them; nothing when it has no row queued.
absl::StatusOr<std::optional<LaneRecord>> ReadLane(Database* database, Unsealer* unsealer, LaneId lane);

}  // namespace sealift::queue
