// What a domain's MTA-STS policy makes of its mail (RFC 8461): records, web servers and hosts come from an Internet in
// memory, the policies are kept as the node keeps them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "engine/explain.h"
#include "engine/runtime/check.h"
#include "tests/engine/core/shard_world.h"
#include "tls/self_signed.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string PolicyText(const std::string& mode, const std::string& mx, int max_age = 86'400) {
  return fmt::format("version: STSv1\r\nmode: {}\r\nmx: {}\r\nmax_age: {}\r\n", mode, mx, max_age);
}

WebDocument Text(std::string body) { return {.status = 200, .content_type = "text/plain", .body = std::move(body)}; }

class MtaStsTest : public ShardWorld {
 protected:
  MtaStsTest() { options_.tls.ca_file = folder_.path() + "/roots.pem"; }

  // A server certificate for these names; `trusted`: under the roots.
  std::shared_ptr<tls::ServerContext> Certificate(const std::vector<std::string>& names, bool trusted) {
    const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make({.names = names});
    CHECK(made.ok(), "a certificate can be made");
    std::ofstream(options_.tls.ca_file, std::ios::app) << (trusted ? made->certificate : Unused());
    absl::StatusOr<std::shared_ptr<tls::ServerContext>> context =
        tls::ServerContext::Create({.certificate = made->certificate, .key = made->key});
    CHECK(context.ok(), "a server can be made");
    return *std::move(context);
  }

  void Publish(const std::string& domain, const std::string& id, absl::StatusOr<WebDocument> document) {
    internet_->SetTxt("_mta-sts." + domain, {fmt::format("v=STSv1; id={};", id)});
    internet_->SetDocument("mta-sts." + domain, std::move(document));
  }

  void KeepPolicy(const std::string& domain, const std::string& id, const std::string& text, absl::Time expires,
                  absl::Time fetched = absl::Now()) {
    StsRecord record{.id = id, .fetched = fetched, .expires = expires};
    record.policy = *dns::StsPolicy::Parse(text);
    sts_policies_.Keep(domain, std::move(record));
  }

  void ExpectHeld(queue::CampaignId id, const MailServer& mx, const std::string& why) {
    ASSERT_TRUE(EventuallyTried(id, 1));
    OnShard([&](Scheduler& scheduler) { EXPECT_EQ(CountBlocked(scheduler, id).held, CountersOf(id).accepted); });
    Stop();
    EXPECT_EQ(CountersOf(id).queued(), CountersOf(id).accepted);
    EXPECT_THAT(EventsOf(id).at(0).reply, HasSubstr(why));
    EXPECT_THAT(mx.contents, IsEmpty());
    for (const MailServer::Conversation& conversation : mx.conversations) {
      EXPECT_THAT(conversation.clear, Not(HasSubstr("MAIL")));
    }
  }

 private:
  static std::string Unused() { return tls::SelfSigned::Make({.names = {"root.test"}})->certificate; }
};

TEST_F(MtaStsTest, AnEnforcedPolicyAsksForTheHostsOwnCertificate) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certificate({"mx.d1.test"}, true);
  Publish("d1.test", "1", Text(PolicyText("enforce", "mx.d1.test")));
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  const queue::Event event = EventsOf(id).at(0);
  EXPECT_EQ(event.evidence.policy, "mta-sts");
  EXPECT_EQ(event.evidence.verified_name, "mx.d1.test");
  ASSERT_THAT(internet_->fetches, SizeIs(1));
  EXPECT_EQ(internet_->fetches[0].host, "mta-sts.d1.test");
  EXPECT_EQ(internet_->fetches[0].path, "/.well-known/mta-sts.txt");
  EXPECT_EQ(internet_->fetches[0].port, 443);
}

TEST_F(MtaStsTest, WithoutThatCertificateNothingIsDeliveredAndNothingBounces) {
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  options_.streams[0].tls = TlsPolicy::kRequire;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certificate({"mx.d1.test"}, false);
  Publish("d1.test", "1", Text(PolicyText("enforce", "mx.d1.test")));
  Start();
  ExpectHeld(Send("spring", Recipients(3, "d1.test")), mx, "self-signed certificate");
}

TEST_F(MtaStsTest, AHostWithoutTlsIsHeldUnderAnEnforcedPolicyThoughTheStreamWouldTakeIt) {
  MailServer& mx = AddDomain("d1.test");
  Publish("d1.test", "1", Text(PolicyText("enforce", "mx.d1.test")));
  std::ofstream(options_.tls.ca_file) << tls::SelfSigned::Make({.names = {"root.test"}})->certificate;
  Start();
  ExpectHeld(Send("spring", Recipients(3, "d1.test")), mx, "does not offer STARTTLS, which MTA-STS promises");
}

