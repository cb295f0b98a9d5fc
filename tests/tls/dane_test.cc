#include "tls/dane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tests/tls/pair.h"

namespace sealift::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint8_t kTrustAnchor = 2, kEndEntity = 3;
constexpr uint8_t kWhole = 0, kKey = 1;
constexpr uint8_t kExact = 0, kSha256 = 1, kSha512 = 2;

X509Ptr Parse(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

// The record that this certificate, or its key, matches.
TlsaRecord RecordOf(const SelfSigned& certificate, uint8_t usage, uint8_t selector, uint8_t matching) {
  const X509Ptr x509 = Parse(certificate.certificate);
  unsigned char* der = nullptr;
  const int size =
      selector == kWhole ? i2d_X509(x509.get(), &der) : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509.get()), &der);
  TlsaRecord record{.usage = usage, .selector = selector, .matching = matching, .data = {}};
  record.data.assign(der, der + size);
  OPENSSL_free(der);
  if (matching == kExact) return record;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned digest_size = 0;
  EVP_Digest(record.data.data(), record.data.size(), digest, &digest_size,
             matching == kSha256 ? EVP_sha256() : EVP_sha512(), nullptr);
  record.data.assign(digest, digest + digest_size);
  return record;
}

Channel::ClientOptions Dane(std::vector<TlsaRecord> records, SessionCache* sessions = nullptr) {
  return {.sni = kServerName,
          .policy = Policy::kDane,
          .verify_name = kServerName,
          .tlsa = std::move(records),
          .sessions = sessions,
          .session_key = "mx1.clinic.test:25"};
}

Pair Connect(const SelfSigned& shown, const Channel::ClientOptions& options) {
  Pair pair(MakeClient(), options, MakeServer({.certificate = shown.certificate, .key = shown.key}));
  pair.Handshake();
  if (pair.done()) EXPECT_EQ(Send(*pair.server, *pair.client, "250 mx1\r\n"), "250 mx1\r\n");
  return pair;
}

SelfSigned Named(const std::string& name) { return *SelfSigned::Make({.names = {name}}); }

