#pragma once

#include <absl/status/status.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/template.h"

namespace sealift::engine {

// Whether every name of a template leads somewhere, when it is known of some columns that they hold text: nothing is
// within them, so that what a section of one names must be a column, as everywhere else. Without that knowledge such a
// name is looked for in each row, and a name that was mistyped is found row by row.
//
// Errors: as Template::Compile's.
absl::Status CheckNames(std::string_view eml, const Template::Options& options,
                        std::span<const std::string> text_columns);

// Whether each of the options' defaults stands in for something: no name is `email` or there twice, and each is one
// that a tag of the template asks for, or one of `others`. A name that was mistyped would be missed in the mail only.
//
// Errors: as Template::Compile's, or InvalidArgument that names the default.
absl::Status CheckDefaults(std::string_view eml, const Template::Options& options,
                           const std::vector<std::string>& others);

}  // namespace sealift::engine
