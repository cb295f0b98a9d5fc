#pragma once

#include <absl/status/status.h>

#include <span>
#include <string>
#include <string_view>

#include "engine/message/template.h"

namespace sealift::engine {

// Whether every name of a template leads somewhere, when it is known of some columns that they hold text: nothing is
// within them, so that what a section of one names must be a column, as everywhere else. Without that knowledge such a
// name is looked for in each row, and a name that was mistyped is found row by row.
//
// Errors: as Template::Compile's.
absl::Status CheckNames(std::string_view eml, const Template::Options& options,
                        std::span<const std::string> text_columns);

}  // namespace sealift::engine
