#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealift::dns {

// Address is where a host can be reached: four bytes of IPv4 or sixteen of IPv6, in network order.
struct Address {
  int family = 0;                      // AF_INET or AF_INET6; 0: none
  std::array<uint8_t, 16> bytes = {};  // IPv4 in the first four

  // As written in a configuration: "192.0.2.1", "2001:db8::1". No brackets, no zone, no port.
  static std::optional<Address> Parse(std::string_view text);

  std::string ToString() const;

  // Both look through IPv4 written as IPv6 (::ffff:0:0/96, and 64:ff9b::/96 of a NAT64), which would otherwise be a way
  // around them.
  bool IsLoopback() const;  // 127.0.0.0/8, ::1; also 0.0.0.0/8 and ::, which Linux connects to itself
  bool IsPrivate()
      const;  // not a public unicast address, and not loopback: RFC 1918, link-local, shared, multicast, reserved

  friend bool operator==(const Address&, const Address&) = default;
};

}  // namespace sealift::dns
