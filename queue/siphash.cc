#include "queue/siphash.h"

#include <bit>
#include <cstring>

namespace sealift::queue {
namespace {

static_assert(std::endian::native == std::endian::little, "SipHash reads words as little-endian");

struct State {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }

  uint64_t Squeeze() {
    for (int i = 0; i < 4; ++i) Round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

State Absorbed(const SipKey& key, std::string_view input, bool wide) {
  State state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
              key[1] ^ 0x7465646279746573};
  if (wide) state.v1 ^= 0xee;
  const uint64_t size = input.size();
  while (input.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, input.data(), 8);
    state.Absorb(word);
    input.remove_prefix(8);
  }
  uint64_t last = size << 56;
  for (size_t i = 0; i < input.size(); ++i) last |= static_cast<uint64_t>(static_cast<uint8_t>(input[i])) << (8 * i);
  state.Absorb(last);
  return state;
}

}  // namespace

uint64_t SipHash64(const SipKey& key, std::string_view input) {
  State state = Absorbed(key, input, false);
  state.v2 ^= 0xff;
  return state.Squeeze();
}

std::array<uint64_t, 2> SipHash128(const SipKey& key, std::string_view input) {
  State state = Absorbed(key, input, true);
  state.v2 ^= 0xee;
  const uint64_t low = state.Squeeze();
  state.v1 ^= 0xdd;
  return {low, state.Squeeze()};
}

}  // namespace sealift::queue
