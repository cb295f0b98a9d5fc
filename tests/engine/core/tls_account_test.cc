// What is counted of the TLS of sessions, for whom and under which policy (RFC 8460): names, web servers and hosts come
// from an Internet in memory.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "engine/runtime/check.h"
#include "engine/tls_reports.h"
#include "tests/engine/core/shard_world.h"
#include "tls/self_signed.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class TlsAccountTest : public ShardWorld {
 protected:
  TlsAccountTest() {
    options_.tls.ca_file = folder_.path() + "/roots.pem";
    Trust(*tls::SelfSigned::Make({.names = {"root.test"}}));
  }

  void Trust(const tls::SelfSigned& root) const {
    std::ofstream(options_.tls.ca_file, std::ios::app) << root.certificate;
  }

  std::shared_ptr<tls::ServerContext> Certified(const tls::SelfSigned::Options& options, bool trusted) {
    const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make(options);
    CHECK(made.ok(), "a certificate can be made");
    if (trusted) Trust(*made);
    absl::StatusOr<std::shared_ptr<tls::ServerContext>> context =
        tls::ServerContext::Create({.certificate = made->certificate, .key = made->key});
    CHECK(context.ok(), "a server can be made");
    return *std::move(context);
  }

  void Publish(const std::string& domain, const std::string& mode, const std::string& mx) {
    internet_->SetTxt("_mta-sts." + domain, {"v=STSv1; id=1;"});
    internet_->SetDocument(
        "mta-sts." + domain,
        WebDocument{.status = 200,
                    .content_type = "text/plain",
                    .body = fmt::format("version: STSv1\nmode: {}\nmx: {}\nmax_age: 86400\n", mode, mx)});
  }

  // Ends the shard. Of all days: a run may meet midnight.
  std::vector<std::string> Lines() {
    TlsTally counted;
    OnShard([&](Scheduler& scheduler) { counted.Add(scheduler.services().tls_tally); });
    Stop();
    std::vector<std::string> lines;
    for (const auto& [day, of_day] : counted.days()) {
      for (const auto& [name, domain] : of_day.domains) {
        for (const auto& [policy, sessions] : domain.policies) {
          if (sessions.succeeded > 0)
            lines.push_back(fmt::format("{} {} successful {}", name, ToString(policy.type), sessions.succeeded));
          for (const auto& [detail, times] : sessions.details) {
            lines.push_back(fmt::format("{} {} {} {}", name, ToString(policy.type), ToString(detail.failure), times));
            details_.push_back(detail);
          }
        }
      }
    }
    return lines;
  }

  std::vector<TlsFailureDetail> details_;  // of Lines
};

TEST_F(TlsAccountTest, ASessionCountsOnceForEachDomainThatItCarriesMailOf) {
  MailServer& mx = internet_->AddHost("mx.host.test");
  mx.tls = Certified({.names = {"elsewhere.test"}}, false);  // nobody asks
  internet_->SetMx("d1.test", {{10, "mx.host.test"}});
  internet_->SetMx("d2.test", {{10, "mx.host.test"}});
  options_.smtp.connections = 1;
  options_.smtp.idle_timeout = absl::Minutes(10);
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"a@d1.test", "b@d1.test", "c@d2.test", "d@d2.test"}), 4));
  EXPECT_THAT(Lines(), ElementsAre("d1.test no-policy-found successful 1", "d2.test no-policy-found successful 1"));
}

TEST_F(TlsAccountTest, AHostWithoutStartTlsIsAFailureThoughTheMailGoes) {
  AddDomain("d1.test");
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"a@d1.test"}), 1));
  EXPECT_THAT(Lines(), ElementsAre("d1.test no-policy-found starttls-not-supported 1"));
  EXPECT_EQ(details_[0].receiving_host, "mx.d1.test");
  EXPECT_THAT(details_[0].receiving_ip, HasSubstr("127.0.1."));
  EXPECT_EQ(details_[0].sending_ip, options_.sources[0].address);
}

