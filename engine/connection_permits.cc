#include "engine/connection_permits.h"

namespace sealift::engine {

const RateInForce* ConnectionPermits::Take(absl::Time now, absl::Duration& wait) const {
  const BoundRate* const refused = AcquireEach(rates_, bid_, now, wait);
  return refused == nullptr ? nullptr : refused->rate.get();
}

}  // namespace sealift::engine