TEST_F(MtaStsTest, AHostThatThePolicyDoesNotNameGetsNothing) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certificate({"mx.d1.test"}, true);
  Publish("d1.test", "1", Text(PolicyText("enforce", "other.d1.test")));
  Start();
  ExpectHeld(Send("spring", Recipients(3, "d1.test")), mx, "none of the domain's MX hosts");
  EXPECT_THAT(mx.conversations, IsEmpty());
}

TEST_F(MtaStsTest, OfSeveralHostsThoseThatThePolicyNamesAreTried) {
  MailServer& intruder = internet_->AddHost("mx.elsewhere.test");
  MailServer& mx = internet_->AddHost("mx.d1.test");
  internet_->SetMx("d1.test", {{1, "mx.elsewhere.test"}, {10, "mx.d1.test"}});
  intruder.tls = Certificate({"mx.elsewhere.test"}, true);
  mx.tls = Certificate({"mx.d1.test"}, true);
  Publish("d1.test", "1", Text(PolicyText("enforce", "*.d1.test")));
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test"}), 1));
  Stop();
  EXPECT_THAT(intruder.conversations, IsEmpty());
  EXPECT_THAT(mx.contents, SizeIs(1));
}

TEST_F(MtaStsTest, DomainsOfOneSiteKeepTheirOwnPolicies) {
  MailServer& mx = internet_->AddHost("mx.d1.test");
  mx.tls = Certificate({"mx.d1.test"}, false);
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  internet_->SetMx("d2.test", {{10, "mx.d1.test"}});
  Publish("d1.test", "1", Text(PolicyText("enforce", "mx.d1.test")));
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test", "john@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_THAT(mx.contents, SizeIs(1));
  for (const queue::Event& event : EventsOf(id)) {
    EXPECT_EQ(event.kind == queue::OutcomeKind::kDelivered, event.recipient == "john@d2.test");
  }
}

TEST_F(MtaStsTest, ATestedPolicyAndNoneBindNothing) {
  for (const char* mode : {"testing", "none"}) {
    const std::string domain = std::string(mode) + ".test";
    AddDomain(domain);
    Publish(domain, "1", Text(PolicyText(mode, "other.test")));
  }
  std::ofstream(options_.tls.ca_file) << tls::SelfSigned::Make({.names = {"root.test"}})->certificate;
  Start();
  const queue::CampaignId id = Send("spring", {"jane@testing.test", "john@none.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  Stop();
  for (const queue::Event& event : EventsOf(id)) EXPECT_EQ(event.evidence.policy, "opportunistic");
}

TEST_F(MtaStsTest, AKeptPolicyBindsWhateverFails) {
  const std::vector<std::pair<std::string, absl::StatusOr<WebDocument>>> failures = {
      {"gone.test", absl::UnavailableError("no answer")},
      {"redirect.test", WebDocument{.status = 301, .content_type = "text/plain"}},
      {"html.test", WebDocument{.status = 200, .content_type = "text/html", .body = PolicyText("none", "a.test")}},
      {"other.test", WebDocument{.status = 200, .content_type = "text/plainer", .body = PolicyText("none", "a.test")}},
      {"broken.test", Text("version: STSv2\n")}};
  std::ofstream(options_.tls.ca_file) << tls::SelfSigned::Make({.names = {"root.test"}})->certificate;
  std::vector<std::string> recipients = {"jane@unannounced.test"};
  for (const auto& [domain, document] : failures) {
    Publish(domain, "2", document);  // a newer one than is kept
    recipients.push_back("jane@" + domain);
  }
  for (const std::string& recipient : recipients) {
    const std::string domain = recipient.substr(5);
    AddDomain(domain);
    KeepPolicy(domain, "1", PolicyText("enforce", "mx." + domain), absl::Now() + absl::Hours(1));
  }
  Start();
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(EventuallyTried(id, recipients.size()));
  Stop();
  EXPECT_EQ(CountersOf(id).delivered, 0u);
  for (const queue::Event& event : EventsOf(id)) {
    EXPECT_THAT(event.reply, HasSubstr("which MTA-STS promises")) << event.recipient;
  }
  EXPECT_THAT(internet_->fetches, SizeIs(failures.size()));
}

TEST_F(MtaStsTest, WhatCannotBeFetchedAndIsNotKeptIsNoPolicy) {
  std::ofstream(options_.tls.ca_file) << tls::SelfSigned::Make({.names = {"root.test"}})->certificate;
  AddDomain("d1.test");
  Publish("d1.test", "1", absl::UnauthenticatedError("the web server's certificate is not accepted"));
  KeepPolicy("d1.test", "0", PolicyText("enforce", "mx.d1.test"), absl::Now() - absl::Hours(1));  // expired
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("first", {"jane@d1.test"}), 1));
  ASSERT_TRUE(EventuallyDelivered(Send("second", {"jane@d1.test"}), 1));
  Stop();
  EXPECT_THAT(internet_->fetches, SizeIs(1)) << "it is not asked again so soon";
}

