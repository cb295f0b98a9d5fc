#pragma once

#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "engine/bound_rates.h"

namespace sealift::engine {

// ConnectionPermits are the rates at which connections may be opened for some mail. Each connection takes one of every
// rate, also one that only follows another because a host has turned that away.
//
// Owned by:  whoever opens connections; a session has those of the mail that it was opened for.
// Threads:   any.
class ConnectionPermits {
 public:
  ConnectionPermits(std::vector<BoundRate> rates, const Bid& bid) : rates_(std::move(rates)), bid_(bid) {}

  // Null: one of each was taken. Else none, and this one refused: it is worth asking again after `wait`.
  const RateInForce* Take(absl::Time now, absl::Duration& wait) const;

 private:
  std::vector<BoundRate> rates_;
  Bid bid_;
};

}  // namespace sealift::engine
