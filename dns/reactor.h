#pragma once

#include "absl/time/time.h"

namespace sealift::dns {

// Reactor is what a Resolver asks of the thread that it lives on: to watch sockets and to keep time.
//
// The engine implements it over its ring; a test over poll(2).
//
// Threads:   the resolver's.
// Contract:  none of these calls back into the resolver before it returns. A watched descriptor stays open until
// Watch(fd, false,
//            false) has returned; the same number may then stand for another socket.
class Reactor {
 public:
  virtual ~Reactor() = default;

  // From now on call Resolver::OnReady when `fd` can be read or written, as long as it can (level-triggered). Replaces
  // what was asked about `fd` before; both false: forget it.
  virtual void Watch(int fd, bool read, bool write) = 0;

  // Call Resolver::OnTimer once, after this long. Replaces what was asked before; infinite: never.
  virtual void SetTimer(absl::Duration after) = 0;

  virtual absl::Time Now() = 0;
};

}  // namespace sealift::dns
