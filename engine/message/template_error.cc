#include "engine/message/template_error.h"

#include <fmt/format.h>

namespace sealift::engine {

absl::Status TemplateError(int line, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("line {}: {}", line, what));
}

}  // namespace sealift::engine
