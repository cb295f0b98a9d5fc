#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/sealift/command.h"

namespace sealift::tools {

// Reads a command line (without the program's name) against the command tree.
//
// Errors: exit 64, with the nearest name there is for one that there is not. When `format_hint` is given, it is set as
// soon as -o is understood, so that an error too is printed in the format asked for.
absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments, Format* format_hint = nullptr);

// The candidate nearest to a mistyped word, or "".
std::string NearestName(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace sealift::tools
