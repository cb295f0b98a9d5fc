#include "engine/failure_parts.h"

#include <utility>

#include "absl/strings/cord.h"

namespace sealift::engine {
namespace {

constexpr char kWhere[] = "sealift/where", kNext[] = "sealift/next";

std::string Part(const absl::Status& status, const char* key) {
  const absl::optional<absl::Cord> payload = status.GetPayload(key);
  return payload.has_value() ? std::string(*payload) : "";
}

absl::Status With(absl::Status status, const char* key, const std::string& text) {
  if (Part(status, key).empty()) status.SetPayload(key, absl::Cord(absl::string_view(text)));
  return status;
}

}  // namespace

absl::Status WithPlace(absl::Status status, const std::string& place) { return With(std::move(status), kWhere, place); }

std::string PlaceOf(const absl::Status& status) { return Part(status, kWhere); }

absl::Status WithNext(absl::Status status, const std::string& next) { return With(std::move(status), kNext, next); }

std::string NextOf(const absl::Status& status) { return Part(status, kNext); }

}  // namespace sealift::engine
