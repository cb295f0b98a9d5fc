#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/key_ring.h"
#include "queue/keys.h"
#include "queue/sealing.h"

namespace sealift::queue {

// A sealed value: incarnation (4 bytes), nonce (12), ciphertext, tag (16).
inline constexpr size_t kSealedOverhead = 4 + Cipher::kNonceSize + Cipher::kTagSize;

// Sealer seals values for one thread.
//
// Its nonces are its own number, which no other sealer of this run has, and a counter that only grows; neither is
// persisted, because the next run has other keys (KeyRing). The additional data is the value's column family and key: a
// value that was moved or copied elsewhere does not open.
//
// Owned by:  a thread, or a Load.
// Threads:   one at a time.
class Sealer {
 public:
  explicit Sealer(KeyRing* ring) : ring_(ring), number_(ring->NextSealer()) {}

  // Appends the sealed value. NotFound: the key was erased.
  absl::Status Seal(KeyName name, enum Seal column, std::string_view key, std::string_view plaintext, std::string* out);

 private:
  absl::StatusOr<Cipher*> CipherFor(KeyName name);

  KeyRing* const ring_;
  const uint32_t number_;
  uint64_t counter_ = 0;
  uint32_t incarnation_ = 0;
  uint64_t generation_ = 0;
  absl::flat_hash_map<KeyName, Cipher> ciphers_;  // of incarnation_
};

// Unsealer opens values for one thread.
//
// Threads: one at a time.
// Errors:  DataLoss, naming the place, when a value is not what was sealed there.
class Unsealer {
 public:
  explicit Unsealer(KeyRing* ring) : ring_(ring) {}

  absl::StatusOr<std::string> Open(KeyName name, enum Seal column, std::string_view key, std::string_view sealed);

 private:
  KeyRing* const ring_;
  uint64_t generation_ = 0;
  absl::flat_hash_map<std::pair<KeyName, uint32_t>, Cipher> ciphers_;
};

}  // namespace sealift::queue
