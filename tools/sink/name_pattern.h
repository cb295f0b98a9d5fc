// The two small pattern languages of a script.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sealift::tools::sink {

// "d{1..60}.test" becomes d1.test to d60.test, "d{01..60}.test" d01.test to d60.test; a name without braces becomes
// itself.
// Errors: InvalidArgument for a range that is open, backwards or of more than `count_max` names.
absl::StatusOr<std::vector<std::string>> ExpandNames(std::string_view pattern, size_t count_max);

// Whether `text` is of the form `glob`, in which * stands for any run of bytes and ? for one. Linear in their product.
bool GlobMatches(std::string_view glob, std::string_view text);

}  // namespace sealift::tools::sink
