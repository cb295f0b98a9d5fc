#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tools/sealift/command.h"

namespace sealift::tools {

// What a command does without --yes where nobody can be asked.
enum class Unasked { kRefuse, kGoOn };

// Whether to do it: with --yes, or when the person at the terminal says so. `would` says what would happen, in a
// sentence without its full stop; `question` ends in a question mark.
// Errors: exit 64 when there is nobody to ask.
absl::StatusOr<bool> Confirmed(const Invocation& call, Console& console, const std::string& would,
                               const std::string& question, Unasked unasked = Unasked::kRefuse);

}  // namespace sealift::tools
