#pragma once

#include "absl/status/status.h"

namespace sealift::engine {

// Why io_uring_setup failed with `error` (an errno), and what to do about it. `disabled` is what
// kernel.io_uring_disabled reads (0, 1 or 2), or -1 where the kernel does not have it.
absl::Status ExplainRefusal(int error, int disabled);

// Reads kernel.io_uring_disabled for it.
int IoUringDisabled();

}  // namespace sealift::engine
