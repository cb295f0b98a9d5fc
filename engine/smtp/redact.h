#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sealift::engine {

inline constexpr size_t kRedactedBytesMax = 1024;

// A server's reply as it may be stored, logged and shown: every address is replaced by `<redacted>`, whatever surrounds
// it (angle brackets, quotes, a return path that carries the recipient), and so is the local part of `recipient`, which
// servers also repeat alone ("user jane.doe unknown"), within a word of theirs ("id-17jane.doe"), without its dots,
// broken over two lines, or in hexadecimal or base64, as links have it. What else the server knows of its user, such as
// a name, cannot be told from its other words. Control characters and 8-bit bytes become '?'; the result is at most
// `kRedactedBytesMax` long and ends in "..." when something was cut.
//
// Errs on the side of hiding: any word with an at sign goes.
std::string RedactReply(std::string_view reply, std::string_view recipient = {});

// The same of addresses alone, and of other letters as they are: for what is looked at and never kept.
std::string HideAddresses(std::string_view reply);

}  // namespace sealift::engine
