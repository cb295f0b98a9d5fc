#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "absl/time/time.h"

namespace sealift::engine {

// CommitNews lets who waits for something of the queue to become durable wait for the next commit.
//
// Owned by:  the node; goes behind the store.
// Threads:   any but a shard's. Announce is the committer's.
class CommitNews {
 public:
  // How many commits there were: to be read before what is waited for is looked at, so that none is missed between.
  uint64_t count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }

  void Announce() {
    {
      const std::lock_guard lock(mutex_);
      ++count_;
    }
    changed_.notify_all();
  }

  // Until there were more than `seen`, at the latest until `until`.
  void Await(uint64_t seen, absl::Time until) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, absl::ToChronoTime(until), [&] { return count_ > seen; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t count_ = 0;
};

}  // namespace sealift::engine