SelfSigned Expired() {
  return *SelfSigned::Make({.names = {kServerName},
                            .not_before = absl::FromUnixSeconds(1'600'000'000),
                            .not_after = absl::FromUnixSeconds(1'610'000'000)});
}

TEST(DaneTest, ACertificateThatItsRecordNamesIsAcceptedThoughNobodySignedIt) {
  for (const uint8_t selector : {kWhole, kKey}) {
    for (const uint8_t matching : {kExact, kSha256, kSha512}) {
      const TlsaRecord record = RecordOf(ServerCertificate(), kEndEntity, selector, matching);
      const Pair pair = Connect(ServerCertificate(), Dane({record}));
      EXPECT_TRUE(pair.done()) << int{selector} << " " << int{matching} << " " << pair.client_status;
      EXPECT_EQ(pair.client->details().verified_name, kServerName);
    }
  }
}

TEST(DaneTest, AnotherCertificateIsRefusedWhoeverSignedIt) {
  const SelfSigned other = Named(kServerName);
  const TempFile roots(other.certificate);
  Pair pair(MakeClient(roots.path()), Dane({RecordOf(ServerCertificate(), kEndEntity, kKey, kSha256)}),
            MakeServer({.certificate = other.certificate, .key = other.key}));
  pair.Handshake();
  EXPECT_FALSE(pair.done());
  EXPECT_EQ(pair.client_status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(pair.client_status.message()), HasSubstr("DANE"));
}

TEST(DaneTest, OneOfSeveralRecordsIsEnough) {
  const std::vector<TlsaRecord> records = {RecordOf(Named(kServerName), kEndEntity, kKey, kSha256),
                                           RecordOf(ServerCertificate(), kEndEntity, kKey, kSha256)};
  EXPECT_TRUE(Connect(ServerCertificate(), Dane(records)).done());
}

TEST(DaneTest, OfAnEndEntityNeitherNameNorDateMatter) {
  const SelfSigned expired = Expired();
  EXPECT_TRUE(Connect(expired, Dane({RecordOf(expired, kEndEntity, kKey, kSha256)})).done());
  const SelfSigned elsewhere = Named("mx.elsewhere.test");
  EXPECT_TRUE(Connect(elsewhere, Dane({RecordOf(elsewhere, kEndEntity, kKey, kSha256)})).done());
}

PrivateKeyPtr KeyOf(const SelfSigned& pair) {
  const BioPtr bio(BIO_new_mem_buf(pair.key.data(), static_cast<int>(pair.key.size())));
  return PrivateKeyPtr(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

// The same certificate, but signed by `issuer`, whose own follows it.
SelfSigned SignedBy(const SelfSigned& issuer, const SelfSigned& leaf) {
  const X509Ptr root = Parse(issuer.certificate);
  const X509Ptr certificate = Parse(leaf.certificate);
  EXPECT_EQ(X509_set_issuer_name(certificate.get(), X509_get_subject_name(root.get())), 1);
  EXPECT_GT(X509_sign(certificate.get(), KeyOf(issuer).get(), EVP_sha256()), 0);
  const BioPtr pem(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_X509(pem.get(), certificate.get()), 1);
  char* bytes = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(pem.get(), &bytes));
  return {.certificate = std::string(bytes, size) + issuer.certificate, .key = leaf.key};
}

TEST(DaneTest, UnderATrustAnchorNameAndDateDo) {
  const SelfSigned anchor = Named("anchor.test");
  const Channel::ClientOptions options = Dane({RecordOf(anchor, kTrustAnchor, kWhole, kSha256)});
  const Pair good = Connect(SignedBy(anchor, Named(kServerName)), options);
  EXPECT_TRUE(good.done()) << good.client_status;
  EXPECT_EQ(good.client->details().verified_name, kServerName);
  const Pair wrong = Connect(SignedBy(anchor, Named("mx.elsewhere.test")), options);
  EXPECT_FALSE(wrong.done());
  EXPECT_THAT(std::string(wrong.client_status.message()), HasSubstr("does not carry the name mx1.clinic.test"));
  const Pair late = Connect(SignedBy(anchor, Expired()), options);
  EXPECT_FALSE(late.done());
  EXPECT_THAT(std::string(late.client_status.message()), HasSubstr("expired"));
  const Pair other = Connect(SignedBy(Named("anchor.test"), Named(kServerName)), options);
  EXPECT_FALSE(other.done());
}

TEST(DaneTest, UnderATrustAnchorTheOtherNameDoesAsWell) {
  const SelfSigned anchor = Named("anchor.test");
  Channel::ClientOptions options = Dane({RecordOf(anchor, kTrustAnchor, kWhole, kSha256)});
  options.other_name = "mx.alias.test";
  EXPECT_TRUE(Connect(SignedBy(anchor, Named("mx.alias.test")), options).done());
  EXPECT_TRUE(Connect(SignedBy(anchor, Named(kServerName)), options).done());
  EXPECT_FALSE(Connect(SignedBy(anchor, Named("mx.elsewhere.test")), options).done());
}

TEST(DaneTest, TheBaseDomainIsTheNameThatIsAskedFor) {
  Channel::ClientOptions options = Dane({RecordOf(ServerCertificate(), kEndEntity, kKey, kSha256)});
  options.sni.clear();
  const Pair pair = Connect(ServerCertificate(), options);
  ASSERT_TRUE(pair.done());
  EXPECT_EQ(pair.server->details().server_name, kServerName);
}

TEST(DaneTest, WhatIsNoMailServersIsNotUsable) {
  const auto client = MakeClient();
  const TlsaRecord good = RecordOf(ServerCertificate(), kEndEntity, kKey, kSha256);
  TlsaRecord pkix_ta = good, pkix_ee = good, selector = good, matching = good, cut = good, empty = good;
  pkix_ta.usage = 0;
  pkix_ee.usage = 1;
  selector.selector = 2;
  matching.matching = 9;
  cut.data.pop_back();
  empty.data.clear();
  TlsaRecord no_certificate{.usage = kTrustAnchor, .selector = kWhole, .matching = kExact, .data = {1, 2, 3}};
  const std::vector<TlsaRecord> records = {pkix_ta, pkix_ee, selector, good, matching, cut, empty, no_certificate};
  EXPECT_THAT(UsableRecords(*client, records), ElementsAre(good));
  EXPECT_THAT(UsableRecords(*client, std::vector<TlsaRecord>{pkix_ta, pkix_ee}), IsEmpty());
}

TEST(DaneTest, WithoutAUsableRecordThereIsNoConnection) {
  TlsaRecord pkix = RecordOf(ServerCertificate(), kEndEntity, kKey, kSha256);
  pkix.matching = 9;
  EXPECT_FALSE(Channel::Client(MakeClient(), Dane({pkix})).ok());
  EXPECT_FALSE(Channel::Client(MakeClient(), Dane({})).ok());
}

TEST(DaneTest, ASessionIsResumedUnderTheSameRecordsOnly) {
  SessionCache sessions{{}};
  const TlsaRecord first = RecordOf(ServerCertificate(), kEndEntity, kKey, kSha256);
  const TlsaRecord second = RecordOf(ServerCertificate(), kEndEntity, kWhole, kSha256);
  const auto client = MakeClient();
  const auto server = MakeServer();
  const auto resumed = [&](const std::vector<TlsaRecord>& records) {
    Pair pair(client, Dane(records, &sessions), server);
    pair.Handshake();
    EXPECT_TRUE(pair.done());
    Send(*pair.server, *pair.client, "250 mx1\r\n");
    return pair.client->details().resumed;
  };
  EXPECT_FALSE(resumed({first}));
  EXPECT_TRUE(resumed({first}));
  EXPECT_FALSE(resumed({second}));
  EXPECT_FALSE(resumed({first, second}));
  EXPECT_TRUE(resumed({second, first}));  // their order is the resolver's
}

}  // namespace
}  // namespace sealift::tls
