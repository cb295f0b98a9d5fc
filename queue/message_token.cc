#include "queue/message_token.h"

#include <openssl/crypto.h>

#include "queue/base32.h"
#include "queue/message_id.h"

namespace sealift::queue {
namespace {

constexpr size_t kIdSize = 26, kMacBytes = 10, kMacSize = 16;  // characters but for kMacBytes
static_assert(kIdSize + kMacSize == MessageTokens::kSize);

std::string_view KeyPurpose(TokenPurpose purpose) {
  return purpose == TokenPurpose::kReturnPath ? "sealift token: return path 1" : "sealift token: unsubscribe 1";
}

}  // namespace

void MessageTokens::SetKeys(const Secret& node, const std::array<uint8_t, 16>& message_id_key) {
  message_id_key_ = message_id_key;
  for (const TokenPurpose purpose : {TokenPurpose::kReturnPath, TokenPurpose::kUnsubscribe}) {
    const Secret key = node.Derive("", KeyPurpose(purpose));
    keyed_[static_cast<size_t>(purpose)].SetKey({key.data(), Secret::kSize});
  }
}

void MessageTokens::AppendMac(TokenPurpose purpose, std::string_view id, std::string* out) const {
  const std::array<uint8_t, 32> digest = keyed_[static_cast<size_t>(purpose)].Of(id);
  AppendBase32(std::string_view(reinterpret_cast<const char*>(digest.data()), kMacBytes), out);
}

void MessageTokens::Append(TokenPurpose purpose, const MessageKey& message, std::string* out) const {
  const size_t begin = out->size();
  AppendMessageId(message_id_key_, message, out);
  out->reserve(begin + kSize);  // what is looked at while more is appended stays where it is
  AppendMac(purpose, std::string_view(*out).substr(begin), out);
}

std::string MessageTokens::Encode(TokenPurpose purpose, const MessageKey& message) const {
  std::string token;
  Append(purpose, message, &token);
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
