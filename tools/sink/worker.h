#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/runtime/doorbell.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/signal.h"
#include "engine/runtime/task_group.h"
#include "tools/sink/connection.h"
#include "tools/sink/dns_server.h"
#include "tools/sink/ledger.h"

namespace sealift::tools::sink {

// Worker is one thread of the sink: a ring, a listening socket for each server, and the connections that came in on
// them.
//
// Owned by:  Sink.
// Threads:   made and stopped on the sink's; everything else on its own.
// Errors:    Create: what the ring says.
class Worker {
 public:
  struct Options {
    size_t index = 0;
    Counters* counters = nullptr;
    Ledger* ledger = nullptr;
    std::atomic<int64_t>* connections = nullptr;  // open ones of all workers
    int64_t connections_max = 0;
    absl::Duration idle;  // a connection that sends nothing for so long is ended
  };

  static absl::StatusOr<std::unique_ptr<Worker>> Create(const Options& options);
  ~Worker();

  // Before Start: what it serves.
  void Serve(const Server& server, Socket listener);
  void ServeDns(DnsServer dns, const Zone& zone, absl::Time start);

  void Start();

  // Stops accepting, answers what has been received, gives connections a moment to end, ends them, and returns when the
  // thread has. May be called again.
  void Stop();

 private:
  struct Listener {
    const Server* server;
    Socket socket;
  };
  struct Dns {
    DnsServer server;
    const Zone* zone;
    absl::Time start;
  };

  explicit Worker(const Options& options) : options_(options), pen_(*options.ledger) {}

  engine::Task<void> Main();
  engine::Task<void> AcceptAll(engine::TaskGroup& sessions, const Server& server, int fd);
  engine::Task<void> ServeOne(const Server& server, Socket socket);
  engine::Task<void> EndIdle();

  const Options options_;
  std::unique_ptr<engine::Ring> ring_;
  Ledger::Pen pen_;
  std::vector<Listener> listeners_;
  std::vector<Dns> dns_;
  std::unordered_set<Connection*> connections_;
  std::unique_ptr<engine::Signal> stop_;
  std::unique_ptr<engine::Doorbell> stop_bell_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sealift::tools::sink
