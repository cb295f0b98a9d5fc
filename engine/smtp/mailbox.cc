#include "engine/smtp/mailbox.h"

#include <fmt/format.h>
#include <idn2.h>

#include <memory>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

// RFC 5321 4.5.3.1; a domain's 255 octets on the DNS wire are 253 characters.
constexpr size_t kLocalBytesMax = 64;
constexpr size_t kDomainBytesMax = 253;
constexpr size_t kMailboxBytesMax = 254;
constexpr size_t kLabelBytesMax = 63;

absl::Status Refused(std::string_view reason) { return absl::InvalidArgumentError(std::string(reason)); }

bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool IsAtomText(char c) {  // RFC 5322 3.2.3, RFC 6531 3.3
  return IsAlphanumeric(c) || static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool IsDotString(std::string_view local) {
  char before = '.';
  for (const char c : local) {
    if (c == '.' ? before == '.' : !IsAtomText(c)) return false;
    before = c;
  }
  return before != '.';
}

absl::Status CheckUnquoted(std::string_view local) {
  if (local.front() == '.' || local.back() == '.') return Refused("the local part begins or ends with a dot");
  if (local.find("..") != std::string_view::npos) return Refused("the local part has two dots in a row");
  return Refused("the local part has a character that must be quoted");
}

// Reads the inside of a quoted local part and writes it the shortest way, so that one mailbox has one spelling.
absl::Status TakeQuoted(std::string_view inside, std::string& local) {
  std::string content;
  for (size_t i = 0; i < inside.size(); ++i) {
    char c = inside[i];
    if (c == '"') return Refused("the local part has a quote inside quotes");
    if (c == '\\') {
      if (++i == inside.size()) return Refused("the local part ends in a backslash");
      c = inside[i];
    }
    content += c;
  }
  if (content.empty()) return Refused("the local part is empty");
  if (IsDotString(content)) {
    local = content;
    return absl::OkStatus();
  }
  local = '"';
  for (const char c : content) {
    if (c == '"' || c == '\\') local += '\\';
    local += c;
  }
  local += '"';
  return absl::OkStatus();
}

absl::Status CheckLabels(std::string_view domain) {
  if (domain.size() > kDomainBytesMax) return Refused("the domain is longer than 253 bytes");
  size_t labels = 0;
  bool digits_only = true;
  for (size_t begin = 0; begin <= domain.size();) {
    size_t end = domain.find('.', begin);
    if (end == std::string_view::npos) end = domain.size();
    const std::string_view label = domain.substr(begin, end - begin);
    if (label.empty()) return Refused("the domain has an empty label");
    if (label.size() > kLabelBytesMax) return Refused("the domain has a label longer than 63 bytes");
    if (label.front() == '-' || label.back() == '-')
      return Refused("the domain has a label that begins or ends with a hyphen");
    digits_only = true;
    for (const char c : label) {
      if (!IsAlphanumeric(c) && c != '-') return Refused("the domain has a character that no domain may have");
      digits_only = digits_only && c >= '0' && c <= '9';
    }
    ++labels;
    begin = end + 1;
  }
  if (labels < 2) return Refused("the domain has only one label");
  if (digits_only) return Refused("the domain is a number, not a name");
  return absl::OkStatus();
}

bool HasEncodedLabel(std::string_view lower_case) {
  return lower_case.starts_with("xn--") || lower_case.find(".xn--") != std::string_view::npos;
}

absl::Status TakeDomain(std::string_view text, std::string& domain) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty()) return Refused("the domain is empty");
  if (text.front() == '[') return Refused("an address literal is not accepted as a domain");
  if (text.size() > 4 * kDomainBytesMax) return Refused("the domain is longer than 253 bytes");
  domain.assign(text);
  for (char& c : domain) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!IsAscii(domain) || HasEncodedLabel(domain)) {
    if (domain.find('\0') != std::string::npos) return Refused("it has a control character");
    // Without IDN2_USE_STD3_ASCII_RULES, under which libidn2 2.3 drops a character it should refuse; CheckLabels is
    // stricter.
    uint8_t* raw = nullptr;
    const int result =
        idn2_lookup_u8(reinterpret_cast<const uint8_t*>(domain.c_str()), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const std::unique_ptr<uint8_t, decltype(&idn2_free)> encoded(raw, &idn2_free);
    if (result != IDN2_OK || encoded == nullptr) {
      return Refused(fmt::format("the domain is not a valid internationalised name ({})", idn2_strerror(result)));
    }
    domain.assign(reinterpret_cast<const char*>(encoded.get()));
  }
  return CheckLabels(domain);
}

}  // namespace

std::string Mailbox::ToString() const { return fmt::format("{}@{}", local, domain); }

bool NeedsSmtpUtf8(std::string_view address) { return !IsAscii(address); }

absl::Status ParseMailbox(std::string_view text, Mailbox& mailbox) {
  if (text.empty()) return Refused("it is empty");
  if (text.size() > 5 * kMailboxBytesMax) return Refused("it is longer than 254 bytes");
  if (!IsUtf8(text)) return Refused("it is not UTF-8");
  if (HasControl(text)) return Refused("it has a control character");
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos) return Refused("it has no @");
  if (at == 0) return Refused("the local part is empty");
  const std::string_view local = text.substr(0, at);
  const std::string_view domain = text.substr(at + 1);
  if (local.front() == '"') {
    if (local.size() < 2 || local.back() != '"') return Refused("the local part has a quote that is not closed");
    if (absl::Status status = TakeQuoted(local.substr(1, local.size() - 2), mailbox.local); !status.ok()) return status;
  } else {
    if (local.find(' ') != std::string_view::npos || domain.find(' ') != std::string_view::npos) {
      return Refused("it has a space");
    }
    if (local.find('@') != std::string_view::npos) return Refused("it has more than one @");
    if (!IsDotString(local)) return CheckUnquoted(local);
    mailbox.local.assign(local);
  }
  if (mailbox.local.size() > kLocalBytesMax) return Refused("the local part is longer than 64 bytes");
  if (absl::Status status = TakeDomain(domain, mailbox.domain); !status.ok()) return status;
  if (mailbox.local.size() + 1 + mailbox.domain.size() > kMailboxBytesMax)
    return Refused("it is longer than 254 bytes");
  return absl::OkStatus();
}

absl::StatusOr<Mailbox> ParseMailbox(std::string_view text) {
  Mailbox mailbox;
  if (absl::Status status = ParseMailbox(text, mailbox); !status.ok()) return status;
  return mailbox;
}

absl::StatusOr<std::string> ParseDomain(std::string_view text) {
  std::string domain;
  if (absl::Status status = TakeDomain(text, domain); !status.ok()) return status;
  return domain;
}

}  // namespace sealift::engine
