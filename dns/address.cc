#include "dns/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <span>

namespace sealift::dns {
namespace {

struct Range {
  int family;
  const char* first;
  int bits;
};

// The IANA special-purpose registries (RFC 6890 and its updates), as far as no mail server of the Internet is there.
constexpr Range kPrivate[] = {
    {AF_INET, "10.0.0.0", 8},       // RFC 1918
    {AF_INET, "100.64.0.0", 10},    // shared by carriers, RFC 6598
    {AF_INET, "169.254.0.0", 16},   // link-local, RFC 3927
    {AF_INET, "172.16.0.0", 12},    // RFC 1918
    {AF_INET, "192.0.0.0", 24},     // protocol assignments, RFC 6890
    {AF_INET, "192.0.2.0", 24},     // documentation, RFC 5737
    {AF_INET, "192.88.99.0", 24},   // 6to4 relays, RFC 7526
    {AF_INET, "192.168.0.0", 16},   // RFC 1918
    {AF_INET, "198.18.0.0", 15},    // benchmarks, RFC 2544
    {AF_INET, "198.51.100.0", 24},  // documentation
    {AF_INET, "203.0.113.0", 24},   // documentation
    {AF_INET, "224.0.0.0", 3},      // multicast, reserved, broadcast
    {AF_INET6, "::", 96},           // IPv4-compatible, given up by RFC 4291
    {AF_INET6, "100::", 64},        // discard, RFC 6666
    {AF_INET6, "2001::", 23},       // protocol assignments, Teredo among them
    {AF_INET6, "2001:db8::", 32},   // documentation, RFC 3849
    {AF_INET6, "2002::", 16},       // 6to4: an IPv4 address in disguise
    {AF_INET6, "3fff::", 20},       // documentation, RFC 9637
    {AF_INET6, "64:ff9b:1::", 48},  // local NAT64, RFC 8215
    {AF_INET6, "fc00::", 7},        // unique local, RFC 4193
    {AF_INET6, "fe80::", 10},       // link-local
    {AF_INET6, "fec0::", 10},       // site-local, given up by RFC 3879
    {AF_INET6, "ff00::", 8},        // multicast
};
constexpr Range kLoopback[] = {
    {AF_INET, "127.0.0.0", 8},
    {AF_INET, "0.0.0.0", 8},
    {AF_INET6, "::1", 128},
    {AF_INET6, "::", 128},
};
// IPv4 written as IPv6: the last four bytes are the address.
constexpr Range kEmbedded[] = {
    {AF_INET6, "::ffff:0:0", 96},  // mapped, RFC 4291
    {AF_INET6, "64:ff9b::", 96},   // NAT64, RFC 6052
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
