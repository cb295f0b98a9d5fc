#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "queue/outcome.h"
#include "queue/pack.h"

namespace sealift::engine {

// A pack whose rows are being sent. Its outcomes go to the store together where they can: a pack that is settled whole
// costs one deletion, one that is settled in pieces is written back each time.
struct OpenPack {
  std::shared_ptr<queue::Pack> pack;
  std::vector<queue::Outcome> outcomes;  // not yet handed to the store
  size_t handed_over = 0;                // and those that were

  // Every row that was claimed has its outcome.
  bool IsWhole() const { return handed_over + outcomes.size() == pack->rows().size(); }
};

// A row of a lane's window: claimed from the store, not yet settled.
struct Claim {
  std::shared_ptr<OpenPack> open;
  uint8_t index = 0;

  const queue::Row& row() const { return open->pack->rows()[index]; }
  const queue::Pack& pack() const { return *open->pack; }
  // It waited for its time: tried before, or accepted anew by a replay.
  bool waited() const { return pack().due() != absl::InfinitePast(); }
};

}  // namespace sealift::engine
