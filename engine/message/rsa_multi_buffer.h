#pragma once

#include <absl/types/span.h>

#include <memory>
#include <string>

#include "engine/message/sha256.h"

struct evp_pkey_st;

namespace sealift::engine {

using Pause = void (*)();  // what is done between two parts of a long computation

// RsaMultiBuffer signs eight hashes with one RSA key in 0.6 of the processor time that they take one by one:
// multi-buffer arithmetic, a message in each lane of the vector registers (rsa_ifma.h). It is for who has many messages
// to sign, and for processors with AVX-512 IFMA.
//
// Every signature is verified before it is given out, as OpenSSL does with its own: a fault in the arithmetic or in the
// machine would tell the primes to whoever sees the message.
//
// Owned by:  DkimKey, whose copies share it.
// Threads:   any, several at once.
// Memory:    a copy of the key's numbers, wiped when it goes; what a signature leaves behind is wiped after each call.
// Time:      independent of the key and of what is signed.
class RsaMultiBuffer {
 public:
  static constexpr size_t kTogether = 8;
  // Fewer take longer together than one by one.
  static constexpr size_t kWorthwhile = 5;

  // Null: it is not for this processor, or not for this key, which must have 2,048 bits, two primes and the public
  // exponent 65537; or OpenSSL is held to its FIPS module, and signs all.
  static std::shared_ptr<const RsaMultiBuffer> Of(const evp_pkey_st& key);

  ~RsaMultiBuffer();
  RsaMultiBuffer(const RsaMultiBuffer&) = delete;
  RsaMultiBuffer& operator=(const RsaMultiBuffer&) = delete;

  // RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2.1) of what has these hashes, at most kTogether. A signature that
  // failed its verification is left empty. It takes a millisecond, and calls `pause` about every tenth of that.
  void Sign(absl::Span<const Sha256> hashes, absl::Span<std::string> signatures, Pause pause = [] {}) const;

 private:
  struct Key;

  explicit RsaMultiBuffer(std::unique_ptr<Key> key);

  const std::unique_ptr<Key> key_;
};

}  // namespace sealift::engine
