#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/tls_report/tally.h"

namespace sealift::engine {

// What came of trying to speak TLS with a host, as far as a report about it goes (RFC 8460). Whom it is reported to is
// not known yet: a connection serves a host, and a host many domains.
struct TlsTry {
  struct Failure {
    TlsFailure what = TlsFailure::kValidationFailure;
    std::string reason;
  };

  std::string host;
  std::string address;                 // IP; empty: none was connected to
  std::optional<ReportedPolicy> dane;  // what the host has published in its TLSA records
  std::optional<Failure> failure;      // nothing: there was TLS, as good as was asked for
  std::optional<Failure> fault;        // what is wrong with its certificate, where nobody asked for it to be right
};

}  // namespace sealift::engine
