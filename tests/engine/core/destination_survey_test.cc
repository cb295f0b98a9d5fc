// Where mail would go and what would become of it there, asked of an Internet in memory.
#include "engine/preflight/destination_survey.h"

#include <gmock/gmock.h>

#include "tests/engine/core/internet.h"
#include "tests/engine/runtime/on_ring.h"
#include "tls/self_signed.h"
#include "tls/server_context.h"

namespace sealift::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class DestinationSurveyTest : public OnRing {
 protected:
  DestinationSurveyTest() {
    options_.delivery = Delivery::kLive;
    options_.node.hostname = "mail.sender.test";
    options_.dns.allow_private_addresses = true;
    options_.sources.push_back(
        {.name = "ip1", .address = "127.0.0.1", .family = AF_INET, .hostname = "mail.sender.test"});
    stream_.name = "news";
    stream_.tls = TlsPolicy::kRequire;
  }

  MailServer& AddDomain(const std::string& domain, bool tls = true) {
    internet_.SetMx(domain, {{10, "mx." + domain}});
    MailServer& server = internet_.AddHost("mx." + domain);
    if (tls) server.tls = Certificate("mx." + domain);
    return server;
  }

  static std::shared_ptr<tls::ServerContext> Certificate(const std::string& host) {
    const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make({.names = {host}});
    EXPECT_TRUE(made.ok()) << made.status();
    absl::StatusOr<std::shared_ptr<tls::ServerContext>> context =
        tls::ServerContext::Create({.certificate = made->certificate, .key = made->key});
    EXPECT_TRUE(context.ok()) << context.status();
    return *context;
  }

  Task<void> Survey(DestinationSurvey& survey, std::vector<DestinationSurvey::Domain> domains) {
    co_await survey.Run(std::move(domains));
    co_await internet_.Stop();
  }

  std::vector<PreflightSite> Found(std::vector<DestinationSurvey::Domain> domains) {
    const absl::StatusOr<std::shared_ptr<tls::ClientContext>> tls = tls::ClientContext::Create({});
    EXPECT_TRUE(tls.ok()) << tls.status();
    const auto options = std::make_shared<const Options>(options_);
    DestinationSurvey survey({.ring = ring(), .network = internet_, .resolver = internet_, .tls = *tls},
                             {.resolver = internet_, .web = internet_, .policies = sts_policies_, .options = options},
                             options, stream_, options->sources[0], stop_, limits_);
    Run(Survey(survey, std::move(domains)));
    std::vector<PreflightSite> found;
    for (const DestinationSurvey::Site& site : survey.sites()) found.push_back(site.found);
    return found;
  }

  Options options_;
  StreamOptions stream_;
  DestinationSurvey::Limits limits_;
  std::atomic<bool> stop_{false};
  Internet internet_{ring()};
  StsPolicies sts_policies_;
};

TEST_F(DestinationSurveyTest, AHostThatOffersTlsIsSentToAndNeverHearsOfMail) {
  MailServer& server = AddDomain("d1.test");
  const std::vector<PreflightSite> found = Found({{.name = "d1.test", .rows = 7}});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].fate, Fate::kSend);
  EXPECT_EQ(found[0].rows, 7u);
  EXPECT_EQ(found[0].mx, "found");
  EXPECT_THAT(found[0].hosts, ElementsAre("10 mx.d1.test"));
  EXPECT_THAT(found[0].tls, StartsWith("TLSv1."));
  EXPECT_EQ(found[0].verified, false) << "nobody vouches for it, and that is said";
  EXPECT_EQ(found[0].smtputf8, false);
  EXPECT_EQ(found[0].eightbitmime, false);
  ASSERT_THAT(server.conversations, SizeIs(2)) << "asked for its own certificate first, then under the policy";
  for (const MailServer::Conversation& conversation : server.conversations) {
    for (const std::string& command : conversation.commands) EXPECT_THAT(command, Not(StartsWith("MAIL"))) << command;
  }
}

TEST_F(DestinationSurveyTest, WhoOffersLessThanThePolicyAsksIsHeldOrBouncedAsTheStreamSays) {
  AddDomain("d1.test", /*tls=*/false);
  EXPECT_EQ(Found({{.name = "d1.test", .rows = 1}})[0].fate, Fate::kHold);
}

TEST_F(DestinationSurveyTest, AStreamThatBouncesForWantOfTlsSaysSo) {
  stream_.on_no_tls = OnNoTls::kBounce;
  AddDomain("d1.test", /*tls=*/false);
  const PreflightSite site = Found({{.name = "d1.test", .rows = 1}})[0];
  EXPECT_EQ(site.fate, Fate::kBounce);
  EXPECT_EQ(site.tls, "none");
}

TEST_F(DestinationSurveyTest, MailWithRequireTlsBouncesWhateverTheStreamSaysOfLackingTls) {
  stream_.on_no_tls = OnNoTls::kHold;
  stream_.requiretls = true;
  AddDomain("d1.test", /*tls=*/false);
  EXPECT_EQ(Found({{.name = "d1.test", .rows = 1}})[0].fate, Fate::kBounce);
}

TEST_F(DestinationSurveyTest, UnderAnOpportunisticPolicyAHostInClearIsSentTo) {
  stream_.tls = TlsPolicy::kOpportunistic;
  AddDomain("d1.test", /*tls=*/false).offers = {"SMTPUTF8", "8BITMIME"};
  const PreflightSite site = Found({{.name = "d1.test", .rows = 3, .rows_utf8 = 2, .rows_8bit = 1}})[0];
  EXPECT_EQ(site.fate, Fate::kSend);
  EXPECT_EQ(site.tls, "none");
  EXPECT_EQ(site.smtputf8, true);
  EXPECT_EQ(site.eightbitmime, true);
  EXPECT_EQ(site.rows_utf8, 2u);
  EXPECT_EQ(site.rows_8bit, 1u);
}

