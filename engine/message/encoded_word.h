#pragma once

#include <string>
#include <string_view>

namespace sealift::engine {

// How header text is written. `column` is where on its line the text begins and, afterwards, ends; lines are folded
// at 76. `text` is UTF-8 without control characters.

// Text as it is, when it is printable ASCII that no reader takes for an encoded word; as RFC 2047 encoded words
// otherwise.
void AppendHeaderText(std::string_view text, size_t& column, std::string& out);

// A display name (RFC 5322 3.4): atoms, a quoted string, or encoded words, whichever it needs.
void AppendDisplayName(std::string_view text, size_t& column, std::string& out);

// ASCII folded at its spaces, otherwise untouched.
void AppendFolded(std::string_view text, size_t& column, std::string& out);

// Encoded words in UTF-8 or US-ASCII replaced by what they say; others, and all else, stay.
std::string DecodeEncodedWords(std::string_view text);

}  // namespace sealift::engine
