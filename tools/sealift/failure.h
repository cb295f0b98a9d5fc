#pragma once

#include <string>

#include "absl/status/status.h"
#include "engine/exit_code.h"

namespace sealift::tools {

// Failure is what a person reads when a command does not do its work: what failed, where, why, and what to do next. It
// travels inside an absl::Status, so that the code between the cause and the console needs no type of its own.
struct Failure {
  std::string what;   // "campaign load: spring was not loaded"
  std::string where;  // a file and line, a socket; may be empty
  std::string why;    // one or more sentences
  std::string next;   // what to do; may be empty when `why` already says it
};

absl::Status Fail(engine::ExitCode code, const Failure& failure);

// The parts that Fail put in; of any other status the message is the reason.
Failure FailureOf(const absl::Status& status);

// Gives a failure that has none yet its first part.
absl::Status Because(absl::Status status, std::string what);

}  // namespace sealift::tools
