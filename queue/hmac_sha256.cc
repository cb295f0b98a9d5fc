// The plain functions of SHA-256, whose state is a value: they are declared deprecated since OpenSSL 3.0 for going past
// its providers, and are the only ones that do not allocate.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "queue/hmac_sha256.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sealift::queue {
namespace {

void Add(const void* bytes, size_t size, SHA256_CTX* state) {
  if (SHA256_Update(state, bytes, size) == 1) return;
  std::fputs("OpenSSL cannot hash\n", stderr);
  std::abort();
}

void Begin(std::span<const uint8_t> key, uint8_t pad, SHA256_CTX* state) {
  std::array<uint8_t, HmacSha256::kBlockBytes> block{};
  std::ranges::copy(key, block.begin());
  for (uint8_t& byte : block) byte ^= pad;
  SHA256_Init(state);
  Add(block.data(), block.size(), state);
  OPENSSL_cleanse(block.data(), block.size());
}

}  // namespace

HmacSha256::~HmacSha256() {
  OPENSSL_cleanse(&inner_, sizeof(inner_));
  OPENSSL_cleanse(&outer_, sizeof(outer_));
}

void HmacSha256::SetKey(std::span<const uint8_t> key) {
  if (key.size() > kBlockBytes) {
    std::fputs("a key of HMAC is longer than a block\n", stderr);
    std::abort();
  }
  Begin(key, 0x36, &inner_);
  Begin(key, 0x5c, &outer_);
}

std::array<uint8_t, 32> HmacSha256::Of(std::string_view text) const {
  std::array<uint8_t, 32> digest;
  SHA256_CTX state = inner_;
  Add(text.data(), text.size(), &state);
  SHA256_Final(digest.data(), &state);
  state = outer_;
  Add(digest.data(), digest.size(), &state);
  SHA256_Final(digest.data(), &state);
  return digest;
}

}  // namespace sealift::queue
