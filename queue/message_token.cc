#include "queue/message_token.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <cstdio>
#include <cstdlib>

#include "queue/base32.h"
#include "queue/message_id.h"

namespace sealift::queue {
namespace {

constexpr size_t kIdSize = 26, kMacBytes = 10, kMacSize = 16;  // characters but for kMacBytes
static_assert(kIdSize + kMacSize == MessageTokens::kSize);
constexpr size_t kDigestBytes = 32;

// See sealing.cc on errors of OpenSSL.
[[noreturn]] void Fail() {
  std::fputs("OpenSSL cannot authenticate a token\n", stderr);
  std::abort();
}

std::string_view KeyPurpose(TokenPurpose purpose) {
  return purpose == TokenPurpose::kReturnPath ? "sealift token: return path 1" : "sealift token: unsubscribe 1";
}

}  // namespace

void MessageTokens::SetKeys(const Secret& node, const std::array<uint8_t, 16>& message_id_key) {
  message_id_key_ = message_id_key;
  EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  for (const TokenPurpose purpose : {TokenPurpose::kReturnPath, TokenPurpose::kUnsubscribe}) {
    const Secret key = node.Derive("", KeyPurpose(purpose));
    Mac keyed(EVP_MAC_CTX_new(hmac));
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                     OSSL_PARAM_construct_end()};
    if (keyed == nullptr || EVP_MAC_init(keyed.get(), key.data(), Secret::kSize, parameters) != 1) Fail();
    keyed_[static_cast<size_t>(purpose)] = std::move(keyed);
  }
  EVP_MAC_free(hmac);
}

void MessageTokens::AppendMac(TokenPurpose purpose, std::string_view id, std::string* out) const {
  const Mac mac(EVP_MAC_CTX_dup(keyed_[static_cast<size_t>(purpose)].get()));
  std::array<unsigned char, kDigestBytes> digest;
  size_t size = 0;
  if (mac == nullptr || EVP_MAC_update(mac.get(), reinterpret_cast<const unsigned char*>(id.data()), id.size()) != 1 ||
      EVP_MAC_final(mac.get(), digest.data(), &size, digest.size()) != 1 || size != digest.size()) {
    Fail();
  }
  AppendBase32(std::string_view(reinterpret_cast<const char*>(digest.data()), kMacBytes), out);
}

std::string MessageTokens::Encode(TokenPurpose purpose, const MessageKey& message) const {
  const std::string id = EncodeMessageId(message_id_key_, message);
  std::string token;
  token.reserve(kSize);
  token += id;
  AppendMac(purpose, id, &token);
  return token;
}

std::optional<MessageKey> MessageTokens::Decode(TokenPurpose purpose, std::string_view text) const {
  if (text.size() != kSize) return std::nullopt;
  std::string folded(text);
  for (char& letter : folded) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  const std::string_view id = std::string_view(folded).substr(0, kIdSize);
  std::string expected;
  expected.reserve(kMacSize);
  AppendMac(purpose, id, &expected);
  if (CRYPTO_memcmp(expected.data(), folded.data() + kIdSize, kMacSize) != 0) return std::nullopt;
  return DecodeMessageId(message_id_key_, id);
}

}  // namespace sealift::queue
