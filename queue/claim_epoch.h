#pragma once

#include <atomic>
#include <cstdint>

namespace sealift::queue {

// ClaimEpoch tells whether rows were settled behind the back of who has claimed them.
//
// A shard settles the rows that it has claimed; an expiry or an operator settles rows wherever they are, claimed or
// not. Nothing says on disk or in memory who has claimed what. Instead a pack carries the epoch in which it was read,
// and a commit that settles rows aside advances the epoch once it is written: an outcome of a pack that was read before
// is compared with the database first, and what was decided there stands (CommitBatch).
//
// Threads: any. A reader takes the epoch before its view of the database.
class ClaimEpoch {
 public:
  uint64_t Current() const { return epoch_.load(std::memory_order_acquire); }
  // Committer, once what it has settled aside is visible: what was read before this may have been overtaken.
  uint64_t Advance() { return epoch_.fetch_add(1, std::memory_order_acq_rel) + 1; }

 private:
  std::atomic<uint64_t> epoch_ = 0;
};

}  // namespace sealift::queue
