#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/tls/pair.h"

namespace sealift::tls {
namespace {

using testing::HasSubstr;

// A handshake under kVerify with a server that shows `shown` to a client that trusts `trusted`.
Pair Verify(const SelfSigned& shown, const std::string& trusted, const std::string& name) {
  const TempFile roots(trusted);
  Pair pair(MakeClient(roots.path()), {.sni = name, .policy = Policy::kVerify, .verify_name = name},
            MakeServer({.certificate = shown.certificate, .key = shown.key}));
  pair.Handshake();
  return pair;
}

std::string Refusal(const Pair& pair) {
  EXPECT_FALSE(pair.client->handshake_done());
  EXPECT_FALSE(pair.server->handshake_done());
  EXPECT_EQ(pair.client_status.code(), absl::StatusCode::kUnauthenticated);
  return std::string(pair.client_status.message());
}

TEST(VerifyTest, ATrustedCertificateOfTheHostIsAccepted) {
  const Pair pair = Verify(ServerCertificate(), ServerCertificate().certificate, kServerName);
  EXPECT_TRUE(pair.done());
  EXPECT_EQ(pair.client->details().verified_name, kServerName);
}

TEST(VerifyTest, AWildcardIsOneWholeLabel) {
  const SelfSigned wildcard = *SelfSigned::Make({.names = {"*.clinic.test"}});
  EXPECT_TRUE(Verify(wildcard, wildcard.certificate, "mx1.clinic.test").done());
  EXPECT_THAT(Refusal(Verify(wildcard, wildcard.certificate, "a.mx1.clinic.test")),
              HasSubstr("does not carry the name"));
  EXPECT_THAT(Refusal(Verify(wildcard, wildcard.certificate, "clinic.test")), HasSubstr("does not carry the name"));
  const SelfSigned partial = *SelfSigned::Make({.names = {"mx*.clinic.test"}});
  EXPECT_THAT(Refusal(Verify(partial, partial.certificate, "mx1.clinic.test")), HasSubstr("does not carry the name"));
}

TEST(VerifyTest, AnotherHostsCertificateIsRefused) {
  const SelfSigned other = *SelfSigned::Make({.names = {"mx1.elsewhere.test"}});
  EXPECT_EQ(Refusal(Verify(other, other.certificate, kServerName)),
            "the certificate does not carry the name mx1.clinic.test");
}

TEST(VerifyTest, ACertificateThatNobodyTrustedSignedIsRefused) {
  const SelfSigned untrusted = *SelfSigned::Make({.names = {kServerName}});
  const SelfSigned root = *SelfSigned::Make({.names = {"root.test"}});
  EXPECT_THAT(Refusal(Verify(untrusted, root.certificate, kServerName)), HasSubstr("self-signed certificate"));
}

TEST(VerifyTest, AnExpiredCertificateIsRefused) {
  const SelfSigned expired = *SelfSigned::Make({.names = {kServerName},
                                                .not_before = absl::FromUnixSeconds(1'600'000'000),
                                                .not_after = absl::FromUnixSeconds(1'610'000'000)});
  EXPECT_THAT(Refusal(Verify(expired, expired.certificate, kServerName)), HasSubstr("expired"));
}

TEST(VerifyTest, ACertificateOfTheFutureIsRefused) {
  const SelfSigned early = *SelfSigned::Make({.names = {kServerName},
                                              .not_before = absl::FromUnixSeconds(4'000'000'000),
                                              .not_after = absl::FromUnixSeconds(4'100'000'000)});
  EXPECT_THAT(Refusal(Verify(early, early.certificate, kServerName)), HasSubstr("not yet valid"));
}

TEST(VerifyTest, TheServerLearnsWhyByAnAlert) {
  const SelfSigned other = *SelfSigned::Make({.names = {"mx1.elsewhere.test"}});
  const Pair pair = Verify(other, other.certificate, kServerName);
  EXPECT_THAT(std::string(pair.server_status.message()),
              HasSubstr("the peer ended TLS with the alert 'bad certificate'"));
}

TEST(VerifyTest, WhatIsWrongIsKnownWhetherOrNotItIsAskedFor) {
  using Kind = CertificateFault::Kind;
  const SelfSigned good = ServerCertificate(), other = *SelfSigned::Make({.names = {"mx1.elsewhere.test"}});
  const SelfSigned expired = *SelfSigned::Make({.names = {kServerName},
                                                .not_before = absl::FromUnixSeconds(1'600'000'000),
                                                .not_after = absl::FromUnixSeconds(1'610'000'000)});
  const struct {
    const SelfSigned& shown;
    const SelfSigned& root;
    std::optional<Kind> kind;
  } cases[] = {{good, good, std::nullopt},
               {other, other, Kind::kName},
               {expired, expired, Kind::kExpired},
               {good, other, Kind::kNotTrusted}};
  for (const auto& [shown, root, kind] : cases) {
    const TempFile roots(root.certificate);
    for (const Policy policy : {Policy::kOpportunistic, Policy::kRequire, Policy::kVerify}) {
      const std::string verify = policy == Policy::kVerify ? kServerName : "";
      Pair pair(MakeClient(roots.path()), {.sni = kServerName, .policy = policy, .verify_name = verify},
                MakeServer({.certificate = shown.certificate, .key = shown.key}));
      pair.Handshake();
      EXPECT_EQ(pair.done(), !kind.has_value() || policy < Policy::kVerify);
      const std::optional<CertificateFault> fault = pair.client->certificate_fault();
      ASSERT_EQ(fault.has_value(), kind.has_value());
      if (!fault.has_value()) continue;
      EXPECT_EQ(fault->kind, *kind);
      EXPECT_FALSE(fault->words.empty());
    }
  }
}

TEST(VerifyTest, UnverifiedPoliciesAcceptAnyCertificate) {
  for (const Policy policy : {Policy::kOpportunistic, Policy::kRequire}) {
    const SelfSigned expired = *SelfSigned::Make({.names = {"elsewhere.test"},
                                                  .not_before = absl::FromUnixSeconds(1'600'000'000),
                                                  .not_after = absl::FromUnixSeconds(1'610'000'000)});
    Pair pair(MakeClient(), {.sni = kServerName, .policy = policy},
              MakeServer({.certificate = expired.certificate, .key = expired.key}));
    pair.Handshake();
    EXPECT_TRUE(pair.done());
    EXPECT_EQ(pair.client->details().verified_name, "");
  }
}

}  // namespace
}  // namespace sealift::tls
