#include "engine/source_address.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "absl/status/statusor.h"
#include "engine/runtime/endpoint.h"

namespace sealift::engine {

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
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return false;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owned(found, freeifaddrs);
  for (const ifaddrs* one = found; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != address.family) continue;
    const void* bytes = address.family == AF_INET
                            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr)
                            : &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
    if (std::memcmp(bytes, address.bytes.data(), address.family == AF_INET ? 4 : 16) == 0) return true;
  }
  return false;
}

}  // namespace sealift::engine
