#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "queue/hmac_sha256.h"
#include "queue/sealing.h"
#include "queue/types.h"

namespace sealift::queue {

// MessageTokens makes names of messages that lead back to a row and that nobody can make without the node's key.
//
// A Message-ID alone is no proof: it is one block of a cipher, so any 26 characters are some message's. A token is the
// Message-ID's 26 characters and behind them 80 bits of HMAC-SHA256 over these (RFC 2104; truncated as section 5 there
// allows). A forger can only try tokens against the node, one in 2^80 of which would pass. It is made of lower-case
// letters and digits, and read in any case, for mail systems fold the case of local parts; with a prefix of two it
// stays within the 64 bytes that a local part may have (RFC 5321 4.5.3.1.1). Each purpose has a key of its own: a token
// of one is none of another.
//
// The keys follow from the node's: a token is good for as long as the node has its data directory, a restored one
// included.
//
// Owned by:  KeyRing.
// Threads:   any, once it has its keys.
// Cost:      about half a microsecond each.
class MessageTokens {
 public:
  static constexpr size_t kSize = 42;

  // `message_id_key`: that of EncodeMessageId.
  void SetKeys(const Secret& node, const std::array<uint8_t, 16>& message_id_key);

  void Append(TokenPurpose purpose, const MessageKey& message, std::string* out) const;
  std::string Encode(TokenPurpose purpose, const MessageKey& message) const;

  // Nothing: not a token of this node for this purpose. What is compared takes the same time whatever it differs in.
  std::optional<MessageKey> Decode(TokenPurpose purpose, std::string_view text) const;

 private:
  void AppendMac(TokenPurpose purpose, std::string_view id, std::string* out) const;

  std::array<uint8_t, 16> message_id_key_{};
  std::array<HmacSha256, 2> keyed_;  // by purpose
};

}  // namespace sealift::queue
