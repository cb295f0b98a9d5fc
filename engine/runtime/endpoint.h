#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sealift::engine {

// Endpoint is an IP address and a port, as the kernel wants it.
//
// Threads:   a value.
// Errors:    Parse says what it expected.
struct Endpoint {
  sockaddr_storage addr{};
  socklen_t size = 0;

  // "127.0.0.1:25" or "[::1]:25"; names are not resolved.
  static absl::StatusOr<Endpoint> Parse(std::string_view text);
  // `bytes` in network order: 4 of them for AF_INET, 16 for AF_INET6 (more are ignored).
  static Endpoint Ip(int family, std::span<const uint8_t> bytes, uint16_t port);

  int family() const { return addr.ss_family; }
  uint16_t port() const;
  std::string ToString() const;  // as Parse reads it

  friend bool operator==(const Endpoint& a, const Endpoint& b);
};

}  // namespace sealift::engine
