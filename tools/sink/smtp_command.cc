#include "tools/sink/smtp_command.h"

#include <algorithm>
#include <utility>

namespace sealift::tools::sink {
namespace {

constexpr size_t kLocalBytesMax = 64, kDomainBytesMax = 255, kPathBytesMax = 256;

constexpr std::pair<std::string_view, Verb> kVerbs[] = {
    {"MAIL", Verb::kMail}, {"RCPT", Verb::kRcpt},         {"DATA", Verb::kData}, {"BDAT", Verb::kBdat},
    {"EHLO", Verb::kEhlo}, {"HELO", Verb::kHelo},         {"RSET", Verb::kRset}, {"NOOP", Verb::kNoop},
    {"VRFY", Verb::kVrfy}, {"STARTTLS", Verb::kStartTls}, {"QUIT", Verb::kQuit}};

char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool IsNameByte(char c) {
  return (Lower(c) >= 'a' && Lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         static_cast<unsigned char>(c) > 127;
}

// Letters, digits and hyphens between single dots.
bool IsDomain(std::string_view domain) {
  if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') return true;
  char last = '.';
  for (const char c : domain) {
    if (c == '.' ? last == '.' : !IsNameByte(c)) return false;
    last = c;
  }
  return last != '.';
}

// RFC 5321 4.1.2: a dot-string or a quoted string; printable, 8-bit for SMTPUTF8.
bool IsLocalPart(std::string_view local) {
  if (local.empty() || local.size() > kLocalBytesMax) return false;
  if (local.front() == '"') {
    if (local.size() < 2 || local.back() != '"') return false;
    for (size_t i = 1; i + 1 < local.size(); ++i) {
      if (static_cast<unsigned char>(local[i]) < 32 || local[i] == 127) return false;
      if (local[i] == '"') return false;
      if (local[i] == '\\' && ++i + 1 >= local.size()) return false;
    }
    return true;
  }
  char last = '.';
  for (const char c : local) {
    if (c == '.' && last == '.') return false;
    if (static_cast<unsigned char>(c) <= 32 || c == 127 ||
        std::string_view("()<>[]:;@\\,\"").find(c) != std::string_view::npos) {
      return false;
    }
    last = c;
  }
  return last != '.';
}

// Where the '>' that closes a path stands; quoted ones do not count.
size_t FindClose(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted) {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

bool EqualsUpper(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return Upper(x) == y; });
}

SmtpCommand ReadCommand(std::string_view line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  for (const auto& [name, verb] : kVerbs) {
    if (!EqualsUpper(word, name)) continue;
    return {verb, line.substr(std::min(space + 1, line.size()))};
  }
  return {Verb::kUnknown, {}};
}

std::optional<SmtpPath> ReadPath(std::string_view argument, std::string_view keyword) {
  if (argument.size() < keyword.size() || !EqualsUpper(argument.substr(0, keyword.size()), keyword))
    return std::nullopt;
  argument.remove_prefix(keyword.size());
  if (!argument.starts_with('<')) return std::nullopt;
  const size_t close = FindClose(argument);
  if (close == std::string_view::npos || close + 1 > kPathBytesMax) return std::nullopt;
  const std::string_view inner = argument.substr(1, close - 1);
  SmtpPath path;
  path.parameters = argument.substr(close + 1);
  if (!path.parameters.empty() && !path.parameters.starts_with(' ')) return std::nullopt;
  if (inner.empty()) return path;
  const size_t at = inner.rfind('@');
  if (at == std::string_view::npos || !IsLocalPart(inner.substr(0, at))) return std::nullopt;
  path.domain = std::string(inner.substr(at + 1));
  if (path.domain.empty() || path.domain.size() > kDomainBytesMax || !IsDomain(path.domain)) return std::nullopt;
  for (char& c : path.domain) c = Lower(c);
  path.mailbox = std::string(inner.substr(0, at + 1)) + path.domain;
  return path;
}

bool NextParameter(std::string_view* parameters, std::string_view* keyword, std::string_view* value) {
  while (parameters->starts_with(' ')) parameters->remove_prefix(1);
  if (parameters->empty()) return false;
  const std::string_view word = parameters->substr(0, std::min(parameters->find(' '), parameters->size()));
  parameters->remove_prefix(word.size());
  const size_t equals = std::min(word.find('='), word.size());
  *keyword = word.substr(0, equals);
  *value = word.substr(std::min(equals + 1, word.size()));
  return true;
}

bool IsEhloName(std::string_view name) {
  while (name.ends_with(' ')) name.remove_suffix(1);
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') return true;
  return name.size() <= kDomainBytesMax && name.find('.') != std::string_view::npos && IsDomain(name);
}

}  // namespace sealift::tools::sink
