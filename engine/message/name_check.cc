#include "engine/message/name_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "engine/message/suggestion.h"
#include "engine/message/template_compiler.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {

absl::Status CheckNames(std::string_view eml, const Template::Options& options,
                        std::span<const std::string> text_columns) {
  return TemplateCompiler(options, TemplateCompiler::Columns::kGiven, text_columns).Run(eml).status();
}

absl::Status CheckDefaults(std::string_view eml, const Template::Options& options,
                           const std::vector<std::string>& others) {
  if (options.defaults.empty()) return absl::OkStatus();
  const absl::StatusOr<std::shared_ptr<const Program>> program =
      TemplateCompiler(options, TemplateCompiler::Columns::kGiven).Run(eml);
  if (!program.ok()) return program.status();
  std::vector<std::string> names = others;
  for (const Slot& slot : (*program)->slots) names.push_back(slot.name);
  const auto& defaults = options.defaults;
  for (auto it = defaults.begin(); it != defaults.end(); ++it) {
    const std::string& name = it->first;
    if (EqualsIgnoreCase(name, "email")) {
      return absl::InvalidArgumentError("email needs no --default: every row has its recipient");
    }
    if (std::any_of(defaults.begin(), it, [&name](const auto& other) { return other.first == name; })) {
      return absl::InvalidArgumentError(fmt::format("--default {} is given twice", name));
    }
    if (std::ranges::find(names, name) != names.end()) continue;
    const std::string suggestion = Suggestion(name, names);
    return absl::InvalidArgumentError(
        fmt::format("--default {} stands in for nothing: no tag of the template is named so{}", name,
                    suggestion.empty() ? "" : fmt::format(" (did you mean {}?)", suggestion)));
  }
  return absl::OkStatus();
}

}  // namespace sealift::engine
