#include "engine/suppression_overlay.h"

#include <algorithm>

namespace sealift::engine {

bool SuppressionOverlay::Add(const queue::SuppressionNews& news) {
  for (const auto& [address, in_force] : news) in_force_.insert_or_assign(address, in_force);
  if (in_force_.size() <= kAddressesMax) return true;
  Clear();
  return false;
}

bool SuppressionOverlay::Binds(const queue::AddressHash& address, const queue::Mailing& mailing) const {
  const auto found = in_force_.find(address);
  return found != in_force_.end() &&
         std::ranges::any_of(found->second, [&](const queue::Suppression& what) { return what.Binds(mailing); });
}

}  // namespace sealift::engine
