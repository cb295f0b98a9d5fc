// Beside every server that is refused stands a client without the restriction, which takes it: what is refused works.
#include "tls/sp800_52.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "tests/tls/pair.h"

namespace sealift::tls {
namespace {

using testing::HasSubstr;

// A certificate that a key of this kind vouches for itself with: "RSA" and its bits, "P-256", "ED25519".
SelfSigned CertificateOf(const std::string& kind, size_t bits = 0) {
  const PrivateKeyPtr key(kind == "RSA"       ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits)
                          : kind == "ED25519" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                              : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind.c_str()));
  const X509Ptr certificate(X509_new());
  EXPECT_TRUE(key != nullptr && certificate != nullptr) << kind;
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86'400);
  X509_set_pubkey(certificate.get(), key.get());
  EXPECT_GT(X509_sign(certificate.get(), key.get(), kind == "ED25519" ? nullptr : EVP_sha256()), 0) << kind;
  const auto text_of = [](BIO* bio) {
    char* bytes = nullptr;
    const auto size = static_cast<size_t>(BIO_get_mem_data(bio, &bytes));
    return std::string(bytes, size);
  };
  const BioPtr certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate_text.get(), certificate.get());
  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {.certificate = text_of(certificate_text.get()), .key = text_of(key_text.get())};
}

struct Offer {
  std::string name;
  ServerContext::Options options;
  const char* groups = nullptr;
  SelfSigned certificate = ServerCertificate();
};

std::shared_ptr<ServerContext> ServerOf(const Offer& offer) {
  ServerContext::Options options = offer.options;
  options.certificate = offer.certificate.certificate;
  options.key = offer.certificate.key;
  std::shared_ptr<ServerContext> server = MakeServer(options);
  if (offer.groups != nullptr) EXPECT_EQ(SSL_CTX_set1_groups_list(server->ssl_ctx(), offer.groups), 1) << offer.groups;
  return server;
}

// Whom nobody verifies, as under `require`.
absl::Status Meet(const Offer& offer, bool fips, std::string* cipher = nullptr) {
  Pair pair(ClientContext::Create({.fips = fips}).value(), {.policy = Policy::kRequire}, ServerOf(offer));
  pair.Handshake();
  if (cipher != nullptr) *cipher = pair.client->details().cipher;
  return pair.client_status;
}

TEST(Sp80052Test, WhatIsNotApprovedIsRefused) {
  const std::vector<Offer> offers = {
      {"TLS 1.3 with ChaCha20", {.suites = {"TLS_CHACHA20_POLY1305_SHA256"}}},
      {"TLS 1.2 with ChaCha20", {.max_version = "1.2", .suites = {"ECDHE-ECDSA-CHACHA20-POLY1305"}}},
      {"RSA key transport",
       {.max_version = "1.2", .suites = {"AES256-GCM-SHA384"}},
       nullptr,
       CertificateOf("RSA", 2048)},
      {"X25519", {}, "X25519"},
      {"X25519 in TLS 1.2", {.max_version = "1.2"}, "X25519"},
      {"X448", {}, "X448"},
      {"Ed25519", {}, nullptr, CertificateOf("ED25519")},
  };
  for (const Offer& offer : offers) {
    SCOPED_TRACE(offer.name);
    EXPECT_TRUE(Meet(offer, /*fips=*/false).ok()) << Meet(offer, false);
    const absl::Status refused = Meet(offer, /*fips=*/true);
    EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("SP 800-52r2"));
  }
}

TEST(Sp80052Test, WhatIsApprovedIsSpoken) {
  const std::vector<Offer> offers = {
      {"TLS_AES_256_GCM_SHA384", {.suites = {"TLS_AES_256_GCM_SHA384"}}},
      {"TLS_AES_128_GCM_SHA256", {.suites = {"TLS_AES_128_GCM_SHA256"}}},
      {"TLS_AES_128_CCM_SHA256", {.suites = {"TLS_AES_128_CCM_SHA256"}}},
      {"ECDHE-ECDSA-AES256-GCM-SHA384", {.max_version = "1.2", .suites = {"ECDHE-ECDSA-AES256-GCM-SHA384"}}},
      {"ECDHE-ECDSA-AES128-CCM", {.max_version = "1.2", .suites = {"ECDHE-ECDSA-AES128-CCM"}}},
      {"ECDHE-ECDSA-AES128-SHA256", {.max_version = "1.2", .suites = {"ECDHE-ECDSA-AES128-SHA256"}}},
      {"ECDHE-RSA-AES128-GCM-SHA256",
       {.max_version = "1.2", .suites = {"ECDHE-RSA-AES128-GCM-SHA256"}},
       nullptr,
       CertificateOf("RSA", 2048)},
      {"ECDHE-RSA-AES256-SHA",
       {.max_version = "1.2", .suites = {"ECDHE-RSA-AES256-SHA"}},
       nullptr,
       CertificateOf("RSA", 3072)},
  };
  for (const Offer& offer : offers) {
    SCOPED_TRACE(offer.name);
    std::string cipher;
    EXPECT_TRUE(Meet(offer, /*fips=*/true, &cipher).ok()) << Meet(offer, true);
    EXPECT_EQ(cipher, offer.name);
  }
  for (const char* group : {"P-256", "P-384", "P-521", "ffdhe2048", "ffdhe3072"}) {
    EXPECT_TRUE(Meet({group, {}, group}, /*fips=*/true).ok()) << group;
  }
  EXPECT_TRUE(Meet({"P-384", {}, nullptr, CertificateOf("P-384")}, /*fips=*/true).ok());
}

// `require` asks nothing of a certificate, and a handshake is only as strong as the key that signs it.
TEST(Sp80052Test, AKeyBelow112BitsIsRefusedWhoeverVouchesForIt) {
  Offer weak = {"RSA of 1,024 bits", {.max_version = "1.2", .suites = {"ECDHE-RSA-AES256-GCM-SHA384@SECLEVEL=0"}}};
  weak.certificate = CertificateOf("RSA", 1024);
  EXPECT_TRUE(Meet(weak, /*fips=*/false).ok()) << Meet(weak, false);
  const absl::Status refused = Meet(weak, /*fips=*/true);
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("112 bits"));
}

TEST(Sp80052Test, NoSessionOfALaxerClientIsResumed) {
  EXPECT_NE(ClientContext::Create({.fips = true}).value()->roots(), ClientContext::Create({}).value()->roots());
}

}  // namespace
}  // namespace sealift::tls
