// Whose hosts a domain's mail goes to: what the shards know, and what the DNS says of domains that nothing was sent to.
#include <algorithm>
#include <set>
#include <utility>

#include "engine/domain_hosts.h"
#include "engine/log.h"
#include "engine/node_impl.h"

namespace sealift::engine {
namespace {

constexpr unsigned kRingEntries = 512;

Task<void> Main(DomainHosts& hosts, std::vector<std::string> domains, absl::Duration patience, DnsResolver& resolver) {
  co_await hosts.Run(std::move(domains), patience);
  co_await resolver.Stop();
}

}  // namespace

std::string NodeImpl::ProviderOf(const std::string& domain) {
  std::string provider;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->Ask([&](Scheduler& scheduler) {
      if (const Site* site = scheduler.directory().FindSite(domain); site != nullptr) provider = site->provider;
    });
  }
  return provider;
}

std::map<std::string, std::vector<dns::MxHost>> NodeImpl::HostsOf(std::vector<std::string> domains, absl::Time until) {
  const std::shared_ptr<const Options> options = this->options();
  std::map<std::string, std::vector<dns::MxHost>> found;
  if (options->delivery == Delivery::kSink) {  // as the shards have it
    for (const std::string& domain : domains) found[domain] = {{0, domain}};
    return found;
  }
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create({.entries = kRingEntries});
  absl::StatusOr<std::unique_ptr<DnsResolver>> resolver =
      ring.ok()
          ? DnsResolver::Create(
                **ring, {.servers = options->dns.servers, .timeout = options->dns.timeout, .tries = options->dns.tries},
                dns_cache_)
          : ring.status();
  if (!resolver.ok()) {
    LogError("whose hosts domains have could not be asked for", {{"why", resolver.status()}});
    return found;
  }
  DomainHosts hosts(**ring, **resolver, options, interrupted_);
  (*ring)->Run(Main(hosts, std::move(domains), until - absl::Now(), **resolver));
  return std::move(hosts.found());
}

bool NodeImpl::FindProviders(const std::set<std::string>& domains, absl::Time until,
                             std::map<std::string, std::string>& providers) {
  std::set<std::string> unknown;
  for (const std::string& domain : domains) {
    if (!providers.contains(domain)) unknown.insert(domain);
  }
  if (unknown.empty()) return true;
  AskShards([&](Scheduler& scheduler) {
    for (const std::string& domain : unknown) {
      if (const Site* site = scheduler.directory().FindSite(domain); site != nullptr) {
        providers[domain] = site->provider;
      }
    }
  });
  std::erase_if(unknown, [&](const std::string& domain) { return providers.contains(domain); });
  if (unknown.empty()) return true;
  if (absl::Now() >= until) return false;
  const std::shared_ptr<const Options> options = this->options();
  for (const auto& [domain, hosts] : HostsOf({unknown.begin(), unknown.end()}, until)) {
    providers[domain] = std::string(options->ProviderOf(hosts.front().name));
  }
  return absl::Now() < until;
}

}  // namespace sealift::engine
