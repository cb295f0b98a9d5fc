#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/task.h"
#include "engine/runtime/task_group.h"
#include "tools/sink/counters.h"
#include "tools/sink/socket.h"
#include "tools/sink/zone.h"

namespace sealift::tools::sink {

// DnsServer answers queries about the zone over UDP and TCP at one address.
//
// Owned by:  Sink; runs on its first worker.
// Threads:   Open on any; then the worker's.
// Errors:    Open: as OpenSocket. A query that makes no sense gets no answer or FORMERR.
class DnsServer {
 public:
  // Port 0 lets the kernel choose one for both.
  static absl::StatusOr<DnsServer> Open(const engine::Endpoint& at);

  engine::Endpoint local() const { return LocalEndpoint(udp_.fd()); }

  // Starts both transports in `group`; they end with it. Everything referred to outlives the group.
  void Start(engine::Ring& ring, engine::TaskGroup& group, const Zone& zone, Counters& counters, absl::Time start);

 private:
  DnsServer(Socket udp, Socket tcp) : udp_(std::move(udp)), tcp_(std::move(tcp)) {}

  Socket udp_, tcp_;
};

}  // namespace sealift::tools::sink