TEST_F(MtaStsTest, APolicyIsFetchedOnceAndAgainWhenItsIdChanges) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certificate({"mx.d1.test"}, true);
  Publish("d1.test", "1", Text(PolicyText("enforce", "mx.d1.test")));
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("first", {"jane@d1.test"}), 1));
  ASSERT_TRUE(EventuallyDelivered(Send("second", {"jane@d1.test"}), 1));
  OnShard([&](Scheduler&) {
    EXPECT_THAT(internet_->fetches, SizeIs(1));
    Publish("d1.test", "2", Text(PolicyText("none", "mx.d1.test")));
  });
  const queue::CampaignId third = Send("third", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(third, 1));
  Stop();
  EXPECT_THAT(internet_->fetches, SizeIs(2));
  EXPECT_EQ(EventsOf(third).at(0).evidence.policy, "opportunistic");
}

TEST_F(MtaStsTest, APolicyIsTextHoweverItsTypeIsWritten) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certificate({"mx.d1.test"}, true);
  WebDocument document = Text(PolicyText("enforce", "mx.d1.test"));
  document.content_type = "Text/Plain ;charset=utf-8";
  Publish("d1.test", "1", document);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_EQ(EventsOf(id).at(0).evidence.policy, "mta-sts");
}

TEST_F(MtaStsTest, NobodyWaitsForAPolicyInForceToBeFetchedAgain) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certificate({"mx.d1.test"}, true);
  Publish("d1.test", "1", Text(""));
  internet_->SetSilentWeb("mta-sts.d1.test");
  KeepPolicy("d1.test", "1", PolicyText("enforce", "mx.d1.test"), absl::Now() + absl::Hours(24),
             absl::Now() - absl::Hours(25));
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(EventuallyDelivered(Send("summer", {"john@d1.test"}), 1));
  Stop();
  EXPECT_EQ(EventsOf(id).at(0).evidence.policy, "mta-sts");
  EXPECT_THAT(internet_->fetches, SizeIs(1)) << "it is fetched once, without anybody waiting";
}

TEST_F(MtaStsTest, APolicyInForceIsFetchedAgainOnceADay) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certificate({"mx.d1.test"}, true);
  Publish("d1.test", "1", Text(PolicyText("enforce", "mx.d1.test")));
  KeepPolicy("d1.test", "1", PolicyText("enforce", "mx.d1.test"), absl::Now() + absl::Hours(1),
             absl::Now() - absl::Hours(25));
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test"}), 1));
  EXPECT_TRUE(Eventually([&] { return sts_policies_.Find("d1.test", absl::Now() + absl::Hours(2)) != nullptr; }));
}

TEST_F(MtaStsTest, WebServersThatSayNothingKeepNoOtherDomainsWaiting) {
  constexpr size_t kSilent = Directory::kLookupsMax + Directory::kTransactionalMax + 1;
  std::vector<std::string> recipients;
  for (size_t i = 0; i < kSilent; ++i) {
    const std::string domain = fmt::format("silent{}.test", i);
    recipients.push_back("jane@" + domain);
    AddDomain(domain);
    internet_->SetTxt("_mta-sts." + domain, {"v=STSv1; id=1;"});
    internet_->SetSilentWeb("mta-sts." + domain);
  }
  AddDomain("d1.test");
  std::ofstream(options_.tls.ca_file) << tls::SelfSigned::Make({.names = {"root.test"}})->certificate;
  Start();
  Send("slow", recipients);
  ASSERT_TRUE(Eventually([&] { return internet_->fetches.size() >= Directory::kLookupsMax; }));
  EXPECT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test"}), 1));
}

TEST_F(MtaStsTest, TransactionalMailMakesTheFetchThatMarketingMailBeganUrgent) {
  AddStream("codes").kind = StreamKind::kTransactional;
  std::ofstream(options_.tls.ca_file) << tls::SelfSigned::Make({.names = {"root.test"}})->certificate;
  AddDomain("d1.test");
  internet_->SetTxt("_mta-sts.d1.test", {"v=STSv1; id=1;"});
  internet_->SetSilentWeb("mta-sts.d1.test");
  Start();
  Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return internet_->fetches.size() == 1; }));
  Send("summer", {"john@d1.test"});
  Send("code", {"joe@d1.test"}, {.stream = "codes"});
  EXPECT_TRUE(Eventually([&] { return !internet_->urged.empty(); }));
  Stop();
  EXPECT_THAT(internet_->urged, ElementsAre("mta-sts.d1.test"));
}

