#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sealift::engine {

// Why a template cannot take a row: InvalidArgument "column NAME: WHAT" that keeps the column apart from the reason,
// for the list of rejected rows, which has a column of its own for it.
absl::Status RowError(std::string_view column, std::string_view what);

// The two parts of it; of any other error no column and the whole message.
struct RowErrorParts {
  std::string column, reason;
};
RowErrorParts PartsOf(const absl::Status& status);

}  // namespace sealift::engine
