#include "engine/runtime/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "engine/runtime/check.h"

namespace sealift::engine {
namespace {

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

absl::Status Malformed(std::string_view text) {
  // What is not an address is not repeated at any length.
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not an address with a port; write 192.0.2.1:25 or [2001:db8::1]:25", text.substr(0, 64)));
}

}  // namespace

absl::StatusOr<Endpoint> Endpoint::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Malformed(text);
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const int family = bracketed ? AF_INET6 : AF_INET;
  uint8_t bytes[sizeof(in6_addr)];
  if (!port.has_value() || inet_pton(family, std::string(host).c_str(), bytes) != 1) return Malformed(text);
  return Ip(family, bytes, *port);
}

Endpoint Endpoint::Ip(int family, std::span<const uint8_t> bytes, uint16_t port) {
  Endpoint endpoint;
  if (family == AF_INET) {
    auto& ip = reinterpret_cast<sockaddr_in&>(endpoint.addr);
    CHECK(bytes.size() >= sizeof(ip.sin_addr), "an IPv4 address has 4 bytes");
    ip.sin_family = AF_INET;
    ip.sin_port = htons(port);
    std::memcpy(&ip.sin_addr, bytes.data(), sizeof(ip.sin_addr));
    endpoint.size = sizeof(ip);
  } else {
    auto& ip = reinterpret_cast<sockaddr_in6&>(endpoint.addr);
    CHECK(family == AF_INET6 && bytes.size() >= sizeof(ip.sin6_addr), "an IPv6 address has 16 bytes");
    ip.sin6_family = AF_INET6;
    ip.sin6_port = htons(port);
    std::memcpy(&ip.sin6_addr, bytes.data(), sizeof(ip.sin6_addr));
    endpoint.size = sizeof(ip);
  }
  return endpoint;
}

uint16_t Endpoint::port() const {
  // Both kinds have it in the same place.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  return ntohs(reinterpret_cast<const sockaddr_in&>(addr).sin_port);
}

std::string Endpoint::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(addr).sin_addr, text, sizeof(text));
    return fmt::format("{}:{}", text, port());
  }
  if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(addr).sin6_addr, text, sizeof(text));
    return fmt::format("[{}]:{}", text, port());
  }
  return "(no address)";
}

bool operator==(const Endpoint& a, const Endpoint& b) {
  return a.size == b.size && std::memcmp(&a.addr, &b.addr, a.size) == 0;
}

}  // namespace sealift::engine
