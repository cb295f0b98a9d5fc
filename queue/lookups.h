#pragma once

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "queue/database.h"
#include "queue/event.h"
#include "queue/sealer.h"
#include "queue/store.h"
#include "queue/types.h"

namespace sealift::queue {

// Finds rows for people who ask. These read as much as they must and serve no delivery.
//
// Threads: any that may block, with an Unsealer of its own.

absl::StatusOr<RowsPage> ListRowsPage(Database* database, Unsealer* unsealer, CampaignId campaign,
                                      const RowFilter& filter, std::string_view cursor, int max);

// The row where it is queued or parked; nothing when it is neither.
absl::StatusOr<std::optional<StoredRow>> FindRow(Database* database, Unsealer* unsealer, const MessageKey& message);

// The same when the lane is not known: looks through all that the campaign has queued, at worst.
absl::StatusOr<std::optional<StoredRow>> FindRow(Database* database, Unsealer* unsealer, CampaignId campaign,
                                                 RowId row);

}  // namespace sealift::queue
