#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/signal.h"
#include "engine/runtime/task.h"

namespace sealift::tools::sink {

// DelayLine makes a connection as slow as a long way makes it: what is put in leaves `latency` later, in order, while
// the caller goes on. So a pipelining client gains from it what it would on that way.
//
// Owned by:  Connection. Deliver runs beside it in a group and ends after Close, when all has left.
// Threads:   the ring's.
// Memory:    at most 4096 pieces; then Put waits.
// Errors:    false: the connection failed or the scope ended.
class DelayLine {
 public:
  DelayLine(engine::Ring& ring, int fd, absl::Duration latency) : ring_(ring), fd_(fd), latency_(latency) {}

  bool on() const { return latency_ > absl::ZeroDuration(); }

  engine::Task<bool> Put(std::span<const char> bytes);
  engine::Task<void> WaitUntilEmpty();
  void Close();

  // The far end of the line.
  engine::Task<void> Deliver();

 private:
  struct Piece {
    int64_t due_nanos;
    std::string bytes;
  };

  engine::Ring& ring_;
  const int fd_;
  const absl::Duration latency_;
  std::deque<Piece> pieces_;
  engine::Signal changed_;
  bool closed_ = false, failed_ = false;
};

// Sends all of `bytes` on `fd`; false when it cannot.
engine::Task<bool> SendAll(engine::Ring& ring, int fd, std::span<const char> bytes);

}  // namespace sealift::tools::sink
