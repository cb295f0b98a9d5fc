#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sealift::queue {

// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash for short inputs. Without the key its values say nothing about
// what was hashed, and nobody can make two addresses collide. OpenSSL has it behind an interface that costs ten times
// the hash; the reference vectors are in the test.
using SipKey = std::array<uint64_t, 2>;

uint64_t SipHash64(const SipKey& key, std::string_view input);

std::array<uint64_t, 2> SipHash128(const SipKey& key, std::string_view input);

}  // namespace sealift::queue
