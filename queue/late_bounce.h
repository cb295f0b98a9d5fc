#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "queue/outcome.h"
#include "queue/types.h"

namespace sealift::queue {

class CampaignTable;
class Committer;
class Database;
class KeyRing;

// What a bounce that came back by mail did to its row.
enum class LateBounce : uint8_t {
  kSettled,  // the row was counted as something else, and is bounced now
  kKnown,    // it had bounced already
  kUnknown,  // nothing is known of the row: never sent, or past its retention
};

// Settles a row as bounced that has another outcome already, or none: a server took the message, and a report says that
// it came to nobody. What really happened overrides what was counted, as it does for a row that was settled aside: a
// delivered row counts as bounced from then on, one that is queued again leaves the queue. A parked row stays parked.
//
// `outcome` is without pack and index. An event, the counts and the suppression that it asks for are one commit.
//
// Blocks. Two calls about one row must not overlap.
absl::StatusOr<LateBounce> SettleLateBounce(Database* database, KeyRing* ring, CampaignTable* campaigns,
                                            Committer* committer, const MessageKey& message, Outcome outcome);

}  // namespace sealift::queue
