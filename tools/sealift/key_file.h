#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sealift::tools {

// Writes a key into a new file of mode 0600, synced. Errors: exit 73 when a file is there or none can be made.
absl::Status WriteNewFile(const std::string& path, std::string_view key);

// Writes 32 random bytes into a new file of mode 0600, synced. Errors: exit 73 when a file is there or none can be
// made.
absl::Status WriteNewKey(const std::string& path);

}  // namespace sealift::tools
