#include "engine/smtp/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <iterator>

namespace sealift::engine {
namespace {

constexpr size_t kOriginalMax = 500;  // RFC 3461 4.2, keyword and all

// An argument that could end its command would be a second one; nothing that was parsed can.
std::string_view Whole(std::string_view argument) {
  for (const char c : argument) {
    assert(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    (void)c;
  }
  return argument;
}

// RFC 3461 4: what is no printable ASCII, and what means something in it, as "+" and two digits.
void AppendXtext(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c > ' ' && c <= '~' && c != '+' && c != '=') {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "+{:02X}", static_cast<unsigned char>(c));
    }
  }
}

}  // namespace

std::string Ehlo(std::string_view hostname, std::string_view address) {
  if (hostname.find('.') != std::string_view::npos) return fmt::format("EHLO {}\r\n", Whole(hostname));
  return fmt::format("EHLO [{}{}]\r\n", address.find(':') == std::string_view::npos ? "" : "IPv6:", Whole(address));
}

std::string Helo(std::string_view hostname) { return fmt::format("HELO {}\r\n", Whole(hostname)); }

void AppendMailFrom(std::string_view sender, const MailParameters& parameters, std::string& group) {
  group += "MAIL FROM:<";
  group += Whole(sender);
  group += '>';
  if (parameters.size.has_value()) fmt::format_to(std::back_inserter(group), " SIZE={}", *parameters.size);
  if (parameters.eight_bit) group += " BODY=8BITMIME";
  if (parameters.smtp_utf8) group += " SMTPUTF8";
  if (parameters.require_tls) group += " REQUIRETLS";
  if (!parameters.envelope_id.empty()) {
    group += " ENVID=";
    AppendXtext(parameters.envelope_id, group);
  }
  group += "\r\n";
}

void AppendRcptTo(std::string_view recipient, bool original, std::string& group) {
  group += "RCPT TO:<";
  group += Whole(recipient);
  group += '>';
  const size_t end = group.size();
  if (original && std::ranges::none_of(recipient, [](char c) { return (c & 0x80) != 0; })) {
    group += " ORCPT=rfc822;";
    AppendXtext(recipient, group);
    if (group.size() - end > kOriginalMax) group.resize(end);
  }
  group += "\r\n";
}

void AppendBdatLast(size_t bytes, std::string& group) {
  fmt::format_to(std::back_inserter(group), "BDAT {} LAST\r\n", bytes);
}

}  // namespace sealift::engine
