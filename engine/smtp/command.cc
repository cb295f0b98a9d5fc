#include "engine/smtp/command.h"

#include <fmt/format.h>

#include <cassert>
#include <iterator>

namespace sealift::engine {
namespace {

// An argument that could end its command would be a second one; nothing that was parsed can.
std::string_view Whole(std::string_view argument) {
  for (const char c : argument) {
    assert(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    (void)c;
  }
  return argument;
}

}  // namespace

std::string Ehlo(std::string_view hostname) { return fmt::format("EHLO {}\r\n", Whole(hostname)); }

std::string Helo(std::string_view hostname) { return fmt::format("HELO {}\r\n", Whole(hostname)); }

void AppendMailFrom(std::string_view sender, const MailParameters& parameters, std::string& group) {
  group += "MAIL FROM:<";
  group += Whole(sender);
  group += '>';
  if (parameters.size.has_value()) fmt::format_to(std::back_inserter(group), " SIZE={}", *parameters.size);
  if (parameters.eight_bit) group += " BODY=8BITMIME";
  if (parameters.smtp_utf8) group += " SMTPUTF8";
  if (parameters.require_tls) group += " REQUIRETLS";
  group += "\r\n";
}

void AppendRcptTo(std::string_view recipient, std::string& group) {
  group += "RCPT TO:<";
  group += Whole(recipient);
  group += ">\r\n";
}

void AppendBdatLast(size_t bytes, std::string& group) {
  fmt::format_to(std::back_inserter(group), "BDAT {} LAST\r\n", bytes);
}

}  // namespace sealift::engine
