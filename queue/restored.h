#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/types.h"

namespace rocksdb {
class DB;
}

namespace sealift::queue {

// What a restore leaves in the database: whatever is queued may have been sent since the backup was taken, and who has
// opted out since is not known. It stands there before the daemon first opens the database, and until somebody has
// reconciled or released it every queued row is in doubt and nothing is sent.
struct Restored {
  absl::Time taken;   // the backup
  absl::Time at;      // the restore
  uint64_t sequence;  // the newest commit of the backup; events after it are the original's or this node's own

  friend bool operator==(const Restored&, const Restored&) = default;
};

// A restored database goes on with numbers so far beyond the backup's, that a cursor of events which the original gave
// out since is older than every event to come. Commits are below 2^44 (keys.h), enough for 4,096 restores.
inline constexpr uint64_t kRestoreStride = uint64_t{1} << 32;

// What became of some events of the database that a backup was taken of, in the one that was restored from it.
struct Reconciled {
  uint64_t settled = 0;                        // rows that were queued here, and are settled as they were there
  uint64_t known = 0;                          // rows that had an outcome in the backup already
  uint64_t lacking = 0;                        // rows of a campaign that is here, accepted after the backup was taken
  uint64_t foreign = 0;                        // of campaigns that are not here
  std::map<CampaignId, uint64_t> dequeued_of;  // rows of `settled` that were queued here
  std::map<CampaignId, uint64_t> held_of;      // rows that were held in doubt there, and are here now
  std::set<CampaignId> lacking_of, foreign_of;
};

std::string Encode(const Restored& restored);
// Nothing: this database was not restored, or it is settled. DataLoss: the mark cannot be read.
absl::StatusOr<std::optional<Restored>> ReadRestored(rocksdb::DB* db);

}  // namespace sealift::queue
