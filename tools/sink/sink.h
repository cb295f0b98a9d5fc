#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/runtime/endpoint.h"
#include "tools/sink/counters.h"
#include "tools/sink/judge.h"
#include "tools/sink/ledger.h"
#include "tools/sink/script.h"
#include "tools/sink/server.h"
#include "tools/sink/worker.h"
#include "tools/sink/zone.h"

namespace sealift::tools::sink {

// Sink is a running test Internet: the program is a command line around it, and tests run one inside themselves.
//
// Owned by:  who started it; destroying it stops it.
// Threads:   its methods on the owner's; it runs workers of its own.
// Errors:    Start: InvalidArgument for a script that cannot be served, AlreadyExists for a taken address, else what
//            sockets, files and rings said.
class Sink {
 public:
  struct Options {
    Script script;
    int threads = 1;
    std::optional<engine::Endpoint> dns;  // none: no DNS; port 0: the kernel chooses
    Ledger::Options ledger;
    int64_t connections_max = 20'000;
    absl::Duration idle = absl::Minutes(10);
  };

  static absl::StatusOr<std::unique_ptr<Sink>> Start(Options options);
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  uint16_t port() const { return port_; }  // of every SMTP server
  std::optional<engine::Endpoint> dns() const { return dns_; }
  const Script& script() const { return options_.script; }
  const Counters& counters() const { return *counters_; }
  const Ledger& ledger() const { return *ledger_; }

  // The certificates of all hosts, one PEM after another: the roots for a client that is to accept them.
  const std::string& certificates() const { return certificates_; }

  // Everything counted, as JSON: `messages`, `faults` (of the client, summed), `totals`, `dns`, and `providers` by
  // name. Counts of 0 are left out below `providers`.
  std::string StatusJson() const;

  // Answers what was received, then ends every connection. May be called again.
  void Stop();

 private:
  explicit Sink(Options options);

  absl::Status Listen();
  absl::Status ListenAll(uint16_t port, std::vector<Socket>* first_sockets);
  absl::StatusOr<std::shared_ptr<tls::ServerContext>> MakeContext(const Provider& provider, const MxHost& host);

  const Options options_;
  const absl::Time start_;
  Zone zone_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Counters> counters_;
  std::deque<Judge> judges_;    // by provider
  std::deque<Server> servers_;  // one an address
  std::vector<Socket> reserved_;
  std::atomic<int64_t> connections_{0};
  std::vector<std::unique_ptr<Worker>> workers_;
  uint16_t port_ = 0;
  std::optional<engine::Endpoint> dns_;
  std::string certificates_;
};

}  // namespace sealift::tools::sink
