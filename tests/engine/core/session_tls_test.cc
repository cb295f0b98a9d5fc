// Under a TLS requirement nothing but EHLO, STARTTLS and QUIT is ever said in clear; a host that offered STARTTLS is
// not spoken to in clear in that attempt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/explain.h"
#include "tests/engine/core/shard_world.h"
#include "tls/self_signed.h"

namespace sealift::engine {
namespace {

using Answer = MailServer::Answer;
using Conversation = MailServer::Conversation;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::shared_ptr<tls::ServerContext> Certified(const std::string& name) {
  const absl::StatusOr<tls::SelfSigned> certificate = tls::SelfSigned::Make({.names = {name}});
  CHECK(certificate.ok(), "a certificate can be made");
  absl::StatusOr<std::shared_ptr<tls::ServerContext>> context =
      tls::ServerContext::Create({.certificate = certificate->certificate, .key = certificate->key});
  CHECK(context.ok(), "a server can be made");
  return *std::move(context);
}

class SessionTlsTest : public ShardWorld {
 protected:
  void Require(TlsPolicy policy) { options_.streams[0].tls = policy; }
  uint64_t Resumed() { return metrics_.counter(Metric::kTlsHandshakes, {"TLSv1.3", "yes"})->value(); }

  // Three rows: one was tried and deferred, the others are as they were, and all of them are held.
  void ExpectHeld(queue::CampaignId id) {
    ASSERT_TRUE(EventuallyTried(id, 1));
    OnShard([&](Scheduler& scheduler) { EXPECT_EQ(CountBlocked(scheduler, id).held, 3u); });
    Stop();
    const queue::Counters counters = CountersOf(id);
    EXPECT_EQ(counters.queued(), 3u);
    EXPECT_EQ(counters.retrying, 1u);
    EXPECT_EQ(EventsOf(id).at(0).reason_class, "tls");
  }
};

TEST_F(SessionTlsTest, WithoutStartTlsARequirementHoldsTheRowsAndSaysNothing) {
  Require(TlsPolicy::kRequire);
  MailServer& mx = AddDomain("d1.test");
  Start();
  ExpectHeld(Send("spring", Recipients(3, "d1.test")));
  ASSERT_THAT(mx.conversations, SizeIs(1));
  EXPECT_EQ(mx.conversations[0].clear, "EHLO mail.sender.test\r\nQUIT\r\n");
}

TEST_F(SessionTlsTest, HeloIsNoWayAroundARequirement) {
  Require(TlsPolicy::kRequire);
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command.starts_with("EHLO")) return Answer{"502 5.5.1 what?"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(mx.conversations[0].clear, "EHLO mail.sender.test\r\nQUIT\r\n");
}

TEST_F(SessionTlsTest, ARequirementIsMetByStartTlsAndNothingWasSaidBefore) {
  Require(TlsPolicy::kRequire);
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  const Conversation& conversation = mx.conversations.at(0);
  EXPECT_THAT(conversation.clear, AllOf(StartsWith("EHLO mail.sender.test\r\nSTARTTLS\r\n"), Not(HasSubstr("MAIL"))));
  EXPECT_THAT(conversation.commands, ElementsAre("EHLO mail.sender.test", "STARTTLS", "EHLO mail.sender.test",
                                                 StartsWith("MAIL"), "RCPT TO:<jane@d1.test>", "DATA", ".", "QUIT"));
  const queue::Event event = EventsOf(id).at(0);
  EXPECT_EQ(event.evidence.tls_version, "TLSv1.3");
  EXPECT_EQ(event.evidence.policy, "require");
  EXPECT_EQ(event.evidence.verified_name, "");
}

TEST_F(SessionTlsTest, WhatWasInjectedBeforeTheHandshakeIsNotBelieved) {
  Require(TlsPolicy::kRequire);
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");
  mx.offers = {"SIZE 1000000"};
  mx.injected = "250-mx\r\n250-PIPELINING\r\n250 SIZE 1\r\n";  // would be taken for the second EHLO's reply
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(mx.conversations[0].reads, testing::Contains("RCPT TO:<jane@d1.test>\r\n"));
}

// It would be taken for the reply to EHLO, one without STARTTLS.
TEST_F(SessionTlsTest, AReplyBeforeEhloDoesNotHideTheOfferOfStartTls) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");
  mx.greeting = "220 mx ready\r\n250-mx\r\n250 SIZE 1000000";
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "protocol");
  EXPECT_THAT(mx.conversations[0].clear, testing::IsEmpty());
}

