#include "queue/sealer.h"

#include <utility>

#include "fmt/format.h"
#include "queue/damage.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

// Key schedules are cheap enough to make again; many campaigns must not add up.
constexpr size_t kCiphersMax = 256;

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<uint8_t>(byte));
  return hex;
}

}  // namespace

absl::StatusOr<Cipher*> Sealer::CipherFor(KeyName name) {
  if (ring_->incarnation() != incarnation_ || ring_->generation() != generation_ || ciphers_.size() >= kCiphersMax) {
    generation_ = ring_->generation();
    incarnation_ = ring_->incarnation();
    ciphers_.clear();
  }
  auto found = ciphers_.find(name);
  if (found == ciphers_.end()) {
    absl::StatusOr<Secret> key = ring_->SealingKey(name, incarnation_);
    if (!key.ok()) return key.status();
    found = ciphers_.emplace(name, Cipher(*key, Cipher::Direction::kSeal)).first;
  }
  return &found->second;
}

absl::Status Sealer::Seal(KeyName name, enum Seal column, std::string_view key, std::string_view plaintext,
                          std::string* out) {
  absl::StatusOr<Cipher*> cipher = CipherFor(name);
  if (!cipher.ok()) return cipher.status();
  PutFixed32(incarnation_, out);
  const size_t nonce = out->size();
  PutFixed32(number_, out);
  PutFixed64(counter_++, out);
  char bytes[Cipher::kNonceSize];
  out->copy(bytes, sizeof(bytes), nonce);
  const char tag = static_cast<char>(column);
  (*cipher)->Seal({bytes, sizeof(bytes)}, {{&tag, 1}, key}, plaintext, out);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Unsealer::Open(KeyName name, enum Seal column, std::string_view key,
                                           std::string_view sealed) {
  const auto damaged = [&] {
    return Damage(
        fmt::format("a sealed value of the queue does not authenticate (column '{}', key {}): it was damaged, moved or "
                    "changed. Nothing was read from it",
                    static_cast<char>(column), Hex(key)));
  };
  if (sealed.size() < kSealedOverhead) return damaged();
  if (ring_->generation() != generation_ || ciphers_.size() >= kCiphersMax) {
    generation_ = ring_->generation();
    ciphers_.clear();
  }
  const uint32_t incarnation = Fixed32(sealed.data());
  auto found = ciphers_.find(std::pair(name, incarnation));
  if (found == ciphers_.end()) {
    absl::StatusOr<Secret> secret = ring_->SealingKey(name, incarnation);
    if (!secret.ok()) return secret.status();
    found = ciphers_.emplace(std::pair(name, incarnation), Cipher(*secret, Cipher::Direction::kOpen)).first;
  }
  const char tag = static_cast<char>(column);
  std::string plaintext;
  if (!found->second.Open(sealed.substr(4, Cipher::kNonceSize), {{&tag, 1}, key}, sealed.substr(4 + Cipher::kNonceSize),
                          &plaintext)) {
    return damaged();
  }
  return plaintext;
}

}  // namespace sealift::queue
