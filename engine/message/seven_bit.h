#pragma once

#include <string_view>

namespace sealift::engine {

// Text with LF line ends, of which one is over 998 bytes (RFC 5322 2.1.1).
bool HasLongLine(std::string_view text);

// Text with LF line ends that any server takes as it is: ASCII, no line over 998 bytes.
bool IsSevenBit(std::string_view text);

}  // namespace sealift::engine
