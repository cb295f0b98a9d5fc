#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sealift::engine {

inline constexpr size_t kRedactedBytesMax = 1024;

// A server's reply as it may be stored, logged and shown: every address is replaced by `<redacted>`, whatever surrounds
// it (angle brackets, quotes, a return path that carries the recipient), and so is the local part of `recipient`, which
// servers also repeat alone ("user jane.doe unknown") or within a word of theirs ("id-17jane.doe"). Control characters
// and 8-bit bytes become '?'; the result is at most `kRedactedBytesMax` long and ends in "..." when something was cut.
//
// Errs on the side of hiding: any word with an at sign goes.
std::string RedactReply(std::string_view reply, std::string_view recipient = {});

}  // namespace sealift::engine
