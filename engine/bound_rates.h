#pragma once

#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "engine/fair_queueing.h"
#include "engine/limits.h"

namespace sealift::engine {

// A rate that binds mail, and the part of its campaign in it; null: it has none.
struct BoundRate {
  std::shared_ptr<RateInForce> rate;
  std::shared_ptr<FairQueueing::Flow> flow;
};

// Takes a permit of every rate and returns null; or of none, and returns the one that is worth asking again last, after
// `wait`. It waits for that one then: so nothing is kept for who could not use it. While all are free but for the disk
// it waits for each, and the disk is asked for all of them at once.
const BoundRate* AcquireEach(const std::vector<BoundRate>& rates, const Bid& bid, absl::Time now, absl::Duration& wait);

// Gives back what was taken then.
void ReturnEach(const std::vector<BoundRate>& rates, absl::Time taken, absl::Time now);

}  // namespace sealift::engine
