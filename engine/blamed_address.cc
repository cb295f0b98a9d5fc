#include "engine/blamed_address.h"

#include <sys/socket.h>

#include <algorithm>
#include <optional>

#include "dns/address.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kLetters = "0123456789abcdefABCDEF:.";  // of an address as text

bool AreNeighbours(const dns::Address& one, const dns::Address& other) {
  const std::ptrdiff_t network = one.family == AF_INET ? 3 : 8;  // bytes
  return one.family == other.family && std::equal(one.bytes.begin(), one.bytes.begin() + network, other.bytes.begin());
}

dns::Address Backwards(dns::Address address) {
  std::reverse(address.bytes.begin(), address.bytes.begin() + (address.family == AF_INET ? 4 : 16));
  return address;
}

// The next of them, which is taken off.
std::optional<dns::Address> TakeAddress(std::string_view& text) {
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_of(kLetters), text.size()));
    std::string_view word = text.substr(0, text.find_first_not_of(kLetters));
    text.remove_prefix(word.size());
    while (!word.empty() && (word.back() == '.' || word.back() == ':')) word.remove_suffix(1);
    while (!word.empty() && (word.front() == '.' || (word.front() == ':' && !word.starts_with("::")))) {
      word.remove_prefix(1);
    }
    if (std::optional<dns::Address> address = dns::Address::Parse(word); address.has_value()) return address;
  }
  return std::nullopt;
}

}  // namespace

bool BlamesAnother(std::string_view reply, std::string_view source) {
  const std::optional<dns::Address> ours = dns::Address::Parse(source);
  if (!ours.has_value() || ours->IsPrivate() || ours->IsLoopback()) return false;
  bool another = false;
  while (const std::optional<dns::Address> named = TakeAddress(reply)) {
    if (AreNeighbours(*named, *ours) || AreNeighbours(Backwards(*named), *ours)) return false;
    another = true;
  }
  return another;
}

}  // namespace sealift::engine