TEST_F(TlsAccountTest, AnEnforcedPolicyThatFailsSaysWhy) {
  MailServer& untrusted = AddDomain("d1.test");
  untrusted.tls = Certified({.names = {"mx.d1.test"}}, false);
  MailServer& misnamed = AddDomain("d2.test");
  misnamed.tls = Certified({.names = {"other.test"}}, true);
  MailServer& late = AddDomain("d3.test");
  late.tls = Certified({.names = {"mx.d3.test"},
                        .not_before = absl::FromUnixSeconds(1'600'000'000),
                        .not_after = absl::FromUnixSeconds(1'610'000'000)},
                       true);
  AddDomain("d4.test");  // has no TLS
  AddDomain("d5.test");
  for (const char* domain : {"d1.test", "d2.test", "d3.test", "d4.test"}) {
    Publish(domain, "enforce", std::string("mx.") + domain);
  }
  Publish("d5.test", "enforce", "elsewhere.test");
  Start();
  const queue::CampaignId id = Send("spring", {"a@d1.test", "a@d2.test", "a@d3.test", "a@d4.test", "a@d5.test"});
  ASSERT_TRUE(EventuallyTried(id, 5));
  EXPECT_THAT(Lines(), ElementsAre("d1.test sts certificate-not-trusted 1", "d2.test sts certificate-host-mismatch 1",
                                   "d3.test sts certificate-expired 1", "d4.test sts starttls-not-supported 1",
                                   "d5.test sts validation-failure 1"));
  EXPECT_EQ(details_[4].reason, "the MTA-STS policy does not name the MX host");
}

TEST_F(TlsAccountTest, UnderATestedPolicyTheMailGoesAndTheFailureIsCounted) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified({.names = {"other.test"}}, true);
  MailServer& good = AddDomain("d2.test");
  good.tls = Certified({.names = {"mx.d2.test"}}, true);
  AddDomain("d3.test");
  Publish("d1.test", "testing", "mx.d1.test");
  Publish("d2.test", "testing", "mx.d2.test");
  Publish("d3.test", "testing", "elsewhere.test");
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"a@d1.test", "a@d2.test", "a@d3.test"}), 3));
  EXPECT_THAT(Lines(), ElementsAre("d1.test sts certificate-host-mismatch 1", "d2.test sts successful 1",
                                   "d3.test sts validation-failure 1"));
}

TEST_F(TlsAccountTest, APolicyThatIsNotToBeHadIsAFailureOfItsOwn) {
  for (const char* domain : {"d1.test", "d2.test", "d3.test"}) AddDomain(domain);
  Publish("d1.test", "enforce", "mx.d1.test");
  internet_->SetDocument("mta-sts.d1.test", absl::UnavailableError("the fetch failed"));
  Publish("d2.test", "always", "mx.d2.test");
  Publish("d3.test", "enforce", "mx.d3.test");
  internet_->SetDocument("mta-sts.d3.test", absl::UnauthenticatedError("the certificate is not accepted"));
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"a@d1.test", "a@d2.test", "a@d3.test"}), 3));
  EXPECT_THAT(Lines(),
              ElementsAre("d1.test no-policy-found starttls-not-supported 1", "d1.test sts sts-policy-fetch-error 1",
                          "d2.test no-policy-found starttls-not-supported 1", "d2.test sts sts-policy-invalid 1",
                          "d3.test no-policy-found starttls-not-supported 1", "d3.test sts sts-webpki-invalid 1"));
}

