#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "queue/key_ring.h"
#include "queue/sealer.h"
#include "queue/types.h"

namespace sealift::queue {

// Readers are the threads that refill windows: a shard never waits for a disk.
//
// Owned by:  Store.
// Threads:   Do from any. Its queues are bounded by its callers: a lane asks for one window at a time.
class Readers {
 public:
  Readers(KeyRing* ring, int threads);
  ~Readers();  // runs what was asked for, then ends

  using Work = std::move_only_function<void(Unsealer&)>;

  void Do(Work work, ReadTurn turn = ReadTurn::kInOrder);

 private:
  void Run(KeyRing* ring);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> first_, works_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sealift::queue
