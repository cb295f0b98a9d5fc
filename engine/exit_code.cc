#include "engine/exit_code.h"

#include <string>

#include "absl/strings/cord.h"

namespace sealift::engine {
namespace {

constexpr char kPayload[] = "sealift/exit";

ExitCode FromStatusCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kDataLoss:
      return ExitCode::kBadData;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNoInput;
    case absl::StatusCode::kAlreadyExists:
      return ExitCode::kCannotCreate;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return ExitCode::kTryLater;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kDenied;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
      return ExitCode::kUsage;
    default:
      return ExitCode::kInternal;
  }
}

}  // namespace

absl::Status WithExit(absl::Status status, ExitCode code) {
  status.SetPayload(kPayload, absl::Cord(absl::string_view(std::to_string(static_cast<int>(code)))));
  return status;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (const absl::optional<absl::Cord> payload = status.GetPayload(kPayload); payload.has_value()) {
    return static_cast<ExitCode>(std::stoi(std::string(*payload)));
  }
  return FromStatusCode(status.code());
}

}  // namespace sealift::engine
