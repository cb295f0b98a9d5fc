#pragma once

#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "tools/sealift/command.h"
#include "tools/sealift/daemon_client.h"

namespace sealift::tools {

// The filter of a queue command, as its flags say it: for a request's query, or as members of its body.
// Errors: exit 64 without a filter.
absl::StatusOr<DaemonClient::Parameters> FilterQuery(const Invocation& call);
absl::StatusOr<nlohmann::json> FilterBody(const Invocation& call);

}  // namespace sealift::tools
