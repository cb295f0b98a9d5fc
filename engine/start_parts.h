#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/options.h"
#include "engine/signing_keys.h"
#include "tls/client_context.h"

namespace sealift::engine {

// StartParts is what the machine must have of what a configuration names, but for the key of the queue: a start, a
// reload and whatever only checks a configuration take it, so that none says of it what another does not.
struct StartParts {
  std::shared_ptr<const Options> options;  // its pools without the sources that are unavailable
  std::shared_ptr<const SigningKeys> signing_keys;
  std::shared_ptr<tls::ClientContext> tls;
  // Sources whose address this machine does not have. In live mode mail leaves from its source's own address or not at
  // all; in sink mode it makes no difference, and none is.
  std::vector<std::string> unavailable;

  // Blocks on the disk. Errors: a sentence that says what, where, why and what to do next, exit 78.
  static absl::StatusOr<StartParts> Of(const Options& options);
};

absl::StatusOr<std::shared_ptr<tls::ClientContext>> MakeTlsContext(const Options& options);

}  // namespace sealift::engine
