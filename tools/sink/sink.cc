#include "tools/sink/sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "tls/self_signed.h"
#include "tools/sink/socket.h"

namespace sealift::tools::sink {
namespace {

constexpr int kPortTries = 50;

absl::StatusOr<engine::Endpoint> At(const std::string& address, uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return engine::Endpoint::Parse(fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", port));
}

}  // namespace

Sink::Sink(Options options) : options_(std::move(options)), start_(absl::Now()), zone_(options_.script) {}

Sink::~Sink() { Stop(); }

absl::StatusOr<std::unique_ptr<Sink>> Sink::Start(Options options) {
  Ledger::Options ledger_options = options.ledger;
  std::unique_ptr<Sink> sink(new Sink(std::move(options)));
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(std::move(ledger_options));
  if (!ledger.ok()) return ledger.status();
  sink->ledger_ = *std::move(ledger);
  const Script& script = sink->options_.script;
  const auto threads = static_cast<size_t>(sink->options_.threads);
  sink->counters_ = std::make_unique<Counters>(threads, script.providers.size());
  for (const Provider& provider : script.providers) sink->judges_.emplace_back(provider, script.seed, sink->start_);

  std::vector<std::string> addresses;
  for (uint32_t i = 0; i < script.providers.size(); ++i) {
    for (const MxHost& host : script.providers[i].hosts) {
      const auto same = std::find(addresses.begin(), addresses.end(), host.address);
      if (same != addresses.end()) {
        const Server& other = sink->servers_[static_cast<size_t>(same - addresses.begin())];
        if (other.provider_index == i) continue;  // further names of one machine
        return absl::InvalidArgumentError(
            fmt::format("{}: {} is an address of providers \"{}\" and \"{}\"; give each provider its own",
                        script.origin, host.address, other.provider.name, script.providers[i].name));
      }
      absl::StatusOr<std::shared_ptr<tls::ServerContext>> context = sink->MakeContext(script.providers[i], host);
      if (!context.ok()) return context.status();
      addresses.push_back(host.address);
      sink->servers_.emplace_back(script, i, host, sink->judges_[i], *std::move(context));
    }
  }
  for (size_t i = 0; i < threads; ++i) {
    absl::StatusOr<std::unique_ptr<Worker>> worker = Worker::Create({.index = i,
                                                                     .counters = sink->counters_.get(),
                                                                     .ledger = sink->ledger_.get(),
                                                                     .connections = &sink->connections_,
                                                                     .connections_max = sink->options_.connections_max,
                                                                     .idle = sink->options_.idle});
    if (!worker.ok()) return worker.status();
    sink->workers_.push_back(*std::move(worker));
  }
  if (const absl::Status listening = sink->Listen(); !listening.ok()) return listening;
  if (sink->options_.dns) {
    absl::StatusOr<DnsServer> dns = DnsServer::Open(*sink->options_.dns);
    if (!dns.ok()) return dns.status();
    sink->dns_ = dns->local();
    sink->workers_.front()->ServeDns(*std::move(dns), sink->zone_, sink->start_);
  }
  for (const std::unique_ptr<Worker>& worker : sink->workers_) worker->Start();
  return sink;
}

absl::StatusOr<std::shared_ptr<tls::ServerContext>> Sink::MakeContext(const Provider& provider, const MxHost& host) {
  if (provider.tls == TlsMode::kOff) return std::shared_ptr<tls::ServerContext>();
  tls::SelfSigned::Options names;
  names.names = {provider.certificate.name.empty() ? host.name : provider.certificate.name};
  if (provider.certificate.expired) {
    names.not_before = start_ - absl::Hours(48);
    names.not_after = start_ - absl::Hours(24);
  }
  const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make(names);
  if (!made.ok()) return made.status();
  certificates_ += made->certificate;
  tls::ServerContext::Options context{
      .certificate = made->certificate, .key = made->key, .suites = provider.certificate.suites};
  if (!provider.certificate.max_version.empty()) {
    context.max_version = provider.certificate.max_version;
    context.min_version = std::min(context.max_version, context.min_version);
  }
  return tls::ServerContext::Create(context);
}

// Every host listens on one port. When the kernel is to choose it, the first address decides and the others follow,
// until a port is found that is free on all.
absl::Status Sink::Listen() {
  absl::Status last;
  for (int i = 0; i < kPortTries; ++i) {
    std::vector<Socket> sockets;
    uint16_t port = options_.script.port;
    last = absl::OkStatus();
    for (const Server& server : servers_) {
      const absl::StatusOr<engine::Endpoint> at = At(server.host.address, port);
      if (!at.ok()) return at.status();
      // Opened without sharing first: only so does the kernel say that another program is there.
      const SocketKind kind = server.host.connect == ConnectMode::kRefuse ? SocketKind::kReserve : SocketKind::kListen;
      absl::StatusOr<Socket> socket = OpenSocket(*at, kind, /*share=*/false);
      if (!socket.ok()) {
        last = socket.status();
        break;
      }
      port = LocalEndpoint(socket->fd()).port();
      sockets.push_back(*std::move(socket));
    }
    if (last.ok()) {
      const absl::Status all = ListenAll(port, &sockets);
      if (all.ok()) return all;
      last = all;
    }
    if (options_.script.port != 0) break;
  }
  return last;
}

absl::Status Sink::ListenAll(uint16_t port, std::vector<Socket>* first_sockets) {
  port_ = port;
  std::vector<std::vector<Socket>> shared(workers_.size());
  for (size_t i = 0; i < servers_.size(); ++i) {
    Socket& first = (*first_sockets)[i];
    if (servers_[i].host.connect == ConnectMode::kRefuse) continue;
    if (workers_.size() == 1) continue;
    const engine::Endpoint at = LocalEndpoint(first.fd());
    first = Socket();
    for (std::vector<Socket>& sockets : shared) {
      absl::StatusOr<Socket> socket = OpenSocket(at, SocketKind::kListen, /*share=*/true);
      if (!socket.ok()) return socket.status();
      sockets.push_back(*std::move(socket));
    }
  }
  for (size_t w = 0; w < workers_.size(); ++w) {
    size_t next = 0;
    for (size_t i = 0; i < servers_.size(); ++i) {
      if (servers_[i].host.connect == ConnectMode::kRefuse) continue;
      workers_[w]->Serve(servers_[i],
                         workers_.size() == 1 ? std::move((*first_sockets)[i]) : std::move(shared[w][next++]));
    }
  }
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].host.connect == ConnectMode::kRefuse) reserved_.push_back(std::move((*first_sockets)[i]));
  }
  return absl::OkStatus();
}

void Sink::Stop() {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->Stop();
}

}  // namespace sealift::tools::sink
