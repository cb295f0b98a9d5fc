#include "tls/version.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

namespace sealift::tls {

absl::StatusOr<int> ParseVersion(std::string_view version) {
  if (version == "1.0") return TLS1_VERSION;
  if (version == "1.1") return TLS1_1_VERSION;
  if (version == "1.2") return TLS1_2_VERSION;
  if (version == "1.3") return TLS1_3_VERSION;
  return absl::InvalidArgumentError(fmt::format("'{}' is no version of TLS; write \"1.2\" or \"1.3\"", version));
}

}  // namespace sealift::tls
