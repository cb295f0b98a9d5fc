#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace sealift::engine {

// Mailbox is an address as RFC 5321 4.1.2 spells it, in the one form that everything else compares, hashes and sends:
// the local part as it was given (2.4: its case is the receiver's business), the domain as a lower-case A-label.
//
// Owned by:  whoever parsed it; a value.
// Threads:   any.
// Errors:    InvalidArgument with a reason that never quotes the address: a reason ends up in files and logs.
struct Mailbox {
  std::string local;   // quoted when it needs quotes: "john doe"
  std::string domain;  // xn--bcher-kva.example, never with a trailing dot

  std::string ToString() const;

  bool operator==(const Mailbox&) const = default;
};

// Parses `local@domain`, without angle brackets, white space or a display name. Limits are those of RFC 5321 4.5.3.1:
// 64 bytes of local part, 253 of domain, 254 of both, so that a path with its brackets stays within 256. Refused:
// address literals (`user@[192.0.2.1]`), a domain of one label, what is not UTF-8, and every control character. A local
// part beyond ASCII (RFC 6531) is taken byte for byte.
absl::StatusOr<Mailbox> ParseMailbox(std::string_view text);

// The same into a mailbox whose strings are reused, for loads of millions of rows. On an error `mailbox` is
// unspecified.
absl::Status ParseMailbox(std::string_view text, Mailbox& mailbox);

// Whether this address, with its domain as an A-label, can only be sent by SMTPUTF8 (RFC 6531): its local part is
// beyond ASCII.
bool NeedsSmtpUtf8(std::string_view address);

// A domain as a lower-case A-label: UTS 46, nontransitional, by libidn2. One trailing dot is dropped.
absl::StatusOr<std::string> ParseDomain(std::string_view text);

}  // namespace sealift::engine
