#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "queue/committer.h"
#include "queue/database.h"
#include "queue/key_ring.h"
#include "queue/outcome.h"
#include "queue/pack.h"
#include "queue/types.h"

namespace sealift::queue {

struct Swept {
  uint64_t rows = 0;       // settled or moved
  bool overtaken = false;  // others settled or moved some that were found, before that
};

// Settles queued rows of a campaign wherever they stand in the schedule: fresh, deferred, in doubt, claimed or not. It
// looks for them on the caller's thread, and settles them on the committer's, some thousand a commit, where `judge` is
// asked again about the rows as they are by then. An outcome that a claim of such a row brings later changes nothing,
// unless it says that the message was delivered or refused: that is what happened, and the counts follow; or that it is
// in doubt, which keeps the row from being replayed.
//
// Every row that is queued when it begins is looked at, once. Blocks; `stop` ends it early. While the file system is
// full it returns why.
absl::StatusOr<Swept> SweepRows(Database* database, KeyRing* ring, Committer* committer, CampaignId campaign,
                                std::optional<DestinationId> destination, const RowJudge& judge,
                                const std::atomic<bool>* stop);

}  // namespace sealift::queue
