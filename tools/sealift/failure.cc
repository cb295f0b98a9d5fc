#include "tools/sealift/failure.h"

#include <fmt/format.h>

#include "absl/strings/cord.h"

namespace sealift::tools {
namespace {

// Payload keys are a namespace shared with exit_code.cc.
constexpr char kWhat[] = "sealift/what", kWhere[] = "sealift/where", kWhy[] = "sealift/why", kNext[] = "sealift/next";

std::string Part(const absl::Status& status, const char* key) {
  const absl::optional<absl::Cord> payload = status.GetPayload(key);
  return payload.has_value() ? std::string(*payload) : "";
}

}  // namespace

absl::Status Fail(engine::ExitCode code, const Failure& failure) {
  absl::Status status = absl::UnknownError(fmt::format("{}: {}", failure.what, failure.why));
  status.SetPayload(kWhat, absl::Cord(failure.what));
  status.SetPayload(kWhere, absl::Cord(failure.where));
  status.SetPayload(kWhy, absl::Cord(failure.why));
  status.SetPayload(kNext, absl::Cord(failure.next));
  return engine::WithExit(std::move(status), code);
}

Failure FailureOf(const absl::Status& status) {
  Failure failure{Part(status, kWhat), Part(status, kWhere), Part(status, kWhy), Part(status, kNext)};
  if (failure.why.empty()) failure.why = std::string(status.message());
  return failure;
}

absl::Status Because(absl::Status status, std::string what) {
  if (status.ok() || status.GetPayload(kWhat).has_value()) return status;
  Failure failure = FailureOf(status);
  failure.what = std::move(what);
  return Fail(engine::ExitCodeOf(status), failure);
}

}  // namespace sealift::tools
