#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealift::engine {

// The commands a client sends, each with its CRLF: RFC 5321 4.1.1. Concatenate them to pipeline.
//
// Arguments come from ParseMailbox, ParseDomain or the configuration and have no CR, LF, NUL or angle bracket that a
// quoted local part does not hold; one that has is a programmer's error and ends the process, because it would be a
// second command.
inline constexpr std::string_view kStartTls = "STARTTLS\r\n";
inline constexpr std::string_view kData = "DATA\r\n";
inline constexpr std::string_view kReset = "RSET\r\n";
inline constexpr std::string_view kNoop = "NOOP\r\n";
inline constexpr std::string_view kQuit = "QUIT\r\n";

// With the name where it is a full one, else with the address as a literal (RFC 5321 4.1.1.1, 4.1.3).
std::string Ehlo(std::string_view hostname, std::string_view address);
std::string Helo(std::string_view hostname);

struct MailParameters {
  std::optional<uint64_t> size;  // RFC 1870, bytes; only where the server offered SIZE
  bool eight_bit = false;        // BODY=8BITMIME (RFC 6152); only where the server offered it
  bool smtp_utf8 = false;        // RFC 6531; only where the server offered it
  bool require_tls = false;      // RFC 8689; only where the server offered it, in TLS
  // RFC 3461 4.4, in xtext; only where the server offered DSN. A report that comes back names it.
  std::string_view envelope_id = {};
};

// What a transaction consists of is appended to its group. `sender` is the envelope sender; empty is the null
// reverse-path `<>`.
void AppendMailFrom(std::string_view sender, const MailParameters& parameters, std::string& group);
// `original`: the recipient also as who was meant, whomever it is passed on to (ORCPT, RFC 3461 4.2); only where the
// server offered DSN. Left out where it is beyond ASCII, or longer than the standard lets it be.
void AppendRcptTo(std::string_view recipient, bool original, std::string& group);

// A whole message of so many bytes follows: RFC 3030 2. Only where the server offered CHUNKING.
void AppendBdatLast(size_t bytes, std::string& group);

}  // namespace sealift::engine
