#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace sealift::queue {

// What is stored is not what was written. `what` is a sentence without its end; the next says what to do.
inline absl::Status Damage(std::string_view what) {
  return absl::DataLossError(
      fmt::format("{}. Stop sealiftd and move its data directory away: a backup is restored into an empty one. "
                  "`sealift backup list` shows them, `sealift backup restore FILE` does it",
                  what));
}

}  // namespace sealift::queue
