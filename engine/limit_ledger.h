#pragma once

#include <atomic>
#include <semaphore>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/limits.h"
#include "queue/store.h"

namespace sealift::engine {

// LimitLedger writes down when each slow limit is free again, before a permit of it is taken: so many an hour stay so
// many an hour whatever ends the process in between.
//
// Owned by:  the node; goes before its store and its limits.
// Threads:   one of its own, which waits for the disk; shards ask through Limits and never wait.
// Time:      the wall clock's, which is what the disk knows after a restart.
// Errors:    while nothing can be written no permit of a slow limit is given; the queue's failure says why.
class LimitLedger {
 public:
  LimitLedger(queue::Store& store, Limits& limits) : store_(store), limits_(limits) {}
  ~LimitLedger() { Stop(); }

  // Reads what was known, and forgets what is over. Before anything asks for a limit.
  absl::Status Open(absl::Time now);
  void Start();
  void Stop();

 private:
  void Run();

  queue::Store& store_;
  Limits& limits_;
  std::atomic<bool> stopping_{false};
  std::binary_semaphore stop_{0};  // ends a wait
  std::thread thread_;
};

}  // namespace sealift::engine
