// The sink's own reading of SMTP commands: it judges the client, so it shares no parser with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sealift::tools::sink {

enum class Verb : uint8_t { kEhlo, kHelo, kStartTls, kMail, kRcpt, kData, kBdat, kRset, kNoop, kVrfy, kQuit, kUnknown };

struct SmtpCommand {
  Verb verb = Verb::kUnknown;
  std::string_view argument;  // what follows the verb and one space
};

// `line` without CRLF.
SmtpCommand ReadCommand(std::string_view line);

// The path of MAIL and RCPT (RFC 5321 4.1.2) and what follows it.
struct SmtpPath {
  std::string mailbox;  // domain in lower case; empty: <>
  std::string domain;
  std::string_view parameters;
};

// `argument` is what follows MAIL or RCPT; `keyword` is "FROM:" or "TO:". Nothing when the syntax or a length
// (4.5.3.1: local part 64, domain 255, path 256) is broken.
std::optional<SmtpPath> ReadPath(std::string_view argument, std::string_view keyword);

// Cuts the next "KEYWORD[=VALUE]" off `*parameters`; false at their end.
bool NextParameter(std::string_view* parameters, std::string_view* keyword, std::string_view* value);

// A fully qualified name or an address literal (4.1.1.1, 4.1.3).
bool IsEhloName(std::string_view name);

// Whether `a` is `b`, which is in upper case.
bool EqualsUpper(std::string_view a, std::string_view b);

}  // namespace sealift::tools::sink
