#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sealift::tools {

// SinkReport is what the other side of the wire saw: counted by the sink alone, and so the check on what the daemon
// says.
struct SinkReport {
  uint64_t messages = 0;  // accepted at the final dot
  uint64_t distinct = 0;  // Message-IDs among them
  uint64_t in_clear = 0;  // MAIL commands without TLS
  uint64_t faults = 0;    // rules of SMTP that the client broke
  uint64_t connections = 0, tls_handshakes = 0, tls_resumed = 0;
  uint64_t over_limits = 0;  // times that a receiver's limit was exceeded
};

// `summary` as `sealift-sink --summary` writes it, `ledger` as --ledger does. Errors: exit 70 when they cannot be read.
absl::StatusOr<SinkReport> ReadSinkReport(const std::string& summary, const std::string& ledger);

}  // namespace sealift::tools
