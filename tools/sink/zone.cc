#include "tools/sink/zone.h"

#include <arpa/inet.h>

#include <algorithm>

namespace sealift::tools::sink {
namespace {

void AddAddress(const std::string& text, Zone::Records* records) {
  char bytes[16];
  std::vector<std::string>* list = nullptr;
  size_t size = 0;
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) {
    list = &records->a;
    size = 4;
  } else if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) {
    list = &records->aaaa;
    size = 16;
  }
  if (list == nullptr) return;
  std::string address(bytes, size);
  if (std::find(list->begin(), list->end(), address) == list->end()) list->push_back(std::move(address));
}

}  // namespace

Zone::Zone(const Script& script) {
  for (const Provider& provider : script.providers) {
    const auto ttl = static_cast<uint32_t>(absl::ToInt64Seconds(provider.ttl));
    for (const MxHost& host : provider.hosts) {
      Records& records = names_[host.name];
      records.ttl = ttl;
      records.is_signed = provider.dns_signed;
      AddAddress(host.address, &records);
    }
    for (const std::string& domain : provider.domains) {
      if (domain == "*") continue;
      for (const auto& [name, text] : provider.txt) {
        Records& beneath = names_[name + "." + domain];
        beneath.ttl = ttl;
        beneath.is_signed = provider.dns_signed;
        beneath.txt.push_back(text);
      }
      Records& records = names_[domain];
      records.mode = provider.dns;
      records.mode_until = provider.dns_until;
      records.ttl = ttl;
      records.is_signed = provider.dns_signed;
      for (const MxHost& host : provider.hosts) {
        if (provider.dns == DnsMode::kAddress) {
          AddAddress(host.address, &records);
        } else {
          records.mx.push_back({host.preference, host.name});
        }
      }
    }
  }
}

const Zone::Records* Zone::Find(const std::string& name) const {
  const auto found = names_.find(name);
  return found != names_.end() ? &found->second : nullptr;
}

}  // namespace sealift::tools::sink
