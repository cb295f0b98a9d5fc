#include "engine/source_address.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/runtime/endpoint.h"

namespace sealift::engine {
namespace {

// Nothing: the kernel does not say, as where no descriptor is left to ask it by.
std::optional<std::vector<dns::Address>> ReadInterfaces() {
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owned(found, freeifaddrs);
  std::vector<dns::Address> addresses;
  for (const ifaddrs* one = found; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    dns::Address address{.family = one->ifa_addr->sa_family};
    if (address.family == AF_INET) {
      std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, 4);
    } else if (address.family == AF_INET6) {
      std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    addresses.push_back(address);
  }
  return addresses;
}

}  // namespace

bool HasAddressOf(const SourceOptions& source) {
  if (!source.proxy.empty()) return true;
  const int fd = socket(source.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const absl::StatusOr<Endpoint> endpoint =
      Endpoint::Parse(source.family == AF_INET ? source.address + ":0" : "[" + source.address + "]:0");
  const bool ours = endpoint.ok() && bind(fd, reinterpret_cast<const sockaddr*>(&endpoint->addr), endpoint->size) == 0;
  close(fd);
  return ours;
}

bool MayBeOfOthers(const dns::Address& address, const Options& options) {
  if (options.dns.allow_private_addresses) return true;
  return !address.IsLoopback() && !address.IsPrivate() && !IsOwnAddress(address, options);
}

bool IsOwnAddress(const dns::Address& address, const Options& options) {
  const std::string text = address.ToString();
  if (std::ranges::any_of(options.sources, [&](const SourceOptions& source) { return source.address == text; })) {
    return true;
  }
  static InterfaceAddresses interfaces;
  return interfaces.MayHave(address, std::chrono::steady_clock::now());
}

bool InterfaceAddresses::MayHave(const dns::Address& address, Time now) {
  const std::lock_guard lock(mutex_);
  if (!addresses_.has_value() || now - read_ >= kFresh) {
    read_ = now;
    if (std::optional<std::vector<dns::Address>> read = ReadInterfaces(); read.has_value())
      addresses_ = std::move(read);
  }
  return !addresses_.has_value() || std::ranges::find(*addresses_, address) != addresses_->end();
}

}  // namespace sealift::engine
