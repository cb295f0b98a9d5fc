#pragma once

#include <string_view>

#include "absl/status/statusor.h"

namespace sealift::tls {

// OpenSSL's number for a protocol version as it is written in a configuration: "1.0" to "1.3". InvalidArgument for
// another.
absl::StatusOr<int> ParseVersion(std::string_view version);

}  // namespace sealift::tls
