#include "engine/failed_hosts.h"

#include <algorithm>
#include <utility>

namespace sealift::engine {

void FailedHosts::Failed(const std::string& host, const std::string& source, absl::Time now) {
  if (until_.size() >= kHostsMax) {
    std::erase_if(until_, [now](const auto& entry) { return entry.second <= now; });
  }
  if (until_.size() >= kHostsMax) {
    until_.erase(std::ranges::min_element(until_, {}, [](const auto& entry) { return entry.second; }));
  }
  until_[KeyOf(host, source)] = now + kPassedOver;
}

absl::Time FailedHosts::UntilOf(const dns::MxHost& host, const std::string& source) const {
  const auto found = until_.find(KeyOf(host.name, source));
  return found == until_.end() ? absl::InfinitePast() : found->second;
}

std::vector<dns::MxHost> FailedHosts::Without(std::vector<dns::MxHost> hosts, const std::string& source,
                                              absl::Time now) const {
  if (until_.empty() || hosts.empty()) return hosts;
  const auto until = [&](const dns::MxHost& host) { return UntilOf(host, source); };
  const dns::MxHost first = *std::ranges::min_element(hosts, {}, until);
  std::erase_if(hosts, [&](const dns::MxHost& host) { return until(host) > now; });
  if (hosts.empty()) hosts.push_back(first);
  return hosts;
}

}  // namespace sealift::engine
