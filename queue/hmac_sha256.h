#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace sealift::queue {

// HmacSha256 is HMAC-SHA256 (RFC 2104) under one key, whose two padded blocks are hashed once: a short text costs two
// blocks of SHA-256 and no allocation, where OpenSSL's own copies a context for each.
//
// Owned by:  whoever has the key; wiped when it goes.
// Threads:   any, once it has its key.
class HmacSha256 {
 public:
  static constexpr size_t kBlockBytes = 64;

  HmacSha256() = default;
  ~HmacSha256();
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;

  // At most a block.
  void SetKey(std::span<const uint8_t> key);

  std::array<uint8_t, 32> Of(std::string_view text) const;

 private:
  SHA256_CTX inner_{}, outer_{};
};

}  // namespace sealift::queue
