#pragma once

#include <cstddef>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "queue/suppression.h"

namespace sealift::engine {

// SuppressionOverlay is what became known of suppressions after rows were claimed: asked just before MAIL, without a
// disk. Rows that are claimed from now on know it from the store.
//
// It is bounded by forgetting everything at once, and then whoever claimed rows must give them back: they are judged
// again when they are read again.
//
// Owned by:  the scheduler.
// Threads:   the shard's.
class SuppressionOverlay {
 public:
  static constexpr size_t kAddressesMax = 16'384;  // a few megabytes

  // False: there is no room; it is empty now, and what was claimed must be given back.
  [[nodiscard]] bool Add(const queue::SuppressionNews& news);
  void Clear() { in_force_.clear(); }

  bool empty() const { return in_force_.empty(); }
  bool Binds(const queue::AddressHash& address, const queue::Mailing& mailing) const;

 private:
  absl::flat_hash_map<queue::AddressHash, std::vector<queue::Suppression>> in_force_;
};

}  // namespace sealift::engine
