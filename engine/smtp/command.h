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

std::string Ehlo(std::string_view hostname);
std::string Helo(std::string_view hostname);

struct MailParameters {
  std::optional<uint64_t> size;  // RFC 1870, bytes; only where the server offered SIZE
  bool eight_bit = false;        // BODY=8BITMIME (RFC 6152); only where the server offered it
  bool smtp_utf8 = false;        // RFC 6531; only where the server offered it
  bool require_tls = false;      // RFC 8689; only where the server offered it, in TLS
};

// What a transaction consists of is appended to its group. `sender` is the envelope sender; empty is the null
// reverse-path `<>`.
void AppendMailFrom(std::string_view sender, const MailParameters& parameters, std::string& group);
void AppendRcptTo(std::string_view recipient, std::string& group);

// A whole message of so many bytes follows: RFC 3030 2. Only where the server offered CHUNKING.
void AppendBdatLast(size_t bytes, std::string& group);

}  // namespace sealift::engine
