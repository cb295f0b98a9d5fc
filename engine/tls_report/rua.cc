#include "engine/tls_report/rua.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kVersion = "v=TLSRPTv1";
constexpr size_t kUriBytesMax = 1024;

std::string_view Trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// What stands before the next `delimiter`; `text` goes on behind it.
std::string_view TakeUntil(std::string_view& text, char delimiter) {
  const size_t end = std::min(text.find(delimiter), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool TakeScheme(std::string_view& uri, std::string_view scheme) {
  if (uri.size() < scheme.size()) return false;
  for (size_t i = 0; i < scheme.size(); ++i) {
    if (Lower(uri[i]) != scheme[i]) return false;
  }
  uri.remove_prefix(scheme.size());
  return true;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// RFC 3986 2.1. Nothing: it is not well-formed.
std::optional<std::string> Decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : HexDigit(text[i + 2]);
    if (low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

// The header fields that RFC 6068 lets it bring are not ours to write: they are passed over.
std::optional<std::string> MailboxOf(std::string_view uri) {
  const std::optional<std::string> address = Decoded(TakeUntil(uri, '?'));
  if (!address.has_value()) return std::nullopt;
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(*address);
  // A report is ASCII, and goes to who takes nothing else too.
  if (!mailbox.ok() || NeedsSmtpUtf8(mailbox->ToString())) return std::nullopt;
  return mailbox->ToString();
}

std::optional<TlsReportRecord::Web> WebOf(std::string_view uri) {
  const size_t end = std::min(uri.find_first_of("/?"), uri.size());
  std::string_view authority = uri.substr(0, end);
  TlsReportRecord::Web web{.host = {}, .port = 443, .path = std::string(uri.substr(end))};
  if (!web.path.starts_with('/')) web.path.insert(web.path.begin(), '/');
  if (const size_t colon = authority.find(':'); colon != std::string_view::npos) {
    const std::string_view port = authority.substr(colon + 1);
    const auto [last, error] = std::from_chars(port.data(), port.data() + port.size(), web.port);
    if (error != std::errc() || last != port.data() + port.size() || web.port < 1 || web.port > 65'535) {
      return std::nullopt;
    }
    authority = authority.substr(0, colon);
  }
  const absl::StatusOr<std::string> host = ParseDomain(authority);
  if (!host.ok()) return std::nullopt;
  web.host = *host;
  return web;
}

bool IsPlain(std::string_view uri) {
  return !uri.empty() && uri.size() <= kUriBytesMax && std::ranges::all_of(uri, [](char c) {
    return c > ' ' && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>' && c != '\\';
  });
}

template <typename T>
void Keep(const std::optional<T>& target, std::vector<T>& into) {
  const bool wanted = target.has_value() && into.size() < TlsReportRecord::kTargetsMax;
  if (wanted && std::ranges::find(into, *target) == into.end()) into.push_back(*target);
}

void TakeUri(std::string_view uri, TlsReportRecord& record) {
  if (!IsPlain(uri)) return;
  if (TakeScheme(uri, "mailto:")) {
    Keep(MailboxOf(uri), record.mailboxes);
  } else if (TakeScheme(uri, "https://") && uri.find('@') == std::string_view::npos) {
    Keep(WebOf(uri), record.webs);
  }
}

}  // namespace

std::optional<TlsReportRecord> TlsReportRecord::Find(std::span<const std::string> texts) {
  std::optional<TlsReportRecord> found;
  int records = 0;
  for (std::string_view text : texts) {
    if (text.size() > kTextBytesMax || Trimmed(TakeUntil(text, ';')) != kVersion) continue;
    ++records;
    TlsReportRecord record;
    bool named = false;  // of two fields the first counts
    while (!text.empty()) {
      std::string_view field = Trimmed(TakeUntil(text, ';'));
      if (Trimmed(TakeUntil(field, '=')) != "rua" || std::exchange(named, true)) continue;
      while (!field.empty()) TakeUri(Trimmed(TakeUntil(field, ',')), record);
    }
    if (!record.mailboxes.empty() || !record.webs.empty()) found = std::move(record);
  }
  return records == 1 ? found : std::nullopt;
}

}  // namespace sealift::engine
