#pragma once

#include <absl/status/statusor.h>
#include <absl/types/span.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/message/ed25519_key.h"
#include "engine/message/rsa_multi_buffer.h"
#include "engine/message/sha256.h"

struct evp_pkey_st;
struct evp_pkey_ctx_st;

namespace sealift::engine {

enum class DkimAlgorithm : uint8_t {
  kRsaSha256,      // RFC 6376 3.3.1
  kEd25519Sha256,  // RFC 8463
};

std::string_view ToString(DkimAlgorithm algorithm);  // as a= says it: "rsa-sha256"
std::string_view KeyType(DkimAlgorithm algorithm);   // as k= says it: "rsa"

// DkimKey is a private key that signs mail, parsed once.
//
// Owned by:  whoever signs; copies share the key.
// Threads:   any, several at once.
// Memory:    OpenSSL's, wiped when the last copy goes.
// Errors:    never a byte of the key.
class DkimKey {
 public:
  // A PEM private key (PKCS#8 or PKCS#1), RSA of any size or Ed25519, without a passphrase. How long an RSA key must be
  // is the caller's to say.
  static absl::StatusOr<DkimKey> Parse(std::string_view pem);
  // `bits` is of RSA alone.
  static absl::StatusOr<DkimKey> Generate(DkimAlgorithm algorithm, int bits = 2048);

  DkimAlgorithm algorithm() const { return algorithm_; }
  int bits() const;

  // What the DNS record's p= holds: base64 of the SubjectPublicKeyInfo (RSA), or of the 32 bytes (Ed25519).
  const std::string& public_key() const { return public_key_; }

  // PKCS#8. The caller wipes it.
  absl::StatusOr<std::string> ToPem() const;

  // The raw signature of what has this hash: RSASSA-PKCS1-v1_5 with SHA-256, or PureEdDSA of the hash itself.
  absl::StatusOr<std::string> Sign(const Sha256& hash) const;

  // The same of each. As many signatures as hashes; one that could not be made is empty.
  void Sign(absl::Span<const Sha256> hashes, absl::Span<std::string> signatures, Pause pause = [] {}) const;

  // Whether several that are signed together take less time than one by one.
  bool SignsTogether() const { return together_ != nullptr; }

 private:
  DkimKey(std::shared_ptr<evp_pkey_st> key, DkimAlgorithm algorithm, std::string public_key)
      : key_(std::move(key)), algorithm_(algorithm), public_key_(std::move(public_key)) {}
  static absl::StatusOr<DkimKey> Of(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
  // Of an RSA key: ready to sign, copied for each signature. To make one again would cost more than hashing a header.
  std::shared_ptr<const evp_pkey_ctx_st> context_;
  std::shared_ptr<const RsaMultiBuffer> together_;  // null: each is signed alone
  std::shared_ptr<const Ed25519Key> ed25519_;       // null: RSA, or OpenSSL signs
  DkimAlgorithm algorithm_;
  std::string public_key_;
};

}  // namespace sealift::engine
