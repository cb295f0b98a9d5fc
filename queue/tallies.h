#pragma once

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/campaign.h"
#include "queue/campaign_table.h"
#include "queue/database.h"
#include "queue/sealer.h"

namespace rocksdb {
class WriteBatch;
}

namespace sealift::queue {

// What has been settled of a campaign.
struct Tally {
  Counters counters;       // those of settling; absolute, so that a commit never reads
  uint64_t roll = 0;       // what is taken off the campaign's roll
  bool cancelled = false;  // every row was settled at once; see Cancel
  bool erased = false;
  bool changed = false;    // since the last Write
  uint64_t overtaken = 0;  // packs that were read in an earlier ClaimEpoch may lack rows by now
};

// Tallies keeps the settled counts of the campaigns that are being settled. The committer is their only writer.
//
// Threads: the committer's.
class Tallies {
 public:
  Tallies(Database* database, const CampaignTable* campaigns, Sealer* sealer)
      : database_(database), campaigns_(campaigns), sealer_(sealer) {}

  // Read from the database the first time. The pointer is good until the next Of.
  absl::StatusOr<Tally*> Of(CampaignId id);

  // Adds what changed to the batch.
  absl::Status Write(rocksdb::WriteBatch* batch);

 private:
  Database* const database_;
  const CampaignTable* const campaigns_;
  Sealer* const sealer_;
  absl::flat_hash_map<CampaignId, Tally> tallies_;
};

}  // namespace sealift::queue
