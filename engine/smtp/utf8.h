#pragma once

#include <cstddef>
#include <string_view>

namespace sealift::engine {

// Only bytes below 0x80.
bool IsAscii(std::string_view text);

// Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing over U+10FFFF.
bool IsUtf8(std::string_view text);

// A C0 or C1 control character, DEL or tab: none may stand in a header. `text` is UTF-8.
bool HasControl(std::string_view text);

// The bytes of the character that begins at `at`, in text that is UTF-8.
size_t CharacterSize(std::string_view text, size_t at);

// ASCII letters only; everything else is left alone.
constexpr char LowerCase(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool EqualsIgnoreCase(std::string_view a, std::string_view b);

// Without spaces, tabs and line ends at both ends.
std::string_view Trimmed(std::string_view text);

}  // namespace sealift::engine
