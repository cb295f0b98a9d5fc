#include "engine/lookup_memory.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kSearchedAgain = absl::Seconds(10);  // how often a full memory is searched for what is over

}  // namespace

void LookupMemory::Keep(const Lane& lane, absl::Time now) {
  if (lanes_.size() >= kLanesMax && now >= full_until_) {
    full_until_ = now + kSearchedAgain;
    absl::erase_if(lanes_, [now](const auto& entry) { return entry.second.again <= now; });
  }
  if (lanes_.size() < kLanesMax) lanes_[lane.id] = {.again = lane.lookup_at, .failures = lane.lookup_failures};
}

absl::Time LookupMemory::NotBefore(const queue::LaneId& lane) const {
  const auto found = lanes_.find(lane);
  return found == lanes_.end() ? absl::InfinitePast() : found->second.again;
}

void LookupMemory::Restore(Lane& lane) {
  const auto found = lanes_.find(lane.id);
  if (found == lanes_.end()) return;
  lane.lookup_failures = found->second.failures;
  lanes_.erase(found);
}

void LookupMemory::Forget(queue::CampaignId campaign) {
  absl::erase_if(lanes_, [campaign](const auto& entry) { return entry.first.campaign == campaign; });
}

}  // namespace sealift::engine
