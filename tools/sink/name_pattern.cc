#include "tools/sink/name_pattern.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

#include "absl/status/status.h"

namespace sealift::tools::sink {
namespace {

bool ParseNumber(std::string_view text, uint64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && text.size() <= 9;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ExpandNames(std::string_view pattern, size_t count_max) {
  const size_t open = pattern.find('{');
  if (open == std::string_view::npos) return std::vector<std::string>{std::string(pattern)};
  const size_t dots = pattern.find("..", open);
  const size_t close = pattern.find('}', open);
  uint64_t first = 0, last = 0;
  if (dots == std::string_view::npos || close == std::string_view::npos || dots > close ||
      !ParseNumber(pattern.substr(open + 1, dots - open - 1), &first) ||
      !ParseNumber(pattern.substr(dots + 2, close - dots - 2), &last) || first > last) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is not a name or a range such as d{{1..60}}.test", pattern));
  }
  if (last - first >= count_max) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" stands for {} names; at most {} are possible", pattern, last - first + 1, count_max));
  }
  const std::string_view first_text = pattern.substr(open + 1, dots - open - 1);
  const size_t width = first_text.starts_with('0') ? first_text.size() : 1;
  std::vector<std::string> names;
  names.reserve(last - first + 1);
  for (uint64_t n = first; n <= last; ++n) {
    names.push_back(fmt::format("{}{:0{}}{}", pattern.substr(0, open), n, width, pattern.substr(close + 1)));
  }
  return names;
}

bool GlobMatches(std::string_view glob, std::string_view text) {
  size_t g = 0, t = 0;
  size_t star = std::string_view::npos, star_text = 0;  // where to go on when what follows the last * does not match
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      star_text = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace sealift::tools::sink
