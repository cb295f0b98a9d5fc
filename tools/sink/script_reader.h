// From a TOML text to a Script. docs: `sealift-sink --help-script` prints kScriptReference, which a test reads back.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tools/sink/script.h"

namespace sealift::tools::sink {

// Reads and checks a whole script. `origin` is what errors call it.
// Errors: InvalidArgument: "file:line:column: what is wrong; what to do".
absl::StatusOr<Script> ReadScript(std::string_view text, const std::string& origin);

// ReadScript of a file. Errors: NotFound or PermissionDenied besides.
absl::StatusOr<Script> ReadScriptFile(const std::string& path);

// Every key with its default and meaning; itself a script that reads without error.
extern const std::string_view kScriptReference;

// Sixty .test domains, most of them well-behaved, and one of each kind of trouble that a sender meets every day.
extern const std::string_view kDemoScript;

// One server that takes everything for everyone, in clear and under TLS.
extern const std::string_view kCatchAllScript;

}  // namespace sealift::tools::sink
