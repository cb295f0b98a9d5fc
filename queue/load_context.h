#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "queue/campaign_table.h"
#include "queue/database.h"
#include "queue/expiries.h"
#include "queue/failure.h"
#include "queue/key_ring.h"
#include "queue/sealer.h"
#include "queue/seen_filter.h"
#include "queue/suppression_list.h"

namespace sealift::queue {

// What a Load needs of its store.
struct LoadContext {
  Database* database;
  KeyRing* ring;
  CampaignTable* campaigns;
  SuppressionList* suppressions;
  Failure* failure;
  Expiries* expiries;
  std::atomic<uint64_t>* loaded_rows;
  std::shared_ptr<CampaignGate> gate;
  Campaign campaign;  // as it was when the load began
  uint64_t roll;      // of all that was ever loaded of it: by one commit after the other
  // What this load has committed, where it has loaded all that there is; by one commit after the other.
  std::optional<SeenFilter> seen;
  Mailing mailing;  // what its rows are sent as
  absl::Time accepted, expires;
  absl::Duration stall_patience;
  Sealer pieces;  // of finished messages, as they come
  Sealer sealer;  // of what a commit writes, beside the caller
  Unsealer unsealer;
};

}  // namespace sealift::queue
