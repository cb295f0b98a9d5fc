#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "dns/answer.h"
#include "dns/reactor.h"
#include "dns/resolver.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/task.h"
#include "engine/runtime/task_group.h"
#include "engine/runtime/timer_wheel.h"

namespace sealift::engine {

// Resolver is the seam where names become hosts and addresses: DNS in production, a simulated Internet in tests.
//
// Owned by:  the shard.
// Threads:   the shard's.
// Errors:    every failure is a verdict. When the awaiting scope ends first, the verdict is kTimeout.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual Task<dns::MxAnswer> ResolveMx(std::string domain) = 0;
  // `family` is AF_INET or AF_INET6.
  virtual Task<dns::AddressAnswer> ResolveAddresses(std::string host, int family) = 0;
  // `service`: "_25._tcp.mx1.example.com".
  virtual Task<dns::TlsaAnswer> ResolveTlsa(std::string service) = 0;
  virtual Task<dns::TxtAnswer> ResolveTxt(std::string name) = 0;
};

// DnsResolver asks the configured DNS servers: it gives c-ares, which knows callbacks, the ring's polls and timers, and
// makes its answers something to await.
//
// Owned by:  the shard; Stop is awaited before it is destroyed.
class DnsResolver final : public Resolver, private dns::Reactor {
 public:
  static absl::StatusOr<std::unique_ptr<DnsResolver>> Create(Ring& ring, const dns::Resolver::Options& options,
                                                             std::shared_ptr<dns::Cache> cache);
  ~DnsResolver() override;

  Task<dns::MxAnswer> ResolveMx(std::string domain) override;
  Task<dns::AddressAnswer> ResolveAddresses(std::string host, int family) override;
  Task<dns::TlsaAnswer> ResolveTlsa(std::string service) override;
  Task<dns::TxtAnswer> ResolveTxt(std::string name) override;

  // Ends every poll. Nothing may be asked afterwards.
  Task<void> Stop();

  // From any thread.
  dns::Resolver::Counts counts() const { return resolver_->counts(); }

 private:
  struct Watched;

  explicit DnsResolver(Ring& ring);

  void Watch(int fd, bool read, bool write) override;
  void SetTimer(absl::Duration after) override;
  absl::Time Now() override { return ring_.Now(); }

  Task<void> Poll(std::shared_ptr<Watched> watched);
  void OnTimer() { resolver_->OnTimer(); }

  Ring& ring_;
  TaskGroup polls_;
  Timer timer_;
  std::map<int, std::shared_ptr<Watched>> watched_;
  std::unique_ptr<dns::Resolver> resolver_;
};

}  // namespace sealift::engine
