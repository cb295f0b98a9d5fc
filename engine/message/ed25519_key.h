#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/message/sha256.h"

struct evp_pkey_st;

namespace sealift::engine {

// Ed25519Key signs with libsodium (RFC 8032), whose arithmetic makes a signature in 16 us where OpenSSL 3.0's takes 37.
// The signatures are the same bytes.
//
// Owned by:  DkimKey, whose copies share it.
// Threads:   any, several at once.
// Memory:    a copy of the key, wiped when it goes.
// Time:      independent of the key and of what is signed.
class Ed25519Key {
 public:
  // Null: OpenSSL is held to its FIPS module, and signs itself; or it is no Ed25519 key with both halves.
  static std::shared_ptr<const Ed25519Key> Of(const evp_pkey_st& key);

  ~Ed25519Key();
  Ed25519Key(const Ed25519Key&) = delete;
  Ed25519Key& operator=(const Ed25519Key&) = delete;

  // PureEdDSA of the hash itself, as RFC 8463 has it: 64 bytes.
  std::string Sign(const Sha256& hash) const;

 private:
  Ed25519Key() = default;

  std::array<uint8_t, 64> seed_and_public_{};
};

}  // namespace sealift::engine
