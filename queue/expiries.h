#pragma once

#include <algorithm>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "queue/types.h"

namespace sealift::queue {

// Expiries knows of each campaign when the first of its queued rows may expire: never later than that, possibly
// earlier. All rows that were accepted together expire together, so a look at a campaign's rows is worth its price only
// at these times, and one time a campaign is all there is to remember.
//
// Whoever gives rows a time to expire notes it once they are committed: loads, a chunk at a time, and replays. A look
// that was taken before has not seen them.
//
// Threads: any; the mutex is never held across I/O.
class Expiries {
 public:
  void Note(CampaignId campaign, absl::Time expires) {
    if (expires == absl::InfiniteFuture()) return;
    const std::lock_guard lock(mutex_);
    const auto [known, fresh] = earliest_.try_emplace(campaign, expires);
    if (!fresh) known->second = std::min(known->second, expires);
  }

  // What is noted from here on is noted anew: by loads, and by the look that the caller takes.
  void Take(CampaignId campaign) {
    const std::lock_guard lock(mutex_);
    earliest_.erase(campaign);
  }

  std::vector<CampaignId> Until(absl::Time now) const {
    const std::lock_guard lock(mutex_);
    std::vector<CampaignId> campaigns;
    for (const auto& [campaign, expires] : earliest_) {
      if (expires <= now) campaigns.push_back(campaign);
    }
    return campaigns;
  }

 private:
  mutable std::mutex mutex_;
  absl::flat_hash_map<CampaignId, absl::Time> earliest_;
};

}  // namespace sealift::queue
