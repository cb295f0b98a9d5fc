#include "engine/smtp/reply.h"

#include <fmt/format.h>

#include <algorithm>

namespace sealift::engine {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsAlphanumeric(char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// One to three digits at `at`; -1 when there are none or more.
int TakeNumber(std::string_view text, size_t& at) {
  int value = 0;
  size_t digits = 0;
  for (; at < text.size() && IsDigit(text[at]); ++at, ++digits) {
    if (digits == 3) return -1;
    value = value * 10 + (text[at] - '0');
  }
  return digits == 0 ? -1 : value;
}

}  // namespace

std::string_view TakeLine(std::string_view& lines) {
  const size_t end = std::min(lines.find('\n'), lines.size());
  const std::string_view line = lines.substr(0, end);
  lines.remove_prefix(std::min(end + 1, lines.size()));
  return line;
}

std::string EnhancedCode::ToString() const { return fmt::format("{}.{}.{}", cls, subject, detail); }

std::optional<EnhancedCode> TakeEnhancedCode(std::string_view& text) {
  if (text.size() < 5 || text[1] != '.' || (text[0] != '2' && text[0] != '4' && text[0] != '5')) return std::nullopt;
  EnhancedCode code;
  code.cls = text[0] - '0';
  size_t at = 2;
  code.subject = TakeNumber(text, at);
  if (code.subject < 0 || at >= text.size() || text[at] != '.') return std::nullopt;
  ++at;
  code.detail = TakeNumber(text, at);
  // "5.2.1.3 is listed" is an IP address, "5.1.1st" a word.
  if (code.detail < 0 || (at < text.size() && (text[at] == '.' || IsAlphanumeric(text[at])))) return std::nullopt;
  while (at < text.size() && text[at] == ' ') ++at;
  text.remove_prefix(at);
  return code;
}

std::string Reply::Text() const {
  std::string text;
  for (std::string_view more = lines; !more.empty();) {
    std::string_view rest = TakeLine(more);
    if (enhanced.has_value()) {
      std::string_view without = rest;
      if (TakeEnhancedCode(without) == enhanced) rest = without;
    }
    if (rest.empty()) continue;
    if (!text.empty()) text += ' ';
    text += rest;
  }
  return text;
}

std::string Reply::ToString() const {
  std::string result = fmt::format("{}", code);
  if (enhanced.has_value()) result += ' ' + enhanced->ToString();
  const std::string text = Text();
  if (!text.empty()) result += ' ' + text;
  return result;
}

}  // namespace sealift::engine
