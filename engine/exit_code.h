#pragma once

#include <optional>

#include "absl/status/status.h"

namespace sealift::engine {

// ExitCode is what a command tells its shell, in the numbers of sysexits.h where that has one.
enum class ExitCode : int {
  kOk = 0,
  kPartly = 3,  // some rows were rejected, the rest was done
  kUsage = 64,
  kBadData = 65,
  kNoInput = 66,
  kNotRunning = 69,
  kInternal = 70,
  kCannotCreate = 73,
  kIo = 74,
  kTryLater = 75,
  kDenied = 77,
  kConfig = 78,
  kInterrupted = 130,
};

// A failure that an operator meets carries the exit code of its kind with it, from where the kind is known to the
// command that ends with it. Without one the status code decides.
absl::Status WithExit(absl::Status status, ExitCode code);
ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace sealift::engine
