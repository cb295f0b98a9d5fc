#include "engine/smtp/capabilities.h"

#include <charconv>
#include <string_view>

namespace sealift::engine {
namespace {

std::string_view TakeWord(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// `upper_case` is as it says.
bool IsKeyword(std::string_view word, std::string_view upper_case) {
  if (word.size() != upper_case.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    const char c = word[i] >= 'a' && word[i] <= 'z' ? static_cast<char>(word[i] - 'a' + 'A') : word[i];
    if (c != upper_case[i]) return false;
  }
  return true;
}

// A positive number, or nothing: RFC 1870 writes 0 for "no fixed maximum".
std::optional<uint64_t> PositiveNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

constexpr size_t kLimitDigitsMax = 6;  // RFC 9422 4

void TakeLimits(std::string_view parameters, Capabilities& capabilities) {
  while (true) {
    const std::string_view limit = TakeWord(parameters);
    if (limit.empty()) return;
    const size_t equals = limit.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = limit.substr(0, equals);
    const std::string_view digits = limit.substr(equals + 1);
    if (digits.size() > kLimitDigitsMax) continue;
    const std::optional<uint64_t> value = PositiveNumber(digits);
    if (IsKeyword(name, "MAILMAX")) capabilities.limit_mail_max = value;
    if (IsKeyword(name, "RCPTMAX")) capabilities.limit_rcpt_max = value;
    if (IsKeyword(name, "RCPTDOMAINMAX")) capabilities.limit_domains_max = value;
  }
}

}  // namespace

Capabilities Capabilities::FromEhlo(const Reply& reply) {
  Capabilities capabilities;
  std::string_view lines = reply.lines;
  TakeLine(lines);  // the greeting
  while (!lines.empty()) {
    std::string_view rest = TakeLine(lines);
    const std::string_view keyword = TakeWord(rest);
    if (IsKeyword(keyword, "STARTTLS")) capabilities.starttls = true;
    if (IsKeyword(keyword, "PIPELINING")) capabilities.pipelining = true;
    if (IsKeyword(keyword, "8BITMIME")) capabilities.eightbitmime = true;
    if (IsKeyword(keyword, "SMTPUTF8")) capabilities.smtputf8 = true;
    if (IsKeyword(keyword, "CHUNKING")) capabilities.chunking = true;
    if (IsKeyword(keyword, "BINARYMIME")) capabilities.binarymime = true;
    if (IsKeyword(keyword, "DSN")) capabilities.dsn = true;
    if (IsKeyword(keyword, "ENHANCEDSTATUSCODES")) capabilities.enhanced_status_codes = true;
    if (IsKeyword(keyword, "REQUIRETLS")) capabilities.requiretls = true;
    if (IsKeyword(keyword, "SIZE")) {
      capabilities.size = true;
      capabilities.size_max = PositiveNumber(TakeWord(rest));
    }
    if (IsKeyword(keyword, "LIMITS")) TakeLimits(rest, capabilities);
  }
  return capabilities;
}

}  // namespace sealift::engine
