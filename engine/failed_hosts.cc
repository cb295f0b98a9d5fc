#include "engine/failed_hosts.h"

#include <algorithm>
#include <utility>

namespace sealift::engine {

void FailedHosts::Failed(const std::string& host, const std::string& source, absl::Time now) {
  Answered(host, source);
  if (entries_.size() >= kHostsMax) {
    hosts_.erase(entries_.front().key);
    entries_.pop_front();
  }
  const auto entry = entries_.insert(entries_.end(), {.key = KeyOf(host, source), .until = now + kPassedOver});
  hosts_.emplace(entry->key, entry);
}

void FailedHosts::Answered(const std::string& host, const std::string& source) {
  const auto found = hosts_.find(KeyOf(host, source));
  if (found == hosts_.end()) return;
  const Entries::iterator entry = found->second;
  hosts_.erase(found);
  entries_.erase(entry);
}

absl::Time FailedHosts::UntilOf(const dns::MxHost& host, const std::string& source) const {
  const auto found = hosts_.find(KeyOf(host.name, source));
  return found == hosts_.end() ? absl::InfinitePast() : found->second->until;
}

std::vector<dns::MxHost> FailedHosts::Without(std::vector<dns::MxHost> hosts, const std::string& source,
                                              absl::Time now) const {
  if (entries_.empty() || hosts.empty()) return hosts;
  const auto until = [&](const dns::MxHost& host) { return UntilOf(host, source); };
  const dns::MxHost first = *std::ranges::min_element(hosts, {}, until);
  std::erase_if(hosts, [&](const dns::MxHost& host) { return until(host) > now; });
  if (hosts.empty()) hosts.push_back(first);
  return hosts;
}

}  // namespace sealift::engine
