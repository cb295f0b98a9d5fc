#include "tools/sink/mail_parameters.h"

#include <charconv>
#include <string>

#include "tools/sink/smtp_command.h"

namespace sealift::tools::sink {
namespace {

bool ReadSize(std::string_view text, uint64_t* bytes) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *bytes);
  return error == std::errc() && end == text.data() + text.size();
}

// The extensions that bring parameters of MAIL: RFC 6531, 3461.
bool BroughtBy(std::string_view extension, std::string_view keyword) {
  const std::string_view name = extension.substr(0, extension.find(' '));
  if (name == "SMTPUTF8") return EqualsUpper(keyword, name);
  return name == "DSN" && (EqualsUpper(keyword, "RET") || EqualsUpper(keyword, "ENVID"));
}

}  // namespace

MailParameters ReadMailParameters(std::string_view parameters, const Provider& provider, bool in_tls) {
  MailParameters read;
  std::string_view keyword, value;
  while (NextParameter(&parameters, &keyword, &value)) {
    bool offered = false;
    if (EqualsUpper(keyword, "SIZE")) {
      offered = ReadSize(value, &read.size_bytes);
    } else if (EqualsUpper(keyword, "BODY")) {
      read.eight_bit = EqualsUpper(value, "8BITMIME");
      offered = provider.eight_bit && (read.eight_bit || EqualsUpper(value, "7BIT"));
    } else if (EqualsUpper(keyword, "REQUIRETLS")) {
      offered = read.require_tls = provider.requiretls && in_tls && value.empty();
    } else {
      for (const std::string& extension : provider.extensions) offered |= BroughtBy(extension, keyword);
      read.smtp_utf8 |= offered && EqualsUpper(keyword, "SMTPUTF8");
    }
    read.offered &= offered;
  }
  return read;
}

}  // namespace sealift::tools::sink
