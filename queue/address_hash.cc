#include "queue/address_hash.h"

#include <unicase.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "fmt/format.h"
#include "queue/key_ring.h"
#include "queue/siphash.h"

namespace sealift::queue {

namespace {

struct Free {
  void operator()(uint8_t* bytes) const { std::free(bytes); }
};

// An address with letters beyond ASCII, which are few.
void FoldUnicode(std::string* address) {
  size_t size = 0;
  const std::unique_ptr<uint8_t, Free> folded(u8_casefold(reinterpret_cast<const uint8_t*>(address->data()),
                                                          address->size(), nullptr, UNINORM_NFC, nullptr, &size));
  if (folded != nullptr) address->assign(reinterpret_cast<const char*>(folded.get()), size);
}

}  // namespace

AddressHash HashAddress(const KeyRing& ring, std::string_view recipient, std::string* scratch) {
  scratch->assign(recipient);
  for (char& letter : *scratch) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + ('a' - 'A'));
  }
  if (std::ranges::any_of(*scratch, [](char c) { return (c & 0x80) != 0; })) FoldUnicode(scratch);
  const auto hash = SipHash128(ring.address_key(), *scratch);
  return {static_cast<uint32_t>(hash[0] >> 32), static_cast<uint32_t>(hash[0]), static_cast<uint32_t>(hash[1])};
}

std::string ToHex(const AddressHash& address) {
  return fmt::format("{:08x}{:08x}{:08x}", address[0], address[1], address[2]);
}

std::optional<AddressHash> AddressHashFromHex(std::string_view hex) {
  AddressHash address{};
  if (hex.size() != 8 * address.size()) return std::nullopt;
  for (uint32_t& word : address) {
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + 8, word, 16);
    if (error != std::errc() || end != hex.data() + 8) return std::nullopt;
    hex.remove_prefix(8);
  }
  return address;
}

}  // namespace sealift::queue
