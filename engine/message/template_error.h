#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace sealift::engine {

// What is wrong with a template, and where: "line 3: ...".
absl::Status TemplateError(int line, std::string_view what);

}  // namespace sealift::engine
