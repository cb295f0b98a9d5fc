#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "engine/config_file.h"
#include "tools/sealift/command.h"

namespace sealift::tools {

// The configuration that a command names, read without a daemon. It may have mistakes: Refused says them. Errors: exit
// 66 when there is none.
absl::StatusOr<engine::Config> ReadConfig(const Invocation& call);

// Every mistake of it, exit 78.
absl::Status Refused(const engine::Config& config, const std::string& path);

}  // namespace sealift::tools
