#pragma once

#include <string>
#include <vector>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/process.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// Web servers that publish MTA-STS policies (RFC 8461 3.3): Python's, with TLS, on an address for each host.
class PolicyServer {
 public:
  static constexpr int kPort = 8443;

  struct Host {
    std::string address;
    CertificateAuthority::Pair certificate;
    std::string policy;  // what it answers for /.well-known/mta-sts.txt
  };

  // `name` is one of its own among those of the folder.
  PolicyServer(const TempDir& dir, const std::string& name, const std::vector<Host>& hosts);

  // How often the host at this address gave its policy.
  size_t Fetched(const std::string& address) const;
  // How often a client left the handshake with the host at this address.
  size_t Refused(const std::string& address) const;

 private:
  size_t CountOf(const std::string& line) const;

  Process process_;
};

}  // namespace sealift::scenario
