#pragma once

#include <string>

#include "absl/status/status.h"

namespace sealift::engine {

// What a failure says beside its message, which is the `why` of the error that an operator reads. What is said first
// stays: it is known best where the failure is found.

// Where it lies: "the template", "the recipient file".
absl::Status WithPlace(absl::Status status, const std::string& place);
std::string PlaceOf(const absl::Status& status);  // empty: nobody said

// What to do next: a sentence.
absl::Status WithNext(absl::Status status, const std::string& next);
std::string NextOf(const absl::Status& status);  // empty: nobody said

}  // namespace sealift::engine
