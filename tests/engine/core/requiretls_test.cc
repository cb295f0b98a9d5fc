// A stream with `requiretls` (RFC 8689): its mail goes to who is the domain's host beyond doubt and says REQUIRETLS in
// TLS, and to nobody else goes a byte of it.
#include <gmock/gmock.h>

#include <fstream>

#include "engine/explain.h"
#include "engine/runtime/check.h"
#include "tests/engine/core/shard_world.h"
#include "tls/self_signed.h"

namespace sealift::engine {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class RequireTlsTest : public ShardWorld {
 protected:
  RequireTlsTest() {
    options_.tls.ca_file = folder_.path() + "/roots.pem";
    options_.dns.trust_ad = true;
    options_.streams[0].tls = TlsPolicy::kRequire;
    options_.streams[0].requiretls = true;
    internet_->SetSigned(true);
    Trust(*tls::SelfSigned::Make({.names = {"root.test"}}));
  }

  void Trust(const tls::SelfSigned& root) const {
    std::ofstream(options_.tls.ca_file, std::ios::app) << root.certificate;
  }

  // A host of its own name that does as RFC 8689 asks.
  MailServer& AddHost(const std::string& name) {
    MailServer& host = internet_->AddHost(name);
    host.offers.emplace_back("REQUIRETLS");
    Certify(host, name, true);
    return host;
  }

  void Certify(MailServer& host, const std::string& name, bool trusted) {
    const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make({.names = {name}});
    CHECK(made.ok(), "a certificate can be made");
    if (trusted) Trust(*made);
    absl::StatusOr<std::shared_ptr<tls::ServerContext>> context =
        tls::ServerContext::Create({.certificate = made->certificate, .key = made->key});
    CHECK(context.ok(), "a server can be made");
    host.tls = *std::move(context);
  }

  static void WithoutKeyword(MailServer& host) { std::erase(host.offers, "REQUIRETLS"); }

  static void ExpectNothingSaidTo(const MailServer& host) {
    EXPECT_THAT(host.contents, IsEmpty());
    for (const MailServer::Conversation& conversation : host.conversations) {
      EXPECT_THAT(conversation.clear, Not(HasSubstr("MAIL")));
      EXPECT_THAT(conversation.commands, Each(Not(StartsWith("MAIL"))));
    }
  }

  void ExpectAllBounced(queue::CampaignId id, const std::string& reason, const std::string& enhanced,
                        const std::string& why = "") {
    ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == CountersOf(id).accepted; }));
    Stop();
    const queue::Event event = EventsOf(id).at(0);
    EXPECT_EQ(event.reason_class, reason);
    EXPECT_EQ(event.enhanced, enhanced);
    EXPECT_THAT(event.reply, HasSubstr(why));
  }
};

TEST_F(RequireTlsTest, MailAsksForItWhereTheHostOffersItAndIsWhoItSays) {
  MailServer& mx = AddHost("mx.d1.test");
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(mx.conversations.at(0).commands,
              Contains(AllOf(StartsWith("MAIL FROM"), testing::EndsWith(" REQUIRETLS"))));
  const queue::Event event = EventsOf(id).at(0);
  EXPECT_EQ(event.evidence.policy, "requiretls");
  EXPECT_EQ(event.evidence.verified_name, "mx.d1.test");
}

TEST_F(RequireTlsTest, OtherStreamsDoNotAskForIt) {
  AddStream("plain");
  MailServer& mx = AddHost("mx.d1.test");
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"}, {.stream = "plain"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(mx.conversations.at(0).commands, Each(Not(HasSubstr("REQUIRETLS"))));
}

TEST_F(RequireTlsTest, WhereNoHostOffersItTheMailComesBackAtOnceWhateverIsHeldForLackOfTls) {
  options_.streams[0].on_no_tls = OnNoTls::kHold;
  MailServer& mx = AddHost("mx.d1.test");
  WithoutKeyword(mx);
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  ExpectAllBounced(Send("spring", Recipients(20, "d1.test")), "requiretls", "5.7.30");
  ExpectNothingSaidTo(mx);
}

TEST_F(RequireTlsTest, RowsThatComeLaterBounceAsWell) {
  MailServer& mx = AddHost("mx.d1.test");
  WithoutKeyword(mx);
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  const queue::CampaignId first = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(first).bounced == 2; }));
  ExpectAllBounced(Send("summer", Recipients(3, "d1.test")), "requiretls", "5.7.30");
  ExpectNothingSaidTo(mx);
}

