#include "engine/message/ed25519_key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

namespace sealift::engine {

std::shared_ptr<const Ed25519Key> Ed25519Key::Of(const evp_pkey_st& key) {
  if (EVP_PKEY_get_base_id(&key) != EVP_PKEY_ED25519) return nullptr;
  if (EVP_default_properties_is_fips_enabled(nullptr) == 1 || sodium_init() < 0) return nullptr;
  std::array<uint8_t, crypto_sign_ed25519_SEEDBYTES> seed{};
  size_t size = seed.size();
  if (EVP_PKEY_get_raw_private_key(&key, seed.data(), &size) != 1 || size != seed.size()) {
    ERR_clear_error();
    return nullptr;
  }
  const std::shared_ptr<Ed25519Key> made(new Ed25519Key);
  static_assert(sizeof(made->seed_and_public_) == crypto_sign_ed25519_SECRETKEYBYTES);
  // The public half is computed, never taken from elsewhere: two signatures under different ones would give the key
  // away.
  std::array<uint8_t, crypto_sign_ed25519_PUBLICKEYBYTES> public_half{};
  const bool computed =
      crypto_sign_ed25519_seed_keypair(public_half.data(), made->seed_and_public_.data(), seed.data()) == 0;
  OPENSSL_cleanse(seed.data(), seed.size());
  return computed ? made : nullptr;
}

std::string Ed25519Key::Sign(const Sha256& hash) const {
  std::string signature(crypto_sign_ed25519_BYTES, '\0');
  crypto_sign_ed25519_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr, hash.data(), hash.size(),
                               seed_and_public_.data());
  return signature;
}

Ed25519Key::~Ed25519Key() { OPENSSL_cleanse(seed_and_public_.data(), seed_and_public_.size()); }

}  // namespace sealift::engine
