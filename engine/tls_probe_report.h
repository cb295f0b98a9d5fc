#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sealift::engine {

// What a destination offers, and what would become of mail under each policy.
struct TlsProbeReport {
  struct Host {
    std::string name;
    int preference = 0;
    bool in_sts_policy = true;  // false: an enforced MTA-STS policy leaves it out
    std::string peer;           // "mx1.d1.test [192.0.2.1]"
    std::string dane;           // "no", "yes" (usable records), "unusable", "failed"
    bool starttls = false;
    bool requiretls = false;            // offered in TLS (RFC 8689)
    std::vector<std::string> versions;  // of TLS that it speaks with us: "TLSv1.3", "TLSv1.2"
    std::string cipher;                 // of the newest
    std::vector<std::string> certificate_names;
    std::optional<absl::Time> certificate_expires;
    std::string certificate_issuer;
    std::string trouble;  // of the connection; empty: none
  };
  struct Outcome {
    std::string policy;                // of a stream: opportunistic, ...
    std::vector<std::string> streams;  // whose mail to this domain has it, destinations counted in
    std::string applies;               // what would decide: a policy, "dane" or "mta-sts"
    std::string fate;                  // send, hold, defer
    std::string verified;              // the name that the certificate was verified for
    std::string tls;                   // the version, or "none"
    std::string why;                   // it would not be sent
  };

  std::string domain, provider;
  std::string mx;                 // found, implicit, null_mx, nxdomain, ...
  bool mx_authenticated = false;  // by a validating resolver that is trusted
  std::string sts;                // "no", "none", "testing", "enforce"
  std::string sts_id;
  std::vector<std::string> sts_mx;
  std::optional<absl::Time> sts_expires;
  std::string sts_trouble;  // of the last fetch; empty: none
  std::vector<Host> hosts;
  std::vector<Outcome> outcomes;
};

}  // namespace sealift::engine