TEST_F(RequireTlsTest, WhatIsOfferedInClearCountsForNothing) {
  MailServer& mx = AddHost("mx.d1.test");
  mx.script = [](const MailServer::Conversation& conversation,
                 std::string_view command) -> std::optional<MailServer::Answer> {
    if (command.starts_with("EHLO") && conversation.in_tls) return MailServer::Answer{"250-mx\r\n250 PIPELINING"};
    return std::nullopt;
  };
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  ExpectAllBounced(Send("spring", {"jane@d1.test"}), "requiretls", "5.7.30");
  ExpectNothingSaidTo(mx);
}

TEST_F(RequireTlsTest, AHostThatCannotGivesWayToOneThatCan) {
  MailServer& mute = AddHost("mx1.d1.test");
  WithoutKeyword(mute);
  MailServer& impostor = AddHost("mx2.d1.test");
  Certify(impostor, "mx2.d1.test", false);
  MailServer& good = AddHost("mx3.d1.test");
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}, {30, "mx3.d1.test"}});
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test"}), 1));
  Stop();
  ExpectNothingSaidTo(mute);
  ExpectNothingSaidTo(impostor);
  EXPECT_THAT(good.contents, SizeIs(1));
}

TEST_F(RequireTlsTest, NothingBouncesWhileAHostThatDoesNotAnswerMayOfferIt) {
  MailServer& mute = AddHost("mx1.d1.test");
  WithoutKeyword(mute);
  AddHost("mx2.d1.test");
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  internet_->SetRefusing("mx2.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(CountersOf(id).queued(), 3u);
  ExpectNothingSaidTo(mute);
}

TEST_F(RequireTlsTest, AnUnknownCertificateSendsTheMailBackThoughTheStreamOnlyRequiresTls) {
  MailServer& mx = AddHost("mx.d1.test");
  Certify(mx, "mx.d1.test", false);
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  ExpectAllBounced(Send("spring", Recipients(3, "d1.test")), "tls", "5.7.10", "self-signed certificate");
  ExpectNothingSaidTo(mx);
}

TEST_F(RequireTlsTest, WithoutTlsItComesBackUnderAnyPolicyOfTheStream) {
  options_.streams[0].tls = TlsPolicy::kOpportunistic;
  MailServer& mx = AddHost("mx.d1.test");
  mx.tls = nullptr;
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  ExpectAllBounced(Send("spring", Recipients(3, "d1.test")), "tls", "5.7.10");
  ExpectNothingSaidTo(mx);
}

// RFC 8689 4.2.1 knows no exception for who had promised TLS: whoever takes the offer out learns nothing by it.
TEST_F(RequireTlsTest, ItComesBackAlsoWhereTlsWasPromised) {
  options_.streams[0].on_no_tls = OnNoTls::kHold;
  tls_memory_.Note("mx.d1.test", absl::Now());
  MailServer& mx = AddHost("mx.d1.test");
  mx.tls = nullptr;
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  ExpectAllBounced(Send("spring", Recipients(3, "d1.test")), "tls", "5.7.10", "somebody may take the offer out");
  ExpectNothingSaidTo(mx);
}

// Whoever can forge an MX record names a host of his own, whose certificate is in order.
TEST_F(RequireTlsTest, AHostThatNothingUnforgeableNamesGetsNothing) {
  internet_->SetSigned(false);
  MailServer& mx = AddHost("mx.d1.test");
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  Start();
  ExpectAllBounced(Send("spring", Recipients(3, "d1.test")), "tls", "5.7.10",
                   "neither signed MX records nor an MTA-STS policy");
  EXPECT_THAT(mx.conversations, IsEmpty());
}

TEST_F(RequireTlsTest, AnEnforcedMtaStsPolicyNamesHostsAsWell) {
  internet_->SetSigned(false);
  MailServer& mx = AddHost("mx.d1.test");
  internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  internet_->SetTxt("_mta-sts.d1.test", {"v=STSv1; id=1;"});
  internet_->SetDocument("mta-sts.d1.test",
                         WebDocument{.status = 200,
                                     .content_type = "text/plain",
                                     .body = "version: STSv1\nmode: enforce\nmx: mx.d1.test\nmax_age: 86400\n"});
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_EQ(EventsOf(id).at(0).evidence.policy, "mta-sts");
  EXPECT_THAT(mx.conversations.at(0).commands, Contains(HasSubstr("REQUIRETLS")));
}

}  // namespace
}  // namespace sealift::engine
