#include "tests/scenario/harness/certificate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/scenario/harness/process.h"

namespace sealift::scenario {
namespace {

std::string OpenSsl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), Program("openssl", "openssl"));
  Ran ran = RunCommand(arguments);
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  return std::move(ran.out);
}

std::string DigestOf(const std::string& file) { return OpenSsl({"dgst", "-sha256", "-r", file}).substr(0, 64); }

}  // namespace

CertificateAuthority::CertificateAuthority(const TempDir& dir)
    : dir_(dir), ca_file_(dir.path() / "ca.pem"), ca_key_file_(dir.path() / "ca.key") {
  OpenSsl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
           "/CN=Scenario CA", "-keyout", ca_key_file_, "-out", ca_file_});
}

CertificateAuthority::Pair CertificateAuthority::Sign(const std::string& host, int days) const {
  Pair pair{dir_.path() / (host + ".pem"), dir_.path() / (host + ".key")};
  const std::string request = dir_.path() / (host + ".csr");
  const std::string extensions = dir_.Write(host + ".ext", "subjectAltName = DNS:" + host + "\n");
  OpenSsl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + host, "-keyout",
           pair.key_file, "-out", request});
  OpenSsl({"x509", "-req", "-in", request, "-CA", ca_file_, "-CAkey", ca_key_file_, "-CAcreateserial", "-days",
           fmt::format("{}", days), "-extfile", extensions, "-out", pair.cert_file});
  return pair;
}

std::string KeyDigest(const TempDir& dir, const std::string& cert_file) {
  const std::string key = dir.Write("public.pem", OpenSsl({"x509", "-in", cert_file, "-noout", "-pubkey"}));
  const std::string der = dir.path() / "public.der";
  OpenSsl({"pkey", "-pubin", "-in", key, "-outform", "DER", "-out", der});
  return DigestOf(der);
}

std::string CertificateDigest(const TempDir& dir, const std::string& cert_file) {
  const std::string der = dir.path() / "certificate.der";
  OpenSsl({"x509", "-in", cert_file, "-outform", "DER", "-out", der});
  return DigestOf(der);
}

}  // namespace sealift::scenario
