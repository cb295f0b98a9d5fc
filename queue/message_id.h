#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "queue/types.h"

namespace sealift::queue {

// The local part of a Message-ID: campaign, destination and row (128 bits) through one AES-128 block under a key of the
// node, in base32 (RFC 4648, lower case): 26 characters. A message is found from its id without an index, and the id
// tells nobody else which campaign, how many recipients or which row.
//
// Threads: any.
void AppendMessageId(const std::array<uint8_t, 16>& key, const MessageKey& message, std::string* out);
std::string EncodeMessageId(const std::array<uint8_t, 16>& key, const MessageKey& message);

// Nothing: not of this form. An id of another node decodes to a message that nobody has.
std::optional<MessageKey> DecodeMessageId(const std::array<uint8_t, 16>& key, std::string_view text);

}  // namespace sealift::queue
