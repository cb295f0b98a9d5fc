#include "queue/message_id.h"

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>

#include "queue/base32.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

constexpr size_t kBlock = 16, kText = 26;

using Block = std::array<uint8_t, kBlock>;

[[noreturn]] void Fail() {
  std::fputs("OpenSSL cannot encrypt a message id\n", stderr);
  std::abort();
}

void PutNumber(uint64_t number, std::span<uint8_t> bytes) {
  for (size_t i = bytes.size(); i-- > 0; number >>= 8) bytes[i] = static_cast<uint8_t>(number);
}

// One direction of the cipher under the key that it was asked for last: making that ready costs far more than a block.
class Cipher {
 public:
  explicit Cipher(bool forward) : forward_(forward) {
    if (context_ == nullptr) Fail();
  }

  // One block, so that ECB is the plain permutation; see sealing.cc on errors of OpenSSL.
  Block Permute(const std::array<uint8_t, 16>& key, const Block& block) {
    if (key_ != key) SetKey(key);
    Block out;
    int size = 0;
    if (EVP_CipherUpdate(context_.get(), out.data(), &size, block.data(), int{kBlock}) != 1 || size != int{kBlock}) {
      Fail();
    }
    return out;
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  void SetKey(const std::array<uint8_t, 16>& key) {
    static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr);
    if (cipher == nullptr ||
        EVP_CipherInit_ex2(context_.get(), cipher, key.data(), nullptr, forward_ ? 1 : 0, nullptr) != 1 ||
        EVP_CIPHER_CTX_set_padding(context_.get(), 0) != 1) {
      Fail();
    }
    key_ = key;
  }

  const bool forward_;
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_{EVP_CIPHER_CTX_new()};
  std::optional<std::array<uint8_t, 16>> key_;
};

}  // namespace

void AppendMessageId(const std::array<uint8_t, 16>& key, const MessageKey& message, std::string* out) {
  static thread_local Cipher cipher(true);
  Block block;
  PutNumber(static_cast<uint32_t>(message.lane.campaign), std::span(block).first<4>());
  PutNumber(static_cast<uint64_t>(message.lane.destination), std::span(block).subspan<4, 8>());
  PutNumber(static_cast<uint32_t>(message.row), std::span(block).last<4>());
  block = cipher.Permute(key, block);
  AppendBase32(std::string_view(reinterpret_cast<const char*>(block.data()), block.size()), out);
}

std::string EncodeMessageId(const std::array<uint8_t, 16>& key, const MessageKey& message) {
  std::string text;
  text.reserve(kText);
  AppendMessageId(key, message, &text);
  return text;
}

std::optional<MessageKey> DecodeMessageId(const std::array<uint8_t, 16>& key, std::string_view text) {
  if (text.size() != kText) return std::nullopt;
  static thread_local Cipher cipher(false);
  Block block;
  size_t filled = 0;
  uint32_t bits = 0;
  int held = 0;
  for (const char letter : text) {
    const size_t value = kBase32Alphabet.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 5 | static_cast<uint32_t>(value);
    held += 5;
    if (held >= 8) {
      held -= 8;
      block[filled++] = static_cast<uint8_t>(bits >> held);
    }
  }
  // One id has one spelling: the bits beyond 128 are zero.
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  block = cipher.Permute(key, block);
  const char* const plain = reinterpret_cast<const char*>(block.data());
  MessageKey message;
  message.lane.campaign = CampaignId{Fixed32(plain)};
  message.lane.destination = DestinationId{Fixed64(plain + 4)};
  message.row = RowId{Fixed32(plain + 12)};
  return message;
}

}  // namespace sealift::queue
