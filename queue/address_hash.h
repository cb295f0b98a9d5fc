#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealift::queue {

class KeyRing;

// What stands for an address in a key: 96 bits of the keyed hash of its lower-cased form, which say nothing without the
// node's key. Where two mailboxes differ in case alone (RFC 5321 2.4 lets them), or in how an accented letter is put
// together (Unicode case folding and NFC), they are one here: an address that is listed twice gets one mail, and JOHN@
// does not evade what john@ asked for.
using AddressHash = std::array<uint32_t, 3>;

// Of an address whose domain is an A-label. `scratch` is overwritten.
AddressHash HashAddress(const KeyRing& ring, std::string_view recipient, std::string* scratch);

// Of another name of a row, a Message-ID that is not ours, byte for byte: never that of an address.
AddressHash HashName(const KeyRing& ring, std::string_view name, std::string* scratch);

// Hexadecimal, for people and cursors.
std::string ToHex(const AddressHash& address);
std::optional<AddressHash> AddressHashFromHex(std::string_view hex);

}  // namespace sealift::queue
