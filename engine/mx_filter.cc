#include "engine/mx_filter.h"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sealift::engine {
namespace {

struct AddressRange {
  dns::Address address;
  unsigned bits = 0;

  bool Has(const dns::Address& other) const {
    if (other.family != address.family) return false;
    for (unsigned bit = 0; bit < bits; bit += 8) {
      const unsigned left = std::min(bits - bit, 8u);
      const auto mask = static_cast<uint8_t>(0xff << (8 - left));
      if (((address.bytes[bit / 8] ^ other.bytes[bit / 8]) & mask) != 0) return false;
    }
    return true;
  }
};

// Nothing: it is a pattern of names.
std::optional<AddressRange> ParseNetwork(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<dns::Address> address = dns::Address::Parse(text.substr(0, slash));
  if (!address.has_value()) return std::nullopt;
  AddressRange network{.address = *address, .bits = address->family == AF_INET ? 32u : 128u};
  if (slash != std::string_view::npos) {
    std::from_chars(text.data() + slash + 1, text.data() + text.size(), network.bits);
  }
  return network;
}

bool NameMatches(const std::vector<std::string>& entries, std::string_view host) {
  return std::ranges::any_of(entries, [&](const std::string& entry) {
    return !ParseNetwork(entry).has_value() && MatchesHostPattern(entry, host);
  });
}

bool AddressMatches(const std::vector<std::string>& entries, const dns::Address& address) {
  return std::ranges::any_of(entries, [&](const std::string& entry) {
    const std::optional<AddressRange> network = ParseNetwork(entry);
    return network.has_value() && network->Has(address);
  });
}

bool HasNetwork(const std::vector<std::string>& entries) {
  return std::ranges::any_of(entries, [](const std::string& entry) { return ParseNetwork(entry).has_value(); });
}

}  // namespace

bool MxFilter::asks_addresses() const { return HasNetwork(options_.mx_allow) || HasNetwork(options_.mx_deny); }

bool MxFilter::Denies(std::string_view host) const {
  if (NameMatches(options_.mx_deny, host)) return true;
  return !options_.mx_allow.empty() && !HasNetwork(options_.mx_allow) && !NameMatches(options_.mx_allow, host);
}

bool MxFilter::Allows(std::string_view host, const dns::Address& address) const {
  if (NameMatches(options_.mx_deny, host) || AddressMatches(options_.mx_deny, address)) return false;
  return options_.mx_allow.empty() || NameMatches(options_.mx_allow, host) ||
         AddressMatches(options_.mx_allow, address);
}

}  // namespace sealift::engine