TEST_F(MtaStsTest, APolicyDoesNotStandInForDaneThatFails) {
  options_.dns.trust_ad = true;
  internet_->SetSigned(true);
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certificate({"mx.d1.test"}, true);
  internet_->SetTlsa("mx.d1.test", {{.usage = 3, .selector = 1, .matching = 1, .data = std::vector<uint8_t>(32)}});
  Publish("d1.test", "1", Text(PolicyText("enforce", "mx.d1.test")));
  Start();
  ExpectHeld(Send("spring", Recipients(3, "d1.test")), mx, "DANE");
}

TEST_F(MtaStsTest, AWebServerInOurOwnNetworkIsNotAsked) {
  options_.dns.allow_private_addresses = false;
  std::ofstream(options_.tls.ca_file) << tls::SelfSigned::Make({.names = {"root.test"}})->certificate;
  AddDomain("d1.test");
  Publish("d1.test", "1", Text(PolicyText("enforce", "mx.d1.test")));
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced + CountersOf(id).retrying == 1; }));
  Stop();
  EXPECT_THAT(internet_->fetches, IsEmpty());
}

// ---------------------------------------------------------------------------------------------------------------------
// What is kept

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

StsRecord Record(const std::string& id, absl::Duration max_age) {
  StsRecord record{.id = id, .fetched = kNow, .expires = kNow + max_age};
  record.policy =
      *dns::StsPolicy::Parse(PolicyText("enforce", "mx.d1.test", static_cast<int>(absl::ToInt64Seconds(max_age))));
  return record;
}

TEST(StsPoliciesTest, APolicyIsInForceUntilItExpires) {
  StsPolicies policies;
  EXPECT_EQ(policies.Find("d1.test", kNow), nullptr);
  policies.Keep("d1.test", Record("7", absl::Hours(1)));
  ASSERT_NE(policies.Find("d1.test", kNow + absl::Minutes(59)), nullptr);
  EXPECT_EQ(policies.Find("d1.test", kNow + absl::Hours(1)), nullptr);
  EXPECT_EQ(policies.Find("d2.test", kNow), nullptr);
}

TEST(StsPoliciesTest, WhatIsWrittenIsFoundByTheNextRun) {
  StsPolicies before, after;
  before.Keep("d1.test", Record("7", absl::Hours(1)));
  before.Keep("d1.test", Record("8", absl::Hours(2)));
  const std::vector<StsPolicies::Written> written = before.TakeChanged();
  ASSERT_FALSE(written.empty());
  EXPECT_THAT(before.TakeChanged(), IsEmpty());
  for (const StsPolicies::Written& one : written) after.Restore(one.domain, one.value, kNow + absl::Minutes(90));
  const StsPolicies::RecordPtr found = after.Find("d1.test", kNow + absl::Minutes(90));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->id, "8");
  EXPECT_EQ(found->policy, before.Find("d1.test", kNow)->policy);
  EXPECT_EQ(after.Find("d1.test", kNow + absl::Hours(2)), nullptr);
  for (const char* broken : {"", "x", "1 2", "x 7\nversion: STSv1\n", "1790000000 7\nversion: STSv2\n"}) {
    after.Restore("d2.test", broken, kNow);
    EXPECT_EQ(after.Find("d2.test", kNow), nullptr) << broken;
  }
}

TEST(StsPoliciesTest, WhatExpiresFirstGivesWay) {
  StsPolicies policies(3);
  policies.Keep("a.test", Record("1", absl::Hours(3)));
  policies.Keep("b.test", Record("1", absl::Hours(1)));
  policies.Keep("c.test", Record("1", absl::Hours(2)));
  policies.Keep("d.test", Record("1", absl::Hours(4)));
  EXPECT_EQ(policies.Find("b.test", kNow), nullptr);
  EXPECT_NE(policies.Find("a.test", kNow), nullptr);
}

TEST(StsPoliciesTest, AFetchThatFailedIsTriedAgainAfterAWhileOrForANewerPolicy) {
  StsPolicies policies;
  EXPECT_TRUE(policies.MayFetch("d1.test", "7", kNow));
  policies.NoteFailure("d1.test", "7", kNow);
  EXPECT_FALSE(policies.MayFetch("d1.test", "7", kNow + absl::Minutes(4)));
  EXPECT_TRUE(policies.MayFetch("d1.test", "8", kNow));
  EXPECT_TRUE(policies.MayFetch("d1.test", "7", kNow + StsPolicies::kAgain));
}

}  // namespace
}  // namespace sealift::engine
