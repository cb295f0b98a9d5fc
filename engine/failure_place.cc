#include "engine/failure_place.h"

#include "absl/strings/cord.h"

namespace sealift::engine {
namespace {

constexpr char kPayload[] = "sealift/where";

}  // namespace

absl::Status WithPlace(absl::Status status, const std::string& place) {
  if (PlaceOf(status).empty()) status.SetPayload(kPayload, absl::Cord(absl::string_view(place)));
  return status;
}

std::string PlaceOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  return payload.has_value() ? std::string(*payload) : "";
}

}  // namespace sealift::engine
