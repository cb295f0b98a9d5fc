#include "engine/smtp/command.h"

#include <fmt/format.h>

#include <cassert>

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

std::string MailFrom(std::string_view sender, const MailParameters& parameters) {
  std::string command = fmt::format("MAIL FROM:<{}>", Whole(sender));
  if (parameters.size.has_value()) command += fmt::format(" SIZE={}", *parameters.size);
  if (parameters.eight_bit) command += " BODY=8BITMIME";
  if (parameters.smtp_utf8) command += " SMTPUTF8";
  command += "\r\n";
  return command;
}

std::string RcptTo(std::string_view recipient) { return fmt::format("RCPT TO:<{}>\r\n", Whole(recipient)); }

std::string BdatLast(size_t bytes) { return fmt::format("BDAT {} LAST\r\n", bytes); }

}  // namespace sealift::engine
