#include "engine/message/dkim_key.h"

#include <absl/strings/escaping.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "engine/message/dkim_canonical.h"
#include "tests/engine/message/dkim_keys.h"

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string WhyNot(std::string_view pem) {
  const absl::StatusOr<DkimKey> key = DkimKey::Parse(pem);
  return key.ok() ? "parsed" : std::string(key.status().message());
}

TEST(DkimKeyTest, TheKeysOfRfc8463HaveTheirPublishedHalves) {
  EXPECT_EQ(ParsedKey(kRfc8463Ed25519).public_key(), "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  EXPECT_EQ(ParsedKey(kRfc8463Rsa).public_key(),
            "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/"
            "byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/"
            "K4w3QIDAQAB");
  EXPECT_EQ(ParsedKey(kRfc8463Rsa).bits(), 1024);
  EXPECT_EQ(ToString(ParsedKey(kRfc8463Ed25519).algorithm()), "ed25519-sha256");
}

TEST(DkimKeyTest, AGeneratedKeyIsReadBackAndSignsTheSame) {
  for (const DkimAlgorithm algorithm : {DkimAlgorithm::kRsaSha256, DkimAlgorithm::kEd25519Sha256}) {
    const absl::StatusOr<DkimKey> key = DkimKey::Generate(algorithm);
    ASSERT_TRUE(key.ok()) << key.status();
    const absl::StatusOr<std::string> pem = key->ToPem();
    ASSERT_TRUE(pem.ok()) << pem.status();
    EXPECT_THAT(*pem, StartsWith("-----BEGIN PRIVATE KEY-----"));
    const DkimKey again = ParsedKey(*pem);
    EXPECT_EQ(again.algorithm(), algorithm);
    EXPECT_EQ(again.public_key(), key->public_key());
    const Sha256 hash = HashOf("text");
    EXPECT_EQ(*again.Sign(hash), *key->Sign(hash));
    EXPECT_EQ(*key->Sign(hash), *key->Sign(hash));
    EXPECT_NE(*key->Sign(hash), *key->Sign(HashOf("other")));
  }
}

TEST(DkimKeyTest, WhatIsNoUsableKeyIsRefusedWithTheReason) {
  EXPECT_THAT(WhyNot(""), HasSubstr("no private key in PEM"));
  EXPECT_THAT(WhyNot("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                     "-----END PUBLIC KEY-----\n"),
              HasSubstr("no private key in PEM"));
  std::string damaged(kRfc8463Rsa);
  damaged.replace(damaged.find("MIICXQIBAAKBgQDkHlOQ"), 20, "MIICXQIBAAKBgQDkHlOR");
  EXPECT_THAT(WhyNot(damaged), HasSubstr("damaged"));

  EVP_PKEY* const curve = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  BIO* bio = BIO_new(BIO_s_mem());
  ASSERT_EQ(PEM_write_bio_PrivateKey(bio, curve, nullptr, nullptr, 0, nullptr, nullptr), 1);
  char* bytes = nullptr;
  long size = BIO_get_mem_data(bio, &bytes);
  EXPECT_THAT(WhyNot({bytes, static_cast<size_t>(size)}), HasSubstr("neither RSA nor Ed25519"));
  BIO_free(bio);

  bio = BIO_new(BIO_s_mem());
  ASSERT_EQ(PEM_write_bio_PrivateKey(bio, curve, EVP_aes_256_cbc(), reinterpret_cast<const unsigned char*>("secret"), 6,
                                     nullptr, nullptr),
            1);
  size = BIO_get_mem_data(bio, &bytes);
  EXPECT_THAT(WhyNot({bytes, static_cast<size_t>(size)}), HasSubstr("passphrase"));
  BIO_free(bio);
  EVP_PKEY_free(curve);
}

}  // namespace
}  // namespace sealift::engine
