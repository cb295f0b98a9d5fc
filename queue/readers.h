#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "queue/key_ring.h"
#include "queue/sealer.h"

namespace sealift::queue {

// Readers are the threads that refill windows: a shard never waits for a disk.
//
// Owned by:  Store.
// Threads:   Do from any. Its queue is bounded by its callers: a lane asks for one window at a time.
class Readers {
 public:
  Readers(KeyRing* ring, int threads);
  ~Readers();  // runs what was asked for, then ends

  void Do(std::move_only_function<void(Unsealer&)> work);

 private:
  void Run(KeyRing* ring);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void(Unsealer&)>> works_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sealift::queue
