#include "engine/message/rsa_multi_buffer.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <string>
#include <vector>

#include "engine/message/dkim_canonical.h"

namespace sealift::engine {
namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

KeyPtr Generated(size_t bits) { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits), &EVP_PKEY_free}; }

std::string SignedByOpenSsl(EVP_PKEY* key, const Sha256& hash) {
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr);
  std::string signature(static_cast<size_t>(EVP_PKEY_get_size(key)), '\0');
  size_t size = signature.size();
  EXPECT_EQ(EVP_PKEY_sign_init(context), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()), 1);
  EXPECT_EQ(EVP_PKEY_sign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, hash.data(), hash.size()),
            1);
  EVP_PKEY_CTX_free(context);
  return signature;
}

// The same key with `change` made to one of its numbers.
template <typename Change>
KeyPtr Changed(const EVP_PKEY* key, const std::string& name, Change change) {
  OSSL_PARAM_BLD* const build = OSSL_PARAM_BLD_new();
  std::vector<BIGNUM*> numbers;
  for (const char* const element :
       {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
        OSSL_PKEY_PARAM_RSA_COEFFICIENT1}) {
    BIGNUM* number = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key, element, &number), 1) << element;
    if (element == name) change(number);
    EXPECT_EQ(OSSL_PARAM_BLD_push_BN(build, element, number), 1);
    numbers.push_back(number);
  }
  OSSL_PARAM* const parameters = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* changed = nullptr;
  EXPECT_EQ(EVP_PKEY_fromdata_init(context), 1);
  EXPECT_EQ(EVP_PKEY_fromdata(context, &changed, EVP_PKEY_KEYPAIR, parameters), 1);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(build);
  for (BIGNUM* const number : numbers) BN_free(number);
  return {changed, &EVP_PKEY_free};
}

class RsaMultiBufferTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (RsaMultiBuffer::Of(*key_) == nullptr) GTEST_SKIP() << "this processor has no AVX-512 IFMA";
  }

  const KeyPtr key_ = Generated(2048);
};

TEST_F(RsaMultiBufferTest, EverySignatureIsTheOneThatOpenSslMakes) {
  for (int round = 0; round < 4; ++round) {
    const KeyPtr key = Generated(2048);
    const std::shared_ptr<const RsaMultiBuffer> together = RsaMultiBuffer::Of(*key);
    ASSERT_NE(together, nullptr);
    for (size_t count = 1; count <= RsaMultiBuffer::kTogether; ++count) {
      std::vector<Sha256> hashes(count);
      for (size_t i = 0; i < count; ++i) hashes[i] = HashOf(std::to_string((100 * count) + i));
      std::vector<std::string> signatures(count, "of before");
      together->Sign(hashes, absl::MakeSpan(signatures));
      for (size_t i = 0; i < count; ++i) EXPECT_EQ(signatures[i], SignedByOpenSsl(key.get(), hashes[i])) << i;
    }
  }
}

TEST_F(RsaMultiBufferTest, AHashOfNothingButZerosOrOnesIsSigned) {
  Sha256 zeros{}, ones;
  ones.fill(0xff);
  std::vector<std::string> signatures(2);
  RsaMultiBuffer::Of(*key_)->Sign({zeros, ones}, absl::MakeSpan(signatures));
  EXPECT_EQ(signatures[0], SignedByOpenSsl(key_.get(), zeros));
  EXPECT_EQ(signatures[1], SignedByOpenSsl(key_.get(), ones));
}

// With one half of the arithmetic wrong, a signature would tell a prime of the key (Boneh, DeMillo, Lipton 1997).
TEST_F(RsaMultiBufferTest, AFaultIsFoundBeforeASignatureLeaves) {
  const auto flip = [](BIGNUM* number) {
    if (BN_is_bit_set(number, 100) == 1) {
      BN_clear_bit(number, 100);
    } else {
      BN_set_bit(number, 100);
    }
  };
  for (const char* const name : {OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
                                 OSSL_PKEY_PARAM_RSA_COEFFICIENT1, OSSL_PKEY_PARAM_RSA_FACTOR1}) {
    EXPECT_EQ(RsaMultiBuffer::Of(*Changed(key_.get(), name, flip)), nullptr) << name;
  }
  EXPECT_NE(RsaMultiBuffer::Of(*Changed(key_.get(), "none", flip)), nullptr);
}

TEST_F(RsaMultiBufferTest, KeysOfAnotherShapeAreOpenSslsAlone) {
  EXPECT_EQ(RsaMultiBuffer::Of(*Generated(1024)), nullptr);
  EXPECT_EQ(RsaMultiBuffer::Of(*Generated(3072)), nullptr);
  EXPECT_EQ(RsaMultiBuffer::Of(*KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free)), nullptr);

  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  BIGNUM* const three = BN_new();
  BN_set_word(three, 3);
  EVP_PKEY* key = nullptr;
  ASSERT_EQ(EVP_PKEY_keygen_init(context), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, three), 1);
  ASSERT_EQ(EVP_PKEY_generate(context, &key), 1);
  EXPECT_EQ(RsaMultiBuffer::Of(*KeyPtr(key, &EVP_PKEY_free)), nullptr);
  BN_free(three);
  EVP_PKEY_CTX_free(context);
}

}  // namespace
}  // namespace sealift::engine
