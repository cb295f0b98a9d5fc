#pragma once

#include <cstdint>
#include <optional>

#include "engine/smtp/reply.h"

namespace sealift::engine {

// Capabilities is what a server offered in its EHLO reply: RFC 5321 4.1.1.1 and the extensions' own RFCs.
//
// Keywords are matched without regard to case. A keyword whose parameter is malformed still counts as offered, with its
// default. Everything here is forgotten at STARTTLS: RFC 3207 4.2.
struct Capabilities {
  bool starttls = false;               // RFC 3207
  bool pipelining = false;             // RFC 2920
  bool eightbitmime = false;           // RFC 6152
  bool smtputf8 = false;               // RFC 6531
  bool chunking = false;               // RFC 3030
  bool binarymime = false;             // RFC 3030; only with chunking
  bool dsn = false;                    // RFC 3461
  bool enhanced_status_codes = false;  // RFC 2034
  bool requiretls = false;             // RFC 8689
  bool size = false;                   // RFC 1870: SIZE= is understood in MAIL

  std::optional<uint64_t> size_max;           // bytes; absent when not said or 0 (no fixed limit)
  std::optional<uint64_t> limit_mail_max;     // RFC 9422: transactions a connection
  std::optional<uint64_t> limit_rcpt_max;     // RFC 9422: recipients a transaction
  std::optional<uint64_t> limit_domains_max;  // RFC 9422: recipient domains a transaction

  // `reply` is the positive reply to EHLO. Its first line is the server's greeting and offers nothing.
  static Capabilities FromEhlo(const Reply& reply);

  bool operator==(const Capabilities&) const = default;
};

}  // namespace sealift::engine
