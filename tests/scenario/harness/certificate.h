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

  // A server certificate for this host name; one of -1 days has expired. The next one
  // for the same host takes its place.
  Pair Sign(const std::string& host, int days = 2) const;

  const std::string& ca_file() const { return ca_file_; }
  // Its own, which is self-signed.
  Pair self() const { return {ca_file_, ca_key_file_}; }

 private:
  const TempDir& dir_;
  std::string ca_file_, ca_key_file_;
};

// The SHA-256 in hex of a certificate's public key, and of the whole certificate, as TLSA records say them.
std::string KeyDigest(const TempDir& dir, const std::string& cert_file);
std::string CertificateDigest(const TempDir& dir, const std::string& cert_file);

}  // namespace sealift::scenario
