#pragma once

#include <string>
#include <string_view>

namespace sealift::engine {

// Base64 as a part's body has it: lines of 76 characters (RFC 2045 6.8), LF between them and none at the end.
std::string Base64Lines(std::string_view bytes);

// False when it is none. White space is passed over.
bool DecodeBase64(std::string_view text, std::string& decoded);

}  // namespace sealift::engine
