#pragma once

#include <string>

#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// A certificate authority for one test, and what it signs. Made with the openssl command.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const TempDir& dir);

  struct Pair {
    std::string cert_file, key_file;
  };

  // A server certificate for this host name.
  Pair Sign(const std::string& host) const;

  const std::string& ca_file() const { return ca_file_; }
  // Its own, which is self-signed.
  Pair self() const { return {ca_file_, ca_key_file_}; }

 private:
  const TempDir& dir_;
  std::string ca_file_, ca_key_file_;
};

}  // namespace sealift::scenario
