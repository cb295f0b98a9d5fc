#include "engine/message/rsa_multi_buffer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

#include "engine/message/rsa_ifma.h"

namespace sealift::engine {

#ifdef __x86_64__

namespace {

using ifma::kDigitBits, ifma::kModulusDigits;
using NumberPtr = std::unique_ptr<BIGNUM, decltype(&BN_clear_free)>;
using ContextPtr = std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)>;

constexpr int kKeyBits = 2048;
constexpr size_t kSignatureBytes = kKeyBits / 8;
constexpr uint64_t kDigitMask = (uint64_t{1} << kDigitBits) - 1;
// A number, the lowest byte first, with room for a whole word at its last digit.
constexpr size_t kNumberBytes = (kModulusDigits * kDigitBits / 8) + sizeof(uint64_t);
using Number = std::array<uint8_t, kNumberBytes>;

// RFC 8017 9.2, notes: the DigestInfo of SHA-256 up to the hash.
constexpr uint8_t kDigestInfo[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

static_assert(std::endian::native == std::endian::little);

uint64_t Digit(const Number& number, size_t i) {
  uint64_t word = 0;
  std::memcpy(&word, number.data() + (i * kDigitBits / 8), sizeof(word));
  return (word >> (i * kDigitBits % 8)) & kDigitMask;
}

void AddDigit(uint64_t digit, size_t i, Number& number) {
  uint64_t word = 0;
  std::memcpy(&word, number.data() + (i * kDigitBits / 8), sizeof(word));
  word |= digit << (i * kDigitBits % 8);
  std::memcpy(number.data() + (i * kDigitBits / 8), &word, sizeof(word));
}

NumberPtr NewNumber() { return {BN_secure_new(), &BN_clear_free}; }

// An element of the key; zero if it has none.
NumberPtr Element(const EVP_PKEY& key, const char* name) {
  NumberPtr element = NewNumber();
  BIGNUM* into = element.get();
  if (EVP_PKEY_get_bn_param(&key, name, &into) != 1) BN_zero(element.get());
  return element;
}

template <size_t kDigits>
void ToDigits(const BIGNUM& number, uint64_t (&digits)[kDigits]) {
  Number bytes{};
  BN_bn2lebinpad(&number, bytes.data(), kNumberBytes);
  for (size_t i = 0; i < kDigits; ++i) digits[i] = Digit(bytes, i);
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

// factor R^power mod `modulus`, R being 2^(52 kDigits).
template <size_t kDigits>
void ToMontgomery(const BIGNUM& factor, int power, const BIGNUM& modulus, BN_CTX* context,
                  uint64_t (&digits)[kDigits]) {
  const NumberPtr shifted = NewNumber(), rest = NewNumber();
  BN_lshift(shifted.get(), &factor, power * kDigitBits * static_cast<int>(kDigits));
  BN_nnmod(rest.get(), shifted.get(), &modulus, context);
  ToDigits(*rest, digits);
}

template <int kDigits>
void Prepare(const BIGNUM& number, BN_CTX* context, ifma::Modulus<kDigits>& modulus) {
  ToDigits(number, modulus.digits);
  ToMontgomery(*BN_value_one(), 2, number, context, modulus.square);
  uint64_t inverse = 1;  // by Newton: each round doubles the bits that are right
  for (int bits = 1; bits < kDigitBits; bits *= 2) inverse *= 2 - (modulus.digits[0] * inverse);
  modulus.factor = -inverse & kDigitMask;
}

void Prepare(const BIGNUM& number, const BIGNUM& exponent, BN_CTX* context, ifma::Prime& prime) {
  Prepare(number, context, prime.modulus);
  ToMontgomery(*BN_value_one(), 3, number, context, prime.cube);
  Number bytes{};
  BN_bn2lebinpad(&exponent, bytes.data(), kNumberBytes);
  for (size_t i = 0; i < ifma::kWindows; ++i) {
    const size_t low_bit = (ifma::kWindows - 1 - i) * ifma::kWindowBits;
    prime.windows[i] = static_cast<uint8_t>((bytes[low_bit / 8] >> (low_bit % 8)) & (ifma::kPowers - 1));
  }
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

// EMSA-PKCS1-v1_5 (RFC 8017 9.2) of a hash.
Number Encoded(const Sha256& hash) {
  std::array<uint8_t, kSignatureBytes> message;
  message.fill(0xff);
  message[0] = 0;
  message[1] = 1;
  const auto info = message.end() - hash.size() - sizeof(kDigestInfo);
  *(info - 1) = 0;
  std::ranges::copy(hash, std::ranges::copy(kDigestInfo, info).out);
  Number number{};
  std::ranges::reverse_copy(message, number.begin());
  return number;
}

}  // namespace

struct RsaMultiBuffer::Key {
  ~Key() { OPENSSL_cleanse(&numbers, sizeof(numbers)); }
  Key() = default;
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  ifma::PrivateKey numbers;
};

std::shared_ptr<const RsaMultiBuffer> RsaMultiBuffer::Of(const evp_pkey_st& pkey) {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512ifma")) return nullptr;
  if (EVP_default_properties_is_fips_enabled(nullptr) == 1) return nullptr;
  const NumberPtr n = Element(pkey, OSSL_PKEY_PARAM_RSA_N), e = Element(pkey, OSSL_PKEY_PARAM_RSA_E);
  const NumberPtr p = Element(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1), q = Element(pkey, OSSL_PKEY_PARAM_RSA_FACTOR2);
  const NumberPtr more = Element(pkey, OSSL_PKEY_PARAM_RSA_FACTOR3);
  const NumberPtr dp = Element(pkey, OSSL_PKEY_PARAM_RSA_EXPONENT1), dq = Element(pkey, OSSL_PKEY_PARAM_RSA_EXPONENT2);
  const NumberPtr coefficient = Element(pkey, OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
  ERR_clear_error();  // what it lacks
  const auto of_half = [](const NumberPtr& number) { return BN_num_bits(number.get()) <= kKeyBits / 2; };
  const auto is_prime = [](const NumberPtr& number) {
    return BN_num_bits(number.get()) == kKeyBits / 2 && BN_is_odd(number.get()) == 1;
  };
  const bool fits = BN_num_bits(n.get()) == kKeyBits && BN_is_odd(n.get()) == 1 && BN_is_word(e.get(), RSA_F4) == 1 &&
                    is_prime(p) && is_prime(q) && BN_is_zero(more.get()) == 1 && of_half(dp) && of_half(dq) &&
                    of_half(coefficient);
  const ContextPtr context(BN_CTX_secure_new(), &BN_CTX_free);
  if (!fits || context == nullptr) return nullptr;
  auto key = std::make_unique<Key>();
  Prepare(*p, *dp, context.get(), key->numbers.p);
  Prepare(*q, *dq, context.get(), key->numbers.q);
  ToMontgomery(*coefficient, 2, *p, context.get(), key->numbers.coefficient);
  Prepare(*n, context.get(), key->numbers.n);
  std::shared_ptr<const RsaMultiBuffer> made(new RsaMultiBuffer(std::move(key)));
  // A key whose numbers do not belong together would fail each time.
  std::string proof;
  made->Sign({Sha256{}}, {&proof, 1});
  return proof.empty() ? nullptr : made;
}

void RsaMultiBuffer::Sign(absl::Span<const Sha256> hashes, absl::Span<std::string> signatures, Pause pause) const {
  assert(hashes.size() <= kTogether && hashes.size() == signatures.size());
  ifma::Lanes messages[kModulusDigits] = {}, signed_messages[kModulusDigits];
  for (size_t lane = 0; lane < hashes.size(); ++lane) {
    const Number number = Encoded(hashes[lane]);
    for (size_t i = 0; i < kModulusDigits; ++i) messages[i].of[lane] = Digit(number, i);
  }
  ifma::Workspace work;
  const uint8_t verified = ifma::Sign(key_->numbers, messages, signed_messages, work, pause);
  OPENSSL_cleanse(&work, sizeof(work));
  for (size_t lane = 0; lane < hashes.size(); ++lane) {
    signatures[lane].clear();
    if ((verified >> lane & 1) == 0) continue;
    Number number{};
    for (size_t i = 0; i < kModulusDigits; ++i) AddDigit(signed_messages[i].of[lane], i, number);
    signatures[lane].assign(number.rend() - kSignatureBytes, number.rend());
  }
  OPENSSL_cleanse(signed_messages, sizeof(signed_messages));  // a faulty one is as secret
}

#else

struct RsaMultiBuffer::Key {};

std::shared_ptr<const RsaMultiBuffer> RsaMultiBuffer::Of(const evp_pkey_st&) { return nullptr; }

void RsaMultiBuffer::Sign(absl::Span<const Sha256>, absl::Span<std::string>, Pause) const {}

#endif

RsaMultiBuffer::RsaMultiBuffer(std::unique_ptr<Key> key) : key_(std::move(key)) {}

RsaMultiBuffer::~RsaMultiBuffer() = default;

}  // namespace sealift::engine