TEST_F(DestinationSurveyTest, WhatTheDnsSaysDecidesWhereNobodyIsAsked) {
  internet_.SetVerdict("gone.test", dns::Verdict::kNxDomain);
  internet_.SetVerdict("broken.test", dns::Verdict::kServFail);
  internet_.SetNullMx("nomail.test");
  const std::vector<PreflightSite> found =
      Found({{.name = "gone.test", .rows = 3}, {.name = "broken.test", .rows = 2}, {.name = "nomail.test", .rows = 1}});
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].fate, Fate::kBounce);
  EXPECT_EQ(found[0].mx, "nxdomain");
  EXPECT_EQ(found[1].fate, Fate::kDefer);
  EXPECT_EQ(found[2].fate, Fate::kBounce);
  EXPECT_EQ(found[2].mx, "null_mx");
  EXPECT_THAT(internet_.connects, IsEmpty());
}

TEST_F(DestinationSurveyTest, TheNextHostIsAskedWhenTheFirstIsGone) {
  internet_.SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  internet_.AddHost("mx1.d1.test");
  internet_.SetRefusing("mx1.d1.test", true);
  internet_.AddHost("mx2.d1.test").tls = Certificate("mx2.d1.test");
  const PreflightSite site = Found({{.name = "d1.test", .rows = 1}})[0];
  EXPECT_EQ(site.fate, Fate::kSend);
  EXPECT_THAT(site.host, HasSubstr("mx2.d1.test"));
}

TEST_F(DestinationSurveyTest, AHostThatRefusesEverybodyDefers) {
  AddDomain("d1.test").greeting = "421 4.3.2 not now";
  const PreflightSite site = Found({{.name = "d1.test", .rows = 1}})[0];
  EXPECT_EQ(site.fate, Fate::kDefer);
  EXPECT_THAT(site.why, HasSubstr("421"));
}

TEST_F(DestinationSurveyTest, DomainsOfTheSameHostsAreOneSite) {
  AddDomain("d1.test");
  internet_.SetMx("d2.test", {{10, "mx.d1.test"}});
  const std::vector<PreflightSite> found = Found({{.name = "d1.test", .rows = 5, .rows_utf8 = 1, .rows_8bit = 3},
                                                  {.name = "d2.test", .rows = 4, .rows_utf8 = 2, .rows_8bit = 1}});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].domains, 2u);
  EXPECT_EQ(found[0].rows, 9u);
  EXPECT_EQ(found[0].rows_utf8, 3u);
  EXPECT_EQ(found[0].rows_8bit, 4u);
}

TEST_F(DestinationSurveyTest, BeyondItsBoundsNothingIsAskedAndThatIsSaid) {
  for (const char* domain : {"d1.test", "d2.test", "d3.test"}) AddDomain(domain);
  limits_.domains_max = 2;
  limits_.sites_max = 1;
  const std::vector<PreflightSite> found =
      Found({{.name = "d1.test", .rows = 30}, {.name = "d2.test", .rows = 20}, {.name = "d3.test", .rows = 10}});
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].fate, Fate::kSend);
  EXPECT_EQ(found[1].fate, Fate::kUnknown);
  EXPECT_EQ(found[1].domain, "d2.test");
  EXPECT_THAT(found[1].why, HasSubstr("not connected to"));
  EXPECT_EQ(found[2].domain, "");
  EXPECT_EQ(found[2].mx, "not_asked");
  EXPECT_EQ(found[2].rows, 10u);
  EXPECT_THAT(internet_.lookups, Not(Contains("d3.test")));
}

TEST_F(DestinationSurveyTest, ASilentHostCostsNoMoreThanItsShare) {
  limits_.probe = absl::Milliseconds(200);
  AddDomain("d1.test").greeting = "";
  const PreflightSite site = Found({{.name = "d1.test", .rows = 1}})[0];
  EXPECT_EQ(site.fate, Fate::kUnknown);
  EXPECT_THAT(site.why, HasSubstr("did not answer within 200ms"));
}

TEST_F(DestinationSurveyTest, InSinkModeNoNameIsAskedForAndTheSinkStandsForAll) {
  options_.delivery = Delivery::kSink;
  stream_.tls = TlsPolicy::kOpportunistic;
  internet_.AddHost("sink").offers = {"SMTPUTF8", "8BITMIME"};
  options_.sink.address = "127.0.1.1:25";
  const std::vector<PreflightSite> found = Found({{.name = "d1.test", .rows = 2}, {.name = "d2.test", .rows = 1}});
  ASSERT_THAT(found, SizeIs(2));
  for (const PreflightSite& site : found) {
    EXPECT_EQ(site.mx, "sink");
    EXPECT_EQ(site.fate, Fate::kSend) << site.why;
    EXPECT_EQ(site.smtputf8, true);
    EXPECT_EQ(site.eightbitmime, true);
  }
  EXPECT_THAT(internet_.lookups, IsEmpty());
  EXPECT_THAT(internet_.connects, SizeIs(2)) << "for both domains: with TLS, and as the stream would do";
}

TEST_F(DestinationSurveyTest, OnceItIsStoppedItEnds) {
  AddDomain("d1.test").greeting = "";
  stop_ = true;
  const std::vector<PreflightSite> found = Found({{.name = "d1.test", .rows = 1}});
  EXPECT_EQ(found.back().fate, Fate::kUnknown);
}

}  // namespace
}  // namespace sealift::engine
