#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "absl/time/time.h"
#include "queue/store.h"

namespace sealift::engine {

// Expiry settles what has reached its expiry, whatever keeps it: a campaign that is paused or was never started, a lane
// that is not in memory, a path that is blocked, a due time beyond the expiry, or doubt. A shard asks about expiry when
// it hands a row to a session; rows that are never handed out are settled here.
//
// On a restored node nothing expires before what happened since the backup is known: what would expire may have been
// sent, and a replay of what has expired would send it again.
//
// The store knows when the first row of each campaign may expire (queue/expiries.h), so that a campaign is looked
// through once for each time at which rows of it were accepted. A campaign whose rows expire at many times is looked
// through at intervals: the looks take a twentieth of the thread's time at most.
//
// Owned by:  the node.
// Threads:   one of its own; Look is for it, and for tests in its place.
class Expiry {
 public:
  // `expired` hears how many rows of a campaign were settled; what shards have in memory of it is not true any more.
  Expiry(queue::Store& store, std::function<void(const queue::Campaign&, uint64_t rows)> expired);
  ~Expiry() { Stop(); }

  void Start();
  void Stop();

  void Look(absl::Time now);

 private:
  void ExpireRowsOf(queue::CampaignId id, absl::Time now);

  queue::Store& store_;
  const std::function<void(const queue::Campaign&, uint64_t rows)> expired_;
  std::map<queue::CampaignId, std::chrono::steady_clock::time_point> not_before_;  // of those that were looked through
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace sealift::engine
