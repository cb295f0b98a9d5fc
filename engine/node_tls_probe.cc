// What the node is asked of a destination's TLS.
#include <utility>

#include "engine/exit_code.h"
#include "engine/node_impl.h"
#include "engine/resolver.h"
#include "engine/runtime/tcp_network.h"
#include "engine/source_address.h"
#include "engine/tls_probe.h"
#include "engine/web.h"

namespace sealift::engine {
namespace {

constexpr unsigned kRingEntries = 64;

Task<void> Main(TlsProbe& probe, std::string domain, DnsResolver& resolver) {
  co_await probe.Run(std::move(domain));
  co_await resolver.Stop();
}

}  // namespace

absl::StatusOr<TlsProbeReport> NodeImpl::ProbeTls(std::string_view domain) {
  const std::shared_ptr<const Options> options = this->options();
  if (options->delivery == Delivery::kSink) {
    return WithExit(
        absl::FailedPreconditionError(
            "delivery is \"sink\": nothing leaves this machine, and so no other is looked at. Run the probe "
            "on a node with delivery = \"live\""),
        ExitCode::kConfig);
  }
  const std::unique_lock turn(preflight_, std::try_to_lock);
  if (!turn.owns_lock()) {
    return WithExit(absl::UnavailableError("another probe or preflight is running; ask again when it is over"),
                    ExitCode::kTryLater);
  }
  const SourceOptions* source = &options->sources.front();
  for (const SourceOptions& other : options->sources) {
    if (!HasAddressOf(other)) continue;
    source = &other;
    break;
  }
  absl::StatusOr<std::shared_ptr<tls::ClientContext>> tls12 = tls::ClientContext::Create(
      {.min_version = "1.2", .max_version = "1.2", .ca_file = options->tls.ca_file, .fips = options->tls.fips});
  if (!tls12.ok()) return tls12.status();
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create({.entries = kRingEntries});
  if (!ring.ok()) return ring.status();
  absl::StatusOr<std::unique_ptr<DnsResolver>> resolver = DnsResolver::Create(
      **ring, {.servers = options->dns.servers, .timeout = options->dns.timeout, .tries = options->dns.tries},
      dns_cache_);
  if (!resolver.ok()) return resolver.status();
  TcpNetwork network(**ring);
  HttpsWeb web(**ring, *https_);
  TlsProbe probe({.ring = **ring, .network = network, .resolver = **resolver, .tls = tls_},
                 {**resolver, web, sts_policies_, options}, *tls12, options, *source);
  (*ring)->Run(Main(probe, std::string(domain), **resolver));
  return probe.report();
}

}  // namespace sealift::engine
