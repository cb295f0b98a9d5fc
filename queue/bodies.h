#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/database.h"
#include "queue/sealer.h"
#include "queue/types.h"

namespace sealift::queue {

// The finished messages that rows get: read a piece at a time, and given up a campaign at a time.
//
// Threads: any that may block, with an Unsealer of its own.

// NotFound: it is not kept. DataLoss: it is not what was loaded.
absl::StatusOr<std::string> ReadBodyPiece(Database* database, Unsealer* unsealer, CampaignId campaign, BodyId body,
                                          uint32_t piece);

// Frees the disk that the campaign's messages took, once they are deleted: whole files go at once, where compaction
// would come to them when something else is written beside them, which may be never.
absl::Status DropBodyFiles(Database* database, CampaignId campaign);

}  // namespace sealift::queue
