#pragma once

#include <string>

#include "absl/status/status.h"

namespace sealift::engine {

// Where a failure lies, for the `where` of the error that an operator reads: "the template", "the recipient file". The
// first place that is said stays.
absl::Status WithPlace(absl::Status status, const std::string& place);
std::string PlaceOf(const absl::Status& status);  // empty: nobody said

}  // namespace sealift::engine