TEST_F(SessionTlsTest, AnUnverifiableCertificateHoldsTheRowsUnderVerify) {
  Require(TlsPolicy::kVerify);
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");  // nobody vouches for it
  Start();
  ExpectHeld(Send("spring", Recipients(3, "d1.test")));
  EXPECT_THAT(mx.conversations[0].commands, ElementsAre("EHLO mail.sender.test", "STARTTLS"));
}

TEST_F(SessionTlsTest, AHostWithoutTlsGivesWayToOneWithIt) {
  Require(TlsPolicy::kRequire);
  MailServer& first = internet_->AddHost("mx1.d1.test");
  MailServer& second = internet_->AddHost("mx2.d1.test");
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  second.tls = Certified("mx2.d1.test");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_EQ(first.conversations[0].clear, "EHLO mail.sender.test\r\nQUIT\r\n");
  EXPECT_THAT(second.contents, SizeIs(1));
}

TEST_F(SessionTlsTest, RowsThatMayNotWaitBounceWhereTlsIsNotOffered) {
  Require(TlsPolicy::kRequire);
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 20; }));
  Stop();
  EXPECT_THAT(mx.contents, IsEmpty());
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "tls");
}

TEST_F(SessionTlsTest, RowsThatMayNotWaitDoNotBounceWhileAHostMayHaveTls) {
  Require(TlsPolicy::kRequire);
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  internet_->AddHost("mx1.d1.test");
  internet_->AddHost("mx2.d1.test");
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  internet_->SetRefusing("mx2.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(CountersOf(id).bounced, 0u);
  EXPECT_EQ(CountersOf(id).queued(), 3u);
}

TEST_F(SessionTlsTest, RowsThatMayNotWaitDoNotBounceWhileAHostThatMayHaveTlsIsPassedOver) {
  Require(TlsPolicy::kRequire);
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  options_.streams[0].retry = {absl::Milliseconds(50)};
  internet_->AddHost("mx1.d1.test");
  const MailServer& second = internet_->AddHost("mx2.d1.test");
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  internet_->SetRefusing("mx1.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).deferrals >= 3 || CountersOf(id).bounced > 0; }));
  Stop();
  EXPECT_EQ(CountersOf(id).bounced, 0u);
  EXPECT_EQ(CountersOf(id).queued(), 3u);
  EXPECT_GE(second.conversations.size(), 3u);
  EXPECT_EQ(std::ranges::count(internet_->connects, "mx1.d1.test", [](const auto& one) { return one.first; }), 1);
}

TEST_F(SessionTlsTest, AConnectionThatIsLostInTheHandshakeIsNoLackOfTls) {
  Require(TlsPolicy::kRequire);
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "STARTTLS") return Answer{"220 2.0.0 ready", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(CountersOf(id).bounced, 0u);
  EXPECT_EQ(CountersOf(id).queued(), 3u);
}

TEST_F(SessionTlsTest, RowsThatMayNotWaitBounceWhereTlsFails) {
  Require(TlsPolicy::kRequire);
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  MailServer& mx = AddDomain("d1.test");
  mx.instead_of_handshake = "this is no TLS\r\n";
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 3; }));
}

// Whoever is on the way may have broken it.
TEST_F(SessionTlsTest, TlsThatFailsWhereItWasSpokenBeforeIsNoLackOfIt) {
  Require(TlsPolicy::kRequire);
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  tls_memory_.Note("mx.d1.test", absl::Now());
  MailServer& mx = AddDomain("d1.test");
  mx.instead_of_handshake = "this is no TLS\r\n";
  Start();
  ExpectHeld(Send("spring", Recipients(3, "d1.test")));
}

TEST_F(SessionTlsTest, ATemporaryRefusalOfStartTlsIsNoLackOfIt) {
  Require(TlsPolicy::kRequire);
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "STARTTLS") return Answer{"454 4.7.0 not now"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(CountersOf(id).bounced, 0u);
  EXPECT_EQ(CountersOf(id).queued(), 3u);
}

TEST_F(SessionTlsTest, WhatRequiresNoTlsDoesNotBounceForTheLackOfIt) {
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  MailServer& mx = AddDomain("d1.test");
  mx.instead_of_handshake = "this is no TLS\r\n";
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(CountersOf(id).bounced, 0u);
  EXPECT_EQ(CountersOf(id).queued(), 3u);
}

