#include "queue/message_id.h"

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "queue/base32.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

constexpr size_t kBlock = 16, kText = 26;

// One block, so that ECB is the plain permutation; see sealing.cc on errors of OpenSSL.
std::string Permute(const std::array<uint8_t, kBlock>& key, std::string_view block, bool forward) {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr);
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                &EVP_CIPHER_CTX_free);
  std::string out(kBlock, '\0');
  int size = 0;
  const bool done = cipher != nullptr && context != nullptr &&
                    EVP_CipherInit_ex2(context.get(), cipher, key.data(), nullptr, forward ? 1 : 0, nullptr) == 1 &&
                    EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
                    EVP_CipherUpdate(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                                     reinterpret_cast<const unsigned char*>(block.data()), int{kBlock}) == 1 &&
                    size == int{kBlock};
  if (!done) {
    std::fputs("OpenSSL cannot encrypt a message id\n", stderr);
    std::abort();
  }
  return out;
}

}  // namespace

std::string EncodeMessageId(const std::array<uint8_t, 16>& key, const MessageKey& message) {
  std::string block;
  PutFixed32(static_cast<uint32_t>(message.lane.campaign), &block);
  PutFixed64(static_cast<uint64_t>(message.lane.destination), &block);
  PutFixed32(static_cast<uint32_t>(message.row), &block);
  block = Permute(key, block, true);

  std::string text;
  text.reserve(kText);
  AppendBase32(block, &text);
  return text;
}

std::optional<MessageKey> DecodeMessageId(const std::array<uint8_t, 16>& key, std::string_view text) {
  if (text.size() != kText) return std::nullopt;
  std::string block;
  uint32_t bits = 0;
  int held = 0;
  for (const char letter : text) {
    const size_t value = kBase32Alphabet.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 5 | static_cast<uint32_t>(value);
    held += 5;
    if (held >= 8) {
      held -= 8;
      block.push_back(static_cast<char>(bits >> held));
    }
  }
  // One id has one spelling: the bits beyond 128 are zero.
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  block = Permute(key, block, false);
  MessageKey message;
  message.lane.campaign = CampaignId{Fixed32(block.data())};
  message.lane.destination = DestinationId{Fixed64(block.data() + 4)};
  message.row = RowId{Fixed32(block.data() + 12)};
  return message;
}

}  // namespace sealift::queue
