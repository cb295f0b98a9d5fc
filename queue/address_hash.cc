#include "queue/address_hash.h"

#include <unicase.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
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

// An address with letters beyond ASCII, which are few. What is no UTF-8 counts as one unknown letter. Without memory
// there is no answer: another hash than the one before would let a suppressed address through.
void FoldUnicode(std::string* address) {
  size_t size = 0;
  const std::unique_ptr<uint8_t, Free> folded(u8_casefold(reinterpret_cast<const uint8_t*>(address->data()),
                                                          address->size(), nullptr, UNINORM_NFC, nullptr, &size));
  if (folded == nullptr) {
    std::fputs("an address cannot be folded: out of memory\n", stderr);
    std::abort();
  }
  address->assign(reinterpret_cast<const char*>(folded.get()), size);
}

AddressHash Keyed(const KeyRing& ring, std::string_view text) {
  const auto hash = SipHash128(ring.address_key(), text);
  return {static_cast<uint32_t>(hash[0] >> 32), static_cast<uint32_t>(hash[0]), static_cast<uint32_t>(hash[1])};
}

}  // namespace

AddressHash HashAddress(const KeyRing& ring, std::string_view recipient, std::string* scratch) {
  scratch->assign(recipient);
  for (char& letter : *scratch) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + ('a' - 'A'));
  }
  if (std::ranges::any_of(*scratch, [](char c) { return (c & 0x80) != 0; })) FoldUnicode(scratch);
  return Keyed(ring, *scratch);
}

AddressHash HashName(const KeyRing& ring, std::string_view name, std::string* scratch) {
  scratch->assign(1, '\0');  // no address begins so
  scratch->append(name);
  return Keyed(ring, *scratch);
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
