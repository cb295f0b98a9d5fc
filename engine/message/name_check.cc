#include "engine/message/name_check.h"

#include "engine/message/template_compiler.h"

namespace sealift::engine {

absl::Status CheckNames(std::string_view eml, const Template::Options& options,
                        std::span<const std::string> text_columns) {
  return TemplateCompiler(options, TemplateCompiler::Columns::kGiven, text_columns).Run(eml).status();
}

}  // namespace sealift::engine