TEST_F(TlsAccountTest, DaneIsCountedByTheRecordsOfTheHost) {
  options_.dns.trust_ad = true;
  internet_->SetSigned(true);
  const dns::Tlsa nobody{.usage = 3, .selector = 1, .matching = 1, .data = std::vector<uint8_t>(32, 0xab)};
  dns::Tlsa unusable = nobody;
  unusable.usage = 1;
  for (const char* domain : {"d1.test", "d2.test", "d3.test"}) {
    AddDomain(domain).tls = Certified({.names = {std::string("mx.") + domain}}, true);
  }
  internet_->SetTlsa("mx.d1.test", {nobody});
  internet_->SetTlsa("mx.d2.test", {unusable});
  internet_->SetTlsaVerdict("mx.d3.test", dns::Verdict::kServFail);
  AddStream("strict").tls = TlsPolicy::kDane;
  AddDomain("d4.test");
  Start();
  const queue::CampaignId id = Send("spring", {"a@d1.test", "a@d2.test", "a@d3.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(EventuallyTried(id, 2));
  ASSERT_TRUE(EventuallyTried(Send("summer", {"a@d4.test"}, {.stream = "strict"}), 1));
  EXPECT_THAT(Lines(),
              ElementsAre("d1.test tlsa validation-failure 1", "d2.test tlsa tlsa-invalid 1",
                          "d3.test no-policy-found dnssec-invalid 1", "d4.test no-policy-found dane-required 1"));
}

TEST_F(TlsAccountTest, NothingIsCountedWhereNobodyWantsTo) {
  options_.tls_report.enabled = false;
  AddDomain("d1.test");
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"a@d1.test"}), 1));
  EXPECT_THAT(Lines(), IsEmpty());
}

// RFC 8460 3: whatever the failure that it reports, and without being counted itself.
TEST_F(TlsAccountTest, AReportGoesWhereThePolicyOfTheDomainKeepsOtherMail) {
  options_.streams[0].tls = TlsPolicy::kVerify;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified({.names = {"other.test"}}, false);
  Publish("d1.test", "enforce", "elsewhere.test");
  Start();
  const queue::CampaignId id = Send("report", {"tls@d1.test"}, {.tls_report = true});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  EXPECT_THAT(Lines(), IsEmpty());
  EXPECT_THAT(EventsOf(id).at(0).evidence.tls_version, HasSubstr("TLSv1."));
}

// A host that offered STARTTLS is not spoken to in clear in the same attempt; the next one does without.
TEST_F(TlsAccountTest, WhereTlsItselfIsBrokenAReportGoesWithoutItTheNextTime) {
  options_.streams[0].retry = {absl::Milliseconds(1)};
  MailServer& mx = AddDomain("d1.test");
  mx.instead_of_handshake = "this is no TLS\r\n";
  Start();
  const queue::CampaignId id = Send("report", {"tls@d1.test"}, {.tls_report = true});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  EXPECT_THAT(Lines(), IsEmpty());
  ASSERT_THAT(mx.conversations, SizeIs(2));
  EXPECT_THAT(mx.conversations[0].clear, Not(HasSubstr("MAIL FROM")));
  EXPECT_THAT(mx.conversations[1].clear, Not(HasSubstr("STARTTLS")));
  EXPECT_EQ(EventsOf(id).back().evidence.tls_version, "none");
}

// What bounces nothing keeps no report either.
TEST_F(TlsAccountTest, WhereTheHandshakeIsCutAReportGoesWithoutItTheNextTime) {
  options_.streams[0].retry = {absl::Milliseconds(1)};
  for (const std::string domain : {"d1.test", "d2.test"}) {
    MailServer& mx = AddDomain(domain);
    mx.tls = Certified({.names = {"mx." + domain}}, false);
    const std::string ready = domain == "d1.test" ? "220 2.0.0 ready" : "454 4.7.0 not now";
    mx.script = [ready](const MailServer::Conversation&,
                        std::string_view command) -> std::optional<MailServer::Answer> {
      if (command == "STARTTLS") return MailServer::Answer{ready, true};
      return std::nullopt;
    };
  }
  Start();
  const queue::CampaignId id = Send("report", {"tls@d1.test", "tls@d2.test"}, {.tls_report = true});
  EXPECT_TRUE(EventuallyDelivered(id, 2));
}

TEST_F(TlsAccountTest, AHostThatIsDownKeepsNoReportFromAnotherWhoseTlsIsBroken) {
  options_.streams[0].retry = {absl::Milliseconds(1)};
  internet_->AddHost("mx1.d1.test");
  internet_->AddHost("mx2.d1.test").instead_of_handshake = "this is no TLS\r\n";
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  internet_->SetRefusing("mx1.d1.test", true);
  Start();
  const queue::CampaignId id = Send("report", {"tls@d1.test"}, {.tls_report = true});
  EXPECT_TRUE(EventuallyDelivered(id, 1));
}

}  // namespace
}  // namespace sealift::engine
