#pragma once

#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "engine/lane.h"
#include "queue/types.h"

namespace sealift::engine {

// LookupMemory remembers when the domains of lanes that are not in memory are looked up again: a campaign may meet more
// domains that do not resolve than a shard can keep lanes, and neither is one asked earlier for it, nor a further row
// of it tried.
//
// Owned by:  the lane table of the shard whose pages find the lanes.
// Threads:   the shard's.
// Time:      an argument.
// Memory:    40 bytes a lane, at most kLanesMax of them. When it is full of look-ups that are to come, a further one is
//            forgotten: that domain is looked up as soon as a page finds the lane.
class LookupMemory {
 public:
  static constexpr size_t kLanesMax = 1 << 17;

  void Keep(const Lane& lane, absl::Time now);
  // Not before; InfinitePast: it may be looked up.
  absl::Time NotBefore(const queue::LaneId& lane) const;
  // Gives the lane back what was kept of it, if anything was.
  void Restore(Lane& lane);
  // The campaign is not sent any more.
  void Forget(queue::CampaignId campaign);

 private:
  struct Record {
    absl::Time again;
    int failures;  // in a row
  };

  absl::flat_hash_map<queue::LaneId, Record> lanes_;
  absl::Time full_until_ = absl::InfinitePast();
};

}  // namespace sealift::engine
