#include "tests/scenario/harness/certificate.h"

#include <gtest/gtest.h>

#include "tests/scenario/harness/process.h"

namespace sealift::scenario {
namespace {

void OpenSsl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), Program("openssl", "openssl"));
  const Ran ran = RunCommand(arguments);
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
}

}  // namespace

CertificateAuthority::CertificateAuthority(const TempDir& dir)
    : dir_(dir), ca_file_(dir.path() / "ca.pem"), ca_key_file_(dir.path() / "ca.key") {
  OpenSsl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
           "/CN=Scenario CA", "-keyout", ca_key_file_, "-out", ca_file_});
}

CertificateAuthority::Pair CertificateAuthority::Sign(const std::string& host) const {
  Pair pair{dir_.path() / (host + ".pem"), dir_.path() / (host + ".key")};
  const std::string request = dir_.path() / (host + ".csr");
  const std::string extensions = dir_.Write(host + ".ext", "subjectAltName = DNS:" + host + "\n");
  OpenSsl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + host, "-keyout",
           pair.key_file, "-out", request});
  OpenSsl({"x509", "-req", "-in", request, "-CA", ca_file_, "-CAkey", ca_key_file_, "-CAcreateserial", "-days", "2",
           "-extfile", extensions, "-out", pair.cert_file});
  return pair;
}

}  // namespace sealift::scenario
