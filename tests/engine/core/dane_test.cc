// What a session does with the TLSA records of a host (RFC 7672): the names come from an Internet in memory, whose
// answers are signed or not, as each test says.
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "engine/explain.h"
#include "engine/runtime/check.h"
#include "tests/engine/core/shard_world.h"
#include "tls/openssl.h"
#include "tls/self_signed.h"

namespace sealift::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct Identity {
  std::shared_ptr<tls::ServerContext> context;
  dns::Tlsa record;  // DANE-EE, the key's SHA-256
};

Identity Make(const tls::SelfSigned::Options& options) {
  const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make(options);
  CHECK(made.ok(), "a certificate can be made");
  absl::StatusOr<std::shared_ptr<tls::ServerContext>> context =
      tls::ServerContext::Create({.certificate = made->certificate, .key = made->key});
  CHECK(context.ok(), "a server can be made");
  Identity identity{.context = *std::move(context), .record = {.usage = 3, .selector = 1, .matching = 1, .data = {}}};
  const tls::BioPtr bio(BIO_new_mem_buf(made->certificate.data(), static_cast<int>(made->certificate.size())));
  const tls::X509Ptr x509(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509.get()), &der);
  identity.record.data.resize(32);
  EVP_Digest(der, static_cast<size_t>(size), identity.record.data.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  return identity;
}

class DaneTest : public ShardWorld {
 protected:
  DaneTest() {
    options_.dns.trust_ad = true;
    internet_->SetSigned(true);
  }

  void Require(TlsPolicy policy) { options_.streams[0].tls = policy; }

  // One row was tried and is queued still, and the others are: nothing bounced, and nothing was said in clear.
  void ExpectWaiting(queue::CampaignId id, const MailServer& mx, const std::string& why,
                     const std::string& reason = "tls") {
    ASSERT_TRUE(EventuallyTried(id, 1));
    Stop();
    EXPECT_EQ(CountersOf(id).queued(), CountersOf(id).accepted);
    const queue::Event event = EventsOf(id).at(0);
    EXPECT_EQ(event.reason_class, reason);
    EXPECT_THAT(event.reply, HasSubstr(why));
    EXPECT_THAT(mx.contents, IsEmpty());
    for (const MailServer::Conversation& conversation : mx.conversations) {
      EXPECT_THAT(conversation.clear, Not(HasSubstr("MAIL")));
    }
  }

  const Identity good_ = Make({.names = {"mx.d1.test"}});
  const Identity other_ = Make({.names = {"mx.d1.test"}});
};

TEST_F(DaneTest, AHostIsWhoItsRecordSaysWhateverTheStreamAsks) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = good_.context;
  internet_->SetTlsa("mx.d1.test", {good_.record});
  for (const TlsPolicy policy : {TlsPolicy::kRequire, TlsPolicy::kVerify, TlsPolicy::kDane}) {
    StreamOptions& stream = AddStream(std::string(ToString(policy)));
    stream.tls = policy;
  }
  Start();
  for (const StreamOptions& stream : options_.streams) {
    const queue::CampaignId id = Send("to-" + stream.name, {"jane@d1.test"}, {.stream = stream.name});
    ASSERT_TRUE(EventuallyDelivered(id, 1)) << stream.name;
    const queue::Event event = EventsOf(id).at(0);
    EXPECT_EQ(event.evidence.policy, "dane") << stream.name;
    EXPECT_EQ(event.evidence.verified_name, "mx.d1.test") << stream.name;
    EXPECT_THAT(event.evidence.tls_version, StartsWith("TLSv1."));
  }
  Stop();
}

TEST_F(DaneTest, AnotherCertificateGetsNothingThoughTlsIsOpportunistic) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = other_.context;
  internet_->SetTlsa("mx.d1.test", {good_.record});
  Start();
  ExpectWaiting(Send("spring", Recipients(3, "d1.test")), mx, "DANE");
}

TEST_F(DaneTest, NothingBouncesForWhatAHostHadPromised) {
  Require(TlsPolicy::kRequire);
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  MailServer& mx = AddDomain("d1.test");
  internet_->SetTlsa("mx.d1.test", {good_.record});
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  OnShard([&](Scheduler& scheduler) { EXPECT_EQ(CountBlocked(scheduler, id).held, 3u); });
  ExpectWaiting(id, mx, "does not offer STARTTLS, which DANE promises");
}

TEST_F(DaneTest, AHostThatFailsGivesWayToTheNext) {
  MailServer& first = internet_->AddHost("mx1.d1.test");
  MailServer& second = internet_->AddHost("mx2.d1.test");
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  first.tls = other_.context;
  second.tls = other_.context;
  internet_->SetTlsa("mx1.d1.test", {good_.record});
  internet_->SetTlsa("mx2.d1.test", {other_.record});
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(first.contents, IsEmpty());
  EXPECT_EQ(EventsOf(id).at(0).evidence.verified_name, "mx2.d1.test");
}

