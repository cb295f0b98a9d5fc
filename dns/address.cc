#include "dns/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <span>

namespace sealift::dns {
namespace {

struct Range {
  const char* first;
  int family;
  int bits;
};

// The IANA special-purpose registries (RFC 6890 and its updates), as far as no mail server of the Internet is there.
constexpr Range kPrivate[] = {
    {"10.0.0.0", AF_INET, 8},       // RFC 1918
    {"100.64.0.0", AF_INET, 10},    // shared by carriers, RFC 6598
    {"169.254.0.0", AF_INET, 16},   // link-local, RFC 3927
    {"172.16.0.0", AF_INET, 12},    // RFC 1918
    {"192.0.0.0", AF_INET, 24},     // protocol assignments, RFC 6890
    {"192.0.2.0", AF_INET, 24},     // documentation, RFC 5737
    {"192.88.99.0", AF_INET, 24},   // 6to4 relays, RFC 7526
    {"192.168.0.0", AF_INET, 16},   // RFC 1918
    {"198.18.0.0", AF_INET, 15},    // benchmarks, RFC 2544
    {"198.51.100.0", AF_INET, 24},  // documentation
    {"203.0.113.0", AF_INET, 24},   // documentation
    {"224.0.0.0", AF_INET, 3},      // multicast, reserved, broadcast
    {"::", AF_INET6, 96},           // IPv4-compatible, given up by RFC 4291
    {"100::", AF_INET6, 64},        // discard, RFC 6666
    {"2001::", AF_INET6, 23},       // protocol assignments, Teredo among them
    {"2001:db8::", AF_INET6, 32},   // documentation, RFC 3849
    {"2002::", AF_INET6, 16},       // 6to4: an IPv4 address in disguise
    {"3fff::", AF_INET6, 20},       // documentation, RFC 9637
    {"64:ff9b:1::", AF_INET6, 48},  // local NAT64, RFC 8215
    {"fc00::", AF_INET6, 7},        // unique local, RFC 4193
    {"fe80::", AF_INET6, 10},       // link-local
    {"fec0::", AF_INET6, 10},       // site-local, given up by RFC 3879
    {"ff00::", AF_INET6, 8},        // multicast
};
constexpr Range kLoopback[] = {
    {"127.0.0.0", AF_INET, 8},
    {"0.0.0.0", AF_INET, 8},
    {"::1", AF_INET6, 128},
    {"::", AF_INET6, 128},
};
// IPv4 written as IPv6: the last four bytes are the address.
constexpr Range kEmbedded[] = {
    {"::ffff:0:0", AF_INET6, 96},  // mapped, RFC 4291
    {"64:ff9b::", AF_INET6, 96},   // NAT64, RFC 6052
};

bool IsIn(const Address& address, const Range& range) {
  if (address.family != range.family) return false;
  const Address first = *Address::Parse(range.first);
  const size_t whole = static_cast<size_t>(range.bits) / 8;
  if (!std::equal(first.bytes.begin(), first.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.bytes.begin())) {
    return false;
  }
  const int rest = range.bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (first.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

bool IsInAny(const Address& address, std::span<const Range> ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) { return IsIn(address, range); });
}

Address Unwrap(const Address& address) {
  if (!IsInAny(address, kEmbedded)) return address;
  Address inner = {.family = AF_INET};
  std::copy(address.bytes.begin() + 12, address.bytes.end(), inner.bytes.begin());
  return inner;
}

}  // namespace

std::optional<Address> Address::Parse(std::string_view text) {
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  Address address;
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, terminated.c_str(), address.bytes.data()) == 1) {
      address.family = family;
      return address;
    }
  }
  return std::nullopt;
}

std::string Address::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family == 0 || inet_ntop(family, bytes.data(), text, sizeof text) == nullptr) return "none";
  return text;
}

bool Address::IsLoopback() const { return IsInAny(Unwrap(*this), kLoopback); }

bool Address::IsPrivate() const {
  if (family == 0) return true;
  return !IsLoopback() && IsInAny(Unwrap(*this), kPrivate);
}

}  // namespace sealift::dns
