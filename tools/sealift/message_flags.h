#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tools/sealift/command.h"

namespace sealift::tools {

// How a command is told the message of a campaign: --template FILE, or --from, --subject, --text FILE, --html FILE and
// --attach FILE, of which an .eml is made here.

// Whether any of them was given.
bool HasMessage(const Invocation& call);

// The .eml. Errors: exit 64 when what was given is no message, or two; 65, 66 and 74 of its files.
absl::StatusOr<std::string> MessageOf(const Invocation& call);

}  // namespace sealift::tools
