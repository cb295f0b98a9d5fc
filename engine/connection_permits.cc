#include "engine/connection_permits.h"

namespace sealift::engine {

RateInForce* ConnectionPermits::Take(absl::Time now, absl::Duration& wait) const {
  for (size_t i = 0; i < rates_.size(); ++i) {
    wait = rates_[i]->Acquire(now, standing_);
    if (wait <= absl::ZeroDuration()) continue;
    for (size_t taken = 0; taken < i; ++taken) rates_[taken]->Return(now);
    return rates_[i].get();
  }
  return nullptr;
}

}  // namespace sealift::engine
