#include "engine/message/front_matter.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/message/template_error.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kDefaultsMax = 1000;
constexpr std::string_view kFence = "---";
constexpr std::string_view kDefault = "default";

absl::StatusOr<TemplateDefault> ReadDefault(std::string_view line, int number) {
  const size_t equals = line.find('=');
  if (!line.starts_with(kDefault) || line.size() == kDefault.size() ||
      std::string_view(" \t").find(line[kDefault.size()]) == std::string_view::npos ||
      equals == std::string_view::npos) {
    return TemplateError(number, "this is not front matter: write `default NAME = VALUE`, or `---` to end it");
  }
  TemplateDefault result;
  result.name = Trimmed(line.substr(kDefault.size(), equals - kDefault.size()));
  result.value = Trimmed(line.substr(equals + 1));
  result.line = number;
  if (result.name.empty()) return TemplateError(number, "the default has no name: write `default NAME = VALUE`");
  if (EqualsIgnoreCase(result.name, "email")) {
    return TemplateError(number, "email needs no default: every row has its recipient");
  }
  if (!IsUtf8(line)) return TemplateError(number, "the front matter is not UTF-8");
  if (HasControl(result.name) || HasControl(result.value)) {
    return TemplateError(number, "the default has a control character");
  }
  return result;
}

}  // namespace

absl::StatusOr<FrontMatter> ReadFrontMatter(std::string_view source) {
  FrontMatter matter;
  std::string_view rest = source;
  int number = 0;
  const auto take_line = [&] {
    const std::string_view line = Trimmed(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    ++number;
    return line;
  };
  if (!source.starts_with(kFence) || take_line() != kFence) {
    matter.message = source;
    return matter;
  }
  while (!rest.empty()) {
    const std::string_view line = take_line();
    if (line.empty() || line.starts_with('#')) continue;
    if (line == kFence) {
      matter.message = rest;
      matter.message_line = number + 1;
      return matter;
    }
    absl::StatusOr<TemplateDefault> read = ReadDefault(line, number);
    if (!read.ok()) return read.status();
    for (const TemplateDefault& other : matter.defaults) {
      if (other.name != read->name) continue;
      return TemplateError(number, fmt::format("{} has a default already, on line {}", read->name, other.line));
    }
    if (matter.defaults.size() == kDefaultsMax) {
      return TemplateError(number, fmt::format("the front matter has over {} defaults", kDefaultsMax));
    }
    matter.defaults.push_back(*std::move(read));
  }
  return TemplateError(1, "the front matter that begins here is not closed: end it with a line `---`");
}

}  // namespace sealift::engine
