#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sealift::queue {

// A 256-bit key. It leaves no copy behind in the memory that it used.
class Secret {
 public:
  static constexpr size_t kSize = 32;

  Secret() = default;
  explicit Secret(const std::array<uint8_t, kSize>& bytes) : bytes_(bytes) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret();

  static Secret Random();

  // HKDF-SHA256 (RFC 5869): a key of its own for this salt and purpose.
  Secret Derive(std::string_view salt, std::string_view purpose) const;

  const uint8_t* data() const { return bytes_.data(); }

 private:
  std::array<uint8_t, kSize> bytes_{};
};

void RandomBytes(void* out, size_t size);

// The words of additional data, authenticated as if they were one string. Each caller's have fixed lengths but the
// last.
struct Associated {
  std::string_view first, second;
};

// Cipher is AES-256-GCM (SP 800-38D) under one key, with 96-bit nonces and 128-bit tags. The key schedule is made once;
// a value costs a nonce. That no nonce repeats is its user's promise: see Sealer.
//
// Threads: one at a time.
class Cipher {
 public:
  static constexpr size_t kNonceSize = 12, kTagSize = 16;
  enum class Direction { kSeal, kOpen };

  Cipher(const Secret& key, Direction direction);

  // Appends ciphertext and tag.
  void Seal(std::string_view nonce, const Associated& additional, std::string_view plaintext, std::string* out);

  // Replaces *plaintext. False: this is not what was sealed under this key and additional data.
  [[nodiscard]] bool Open(std::string_view nonce, const Associated& additional, std::string_view sealed,
                          std::string* plaintext);

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
};

}  // namespace sealift::queue
