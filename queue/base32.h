#pragma once

#include <string>
#include <string_view>

namespace sealift::queue {

// RFC 4648 6 in lower case and without padding: a name in letters and digits that survives whatever folds its case.
inline constexpr std::string_view kBase32Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

void AppendBase32(std::string_view bytes, std::string* out);

}  // namespace sealift::queue
