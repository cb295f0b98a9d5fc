#include "engine/message/ed25519_key.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "engine/message/dkim_canonical.h"

namespace sealift::engine {
namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::string SignedByOpenSsl(EVP_PKEY* key, const Sha256& hash) {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  std::string signature(64, '\0');
  size_t size = signature.size();
  EXPECT_EQ(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key), 1);
  EXPECT_EQ(
      EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, hash.data(), hash.size()), 1);
  EVP_MD_CTX_free(context);
  return signature;
}

TEST(Ed25519KeyTest, EverySignatureIsTheOneThatOpenSslMakes) {
  for (int round = 0; round < 20; ++round) {
    const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
    const std::shared_ptr<const Ed25519Key> signer = Ed25519Key::Of(*key);
    ASSERT_NE(signer, nullptr);
    Sha256 ones;
    ones.fill(0xff);
    for (const Sha256& hash : {Sha256{}, ones, HashOf(std::to_string(round))}) {
      EXPECT_EQ(signer->Sign(hash), SignedByOpenSsl(key.get(), hash));
    }
  }
}

TEST(Ed25519KeyTest, AKeyWithoutItsPrivateHalfOrOfAnotherKindIsNotTaken) {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
  std::string raw(32, '\0');
  size_t size = raw.size();
  auto* const bytes = reinterpret_cast<unsigned char*>(raw.data());
  ASSERT_EQ(EVP_PKEY_get_raw_public_key(key.get(), bytes, &size), 1);
  const KeyPtr half(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes, size), &EVP_PKEY_free);
  EXPECT_EQ(Ed25519Key::Of(*half), nullptr);
  const KeyPtr rsa(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048}), &EVP_PKEY_free);
  EXPECT_EQ(Ed25519Key::Of(*rsa), nullptr);
}

}  // namespace
}  // namespace sealift::engine