TEST_F(DaneTest, AFailedLookupOfTheRecordsLeavesTheHostAlone) {
  for (const dns::Verdict verdict : {dns::Verdict::kServFail, dns::Verdict::kTimeout, dns::Verdict::kBadAnswer}) {
    internet_->SetTlsaVerdict("mx.d1.test", verdict);
  }
  MailServer& mx = AddDomain("d1.test");
  mx.tls = good_.context;
  Start();
  ExpectWaiting(Send("spring", Recipients(3, "d1.test")), mx, "the lookup of its TLSA records failed", "dns");
  EXPECT_THAT(mx.conversations, IsEmpty());
}

TEST_F(DaneTest, RecordsThatCannotBeUsedStillMakeTlsMandatory) {
  dns::Tlsa pkix = good_.record;
  pkix.usage = 1;
  MailServer& clear = AddDomain("d1.test");
  MailServer& secure = AddDomain("d2.test");
  secure.tls = other_.context;  // unauthenticated
  internet_->SetTlsa("mx.d1.test", {pkix});
  internet_->SetTlsa("mx.d2.test", {pkix});
  Start();
  const queue::CampaignId second = Send("second", {"jane@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(second, 1));
  EXPECT_EQ(EventsOf(second).at(0).evidence.verified_name, "");
  EXPECT_EQ(EventsOf(second).at(0).evidence.policy, "dane");
  ExpectWaiting(Send("first", Recipients(3, "d1.test")), clear, "does not offer STARTTLS");
}

TEST_F(DaneTest, RecordsThatCannotBeUsedAreNoDaneForAStreamThatAsksForIt) {
  Require(TlsPolicy::kDane);
  dns::Tlsa pkix = good_.record;
  pkix.usage = 1;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = good_.context;
  internet_->SetTlsa("mx.d1.test", {pkix});
  Start();
  ExpectWaiting(Send("spring", Recipients(3, "d1.test")), mx, "none of its TLSA records can be used");
  EXPECT_THAT(mx.conversations, IsEmpty());
}

TEST_F(DaneTest, DaneOrNothingTakesNoHostWithoutRecords) {
  Require(TlsPolicy::kDane);
  MailServer& mx = AddDomain("d1.test");
  mx.tls = good_.context;
  Start();
  ExpectWaiting(Send("spring", Recipients(3, "d1.test")), mx, "the host has no signed TLSA records");
  EXPECT_THAT(mx.conversations, IsEmpty());
}

TEST_F(DaneTest, DaneOrNothingTakesNoNamesThatAreNotSigned) {
  Require(TlsPolicy::kDane);
  internet_->SetSigned(false);
  MailServer& mx = AddDomain("d1.test");
  mx.tls = good_.context;
  internet_->SetTlsa("mx.d1.test", {good_.record});
  Start();
  ExpectWaiting(Send("spring", Recipients(3, "d1.test")), mx, "the domain's MX records are not signed");
  EXPECT_THAT(mx.conversations, IsEmpty());
}

TEST_F(DaneTest, OfAHostWhoseAddressesAreNotSignedNoRecordsAreAskedFor) {
  internet_->SetSigned(false);
  MailServer& mx = AddDomain("d1.test");
  mx.tls = other_.context;
  internet_->SetTlsa("mx.d1.test", {good_.record});
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(internet_->tlsa_lookups, IsEmpty());
  EXPECT_EQ(EventsOf(id).at(0).evidence.policy, "opportunistic");
}

TEST_F(DaneTest, WhatNoTrustedResolverSaysIsNotBelieved) {
  options_.dns.trust_ad = false;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = other_.context;
  internet_->SetTlsa("mx.d1.test", {good_.record});
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(internet_->tlsa_lookups, IsEmpty());
}

TEST_F(DaneTest, AnAliasIsAskedAboutByItsEndFirst) {
  MailServer& mx = internet_->AddHost("real.host.test");
  mx.tls = good_.context;
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  internet_->SetAlias("mx.d1.test", "real.host.test");
  internet_->SetTlsa("mx.d1.test", {good_.record});
  Start();
  const queue::CampaignId first = Send("first", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(first, 1));
  EXPECT_EQ(EventsOf(first).at(0).evidence.verified_name, "mx.d1.test");
  Stop();
  EXPECT_THAT(internet_->tlsa_lookups, ElementsAre("_25._tcp.real.host.test", "_25._tcp.mx.d1.test"));
}

TEST_F(DaneTest, OfAnEndEntityNeitherNameNorDateMatter) {
  const Identity late = Make({.names = {"elsewhere.test"},
                              .not_before = absl::FromUnixSeconds(1'600'000'000),
                              .not_after = absl::FromUnixSeconds(1'610'000'000)});
  MailServer& mx = AddDomain("d1.test");
  mx.tls = late.context;
  internet_->SetTlsa("mx.d1.test", {late.record});
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test"}), 1));
  Stop();
}

}  // namespace
}  // namespace sealift::engine
