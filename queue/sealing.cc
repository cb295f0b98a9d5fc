#include "queue/sealing.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>

namespace sealift::queue {
namespace {

// OpenSSL refuses none of our calls but for lack of memory or of entropy, after which nothing can be sealed: to go on
// would be to write plaintext or to reuse a nonce.
void Must(bool done, const char* what) {
  if (done) return;
  char reason[256];
  ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
  std::fprintf(stderr, "OpenSSL cannot %s: %s\n", what, reason);
  std::abort();
}

const EVP_CIPHER* Aes256Gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  Must(cipher != nullptr, "provide AES-256-GCM");
  return cipher;
}

EVP_KDF* Hkdf() {
  static EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  Must(kdf != nullptr, "provide HKDF");
  return kdf;
}

const unsigned char* Unsigned(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

}  // namespace

void RandomBytes(void* out, size_t size) {
  Must(RAND_bytes(static_cast<unsigned char*>(out), static_cast<int>(size)) == 1, "draw random bytes");
}

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

Secret Secret::Random() {
  Secret secret;
  RandomBytes(secret.bytes_.data(), secret.bytes_.size());
  return secret;
}

Secret Secret::Derive(std::string_view salt, std::string_view purpose) const {
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(Hkdf()), &EVP_KDF_CTX_free);
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<uint8_t*>(bytes_.data()), bytes_.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<char*>(salt.data()), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<char*>(purpose.data()), purpose.size()),
      OSSL_PARAM_construct_end()};
  Secret derived;
  Must(context && EVP_KDF_derive(context.get(), derived.bytes_.data(), derived.bytes_.size(), parameters) == 1,
       "derive a key");
  return derived;
}

Cipher::Cipher(const Secret& key, Direction direction) : context_(EVP_CIPHER_CTX_new()) {
  Must(context_ != nullptr && EVP_CipherInit_ex2(context_.get(), Aes256Gcm(), key.data(), nullptr,
                                                 direction == Direction::kSeal ? 1 : 0, nullptr) == 1,
       "set a key");
}

void Cipher::Seal(std::string_view nonce, const Associated& additional, std::string_view plaintext, std::string* out) {
  EVP_CIPHER_CTX* const context = context_.get();
  const size_t start = out->size();
  out->resize(start + plaintext.size() + kTagSize);
  auto* const to = reinterpret_cast<unsigned char*>(out->data() + start);
  int size = 0;
  bool done = EVP_EncryptInit_ex2(context, nullptr, nullptr, Unsigned(nonce), nullptr) == 1;
  for (const std::string_view part : {additional.first, additional.second}) {
    done = done && EVP_EncryptUpdate(context, nullptr, &size, Unsigned(part), static_cast<int>(part.size())) == 1;
  }
  done = done && EVP_EncryptUpdate(context, to, &size, Unsigned(plaintext), static_cast<int>(plaintext.size())) == 1;
  done = done && EVP_EncryptFinal_ex(context, to + plaintext.size(), &size) == 1;
  done = done && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, int{kTagSize}, to + plaintext.size()) == 1;
  Must(done, "seal a value");
}

bool Cipher::Open(std::string_view nonce, const Associated& additional, std::string_view sealed,
                  std::string* plaintext) {
  if (nonce.size() != kNonceSize || sealed.size() < kTagSize) return false;
  EVP_CIPHER_CTX* const context = context_.get();
  const std::string_view text = sealed.substr(0, sealed.size() - kTagSize);
  const std::string_view tag = sealed.substr(text.size());
  plaintext->resize(text.size());
  auto* const to = reinterpret_cast<unsigned char*>(plaintext->data());
  int size = 0;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, const_cast<char*>(tag.data()), tag.size()),
      OSSL_PARAM_construct_end()};
  bool done = EVP_DecryptInit_ex2(context, nullptr, nullptr, Unsigned(nonce), parameters) == 1;
  for (const std::string_view part : {additional.first, additional.second}) {
    done = done && EVP_DecryptUpdate(context, nullptr, &size, Unsigned(part), static_cast<int>(part.size())) == 1;
  }
  done = done && EVP_DecryptUpdate(context, to, &size, Unsigned(text), static_cast<int>(text.size())) == 1;
  // Nothing of a value that does not authenticate is looked at.
  if (!done || EVP_DecryptFinal_ex(context, to + text.size(), &size) != 1) {
    plaintext->clear();
    ERR_clear_error();
    return false;
  }
  return true;
}

}  // namespace sealift::queue