TEST_F(SessionTlsTest, AfterARefusedStartTlsNothingIsSaidInClear) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "STARTTLS") return Answer{"454 4.7.0 not now"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  ASSERT_THAT(mx.conversations, SizeIs(1));
  EXPECT_EQ(mx.conversations[0].clear, "EHLO mail.sender.test\r\nSTARTTLS\r\nQUIT\r\n");
}

TEST_F(SessionTlsTest, AfterABrokenHandshakeNothingIsSaidInClear) {
  MailServer& mx = AddDomain("d1.test");
  mx.instead_of_handshake = "this is no TLS\r\n";
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  ASSERT_THAT(mx.conversations, SizeIs(1));
  EXPECT_THAT(mx.conversations[0].clear, StartsWith("EHLO mail.sender.test\r\nSTARTTLS\r\n"));
  EXPECT_THAT(mx.conversations[0].clear, Not(HasSubstr("MAIL FROM")));
  EXPECT_THAT(mx.contents, IsEmpty());
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "tls");
}

TEST_F(SessionTlsTest, OpportunisticTlsTakesWhatIsOffered) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("some.other.test");  // no name is asked for
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(mx.conversations[0].clear, Not(HasSubstr("MAIL FROM")));
  EXPECT_EQ(EventsOf(id).at(0).evidence.tls_version, "TLSv1.3");
}

TEST_F(SessionTlsTest, TlsIsClosedOnceQuitIsAnswered) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");
  mx.script = [](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "QUIT") return Answer{"221 2.0.0 bye"};  // and does not hang up
    return std::nullopt;
  };
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test"}), 1));
  ASSERT_TRUE(Eventually([&] { return mx.conversations.at(0).ended; }));
  Stop();
  EXPECT_TRUE(mx.conversations.at(0).tls_closed);
}

TEST_F(SessionTlsTest, NearlyEveryNewConnectionToAKnownHostIsResumed) {
  Require(TlsPolicy::kRequire);
  options_.smtp.messages_per_connection = 1;
  options_.smtp.connections = 10;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(100, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 100));
  Stop();
  const uint64_t resumed = Resumed();
  const uint64_t whole = metrics_.counter(Metric::kTlsHandshakes, {"TLSv1.3", "no"})->value();
  EXPECT_GE(resumed + whole, 100u);
  EXPECT_LE(whole, 5u) << "of " << resumed + whole;
}

// Both hosts are one server with one ticket key, which would take a ticket of either from anybody.
TEST_F(SessionTlsTest, ATicketOfOneHostIsNotShownToAnother) {
  options_.smtp.messages_per_connection = 1;
  MailServer& first = AddDomain("d1.test");
  MailServer& second = AddDomain("d2.test");
  first.tls = second.tls = Certified("mx.d1.test");
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test"}), 1));
  ASSERT_TRUE(EventuallyDelivered(Send("summer", {"jane@d2.test"}), 1));
  EXPECT_EQ(Resumed(), 0u);
  ASSERT_TRUE(EventuallyDelivered(Send("autumn", {"jane@d1.test"}), 1));
  EXPECT_EQ(Resumed(), 1u) << "the tickets are good ones";
  Stop();
  EXPECT_THAT(second.contents, SizeIs(1));
}

// The session would be resumed, and nobody would ask for the certificate.
TEST_F(SessionTlsTest, ATicketThatCameWithoutACertificateThatIsTrustedIsNoneUnderVerify) {
  options_.smtp.messages_per_connection = 1;
  AddStream("strict").tls = TlsPolicy::kVerify;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Certified("mx.d1.test");  // nobody vouches for it
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test"}), 1));
  ASSERT_TRUE(EventuallyDelivered(Send("summer", {"jane@d1.test"}), 1));
  EXPECT_EQ(Resumed(), 1u) << "the tickets are good ones";
  const queue::CampaignId id = Send("autumn", {"john@d1.test"}, {.stream = "strict"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(Resumed(), 1u);
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "tls");
  EXPECT_THAT(mx.contents, SizeIs(2));
}

TEST_F(SessionTlsTest, ADestinationsRequirementTightensTheStreams) {
  DestinationOptions& destination = options_.destinations.emplace_back();
  destination.domains = {"d1.test"};
  destination.tls = TlsPolicy::kRequire;
  MailServer& strict = AddDomain("d1.test");
  MailServer& other = AddDomain("d2.test");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test", "john@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  EXPECT_EQ(strict.conversations.at(0).clear, "EHLO mail.sender.test\r\nQUIT\r\n");
  EXPECT_THAT(other.contents, SizeIs(1));
}

}  // namespace
}  // namespace sealift::engine
