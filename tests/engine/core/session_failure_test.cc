// What becomes of rows when servers refuse, leave or break the rules.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>

#include "engine/source_address.h"
#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using Answer = MailServer::Answer;
using Conversation = MailServer::Conversation;
using queue::OutcomeKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

MailServer::Script Answering(std::string command, std::string text, bool hang_up = false) {
  return [=](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said.starts_with(command)) return Answer{text, hang_up};
    return std::nullopt;
  };
}

class SessionFailureTest : public ShardWorld {
 protected:
  // Of the only row, after its only attempt.
  queue::Event Deferral(queue::CampaignId id) {
    EXPECT_TRUE(EventuallyTried(id, 1));
    Stop();
    EXPECT_EQ(CountersOf(id).retrying, 1u);
    const std::vector<queue::Event> events = EventsOf(id);
    EXPECT_THAT(events, SizeIs(1));
    EXPECT_EQ(events.at(0).kind, OutcomeKind::kDeferred);
    EXPECT_EQ(events.at(0).attempt, 1);
    return events.at(0);
  }
};

TEST_F(SessionFailureTest, ATransientReplyDefersByTheRetrySchedule) {
  AddDomain("d1.test").script = Answering("RCPT", "450 4.2.1 mailbox busy");
  Start();
  const absl::Time before = absl::Now();
  const queue::Event event = Deferral(Send("spring", {"jane@d1.test"}));
  EXPECT_EQ(event.code, 450);
  EXPECT_GE(event.due, before + absl::Minutes(54));
  EXPECT_LE(event.due, absl::Now() + absl::Minutes(67));
}

TEST_F(SessionFailureTest, ARefusedSenderDefersBecauseTheNextRowWouldHearTheSame) {
  AddDomain("d1.test").script = Answering("MAIL", "550 5.7.1 sender address blocked by our policy");
  Start();
  const queue::Event event = Deferral(Send("spring", {"jane@d1.test"}));
  EXPECT_EQ(event.code, 550);
}

TEST_F(SessionFailureTest, RefusedContentBounces) {
  AddDomain("d1.test").script = Answering(".", "554 5.6.0 malformed message");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 1; }));
}

TEST_F(SessionFailureTest, AConnectionLostAfterTheFinalDotDefers) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = Answering(".", "", /*hang_up=*/true);
  Start();
  const queue::Event event = Deferral(Send("spring", {"jane@d1.test"}));
  EXPECT_EQ(event.reason_class, "connection");
  EXPECT_EQ(event.code, 0);
  EXPECT_THAT(mx.contents, SizeIs(1))
      << "whether it arrived is unknown: it must wait for its time, not go again at once";
}

TEST_F(SessionFailureTest, AGoodbyeToTheFirstMailDefers) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = Answering("MAIL", "421 4.3.2 shutting down", /*hang_up=*/true);
  Start();
  const queue::Event event = Deferral(Send("spring", {"jane@d1.test"}));
  EXPECT_EQ(event.code, 421);
  EXPECT_THAT(mx.conversations, SizeIs(1));
}

TEST_F(SessionFailureTest, AGoodbyeOnAReusedConnectionReturnsTheRowUntried) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [&mx](const Conversation& conversation, std::string_view command) -> std::optional<Answer> {
    const bool second = mx.conversations.size() == 1 && conversation.commands.size() > 5;
    if (second && command.starts_with("MAIL")) return Answer{"421 4.7.0 enough for one connection", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  Stop();

  EXPECT_THAT(mx.conversations, SizeIs(2));
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
  for (const queue::Event& event : EventsOf(id)) EXPECT_EQ(event.attempt, 1);
}

TEST_F(SessionFailureTest, WhatAGoodbyeOnAReusedConnectionSaysOfUsIsHeard) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const Conversation& conversation, std::string_view command) -> std::optional<Answer> {
    const bool second = conversation.commands.size() > 5;
    if (second && command.starts_with("MAIL")) return Answer{"421 4.7.0 too many messages, slow down", true};
    return std::nullopt;
  };
  ASSERT_TRUE(restraints_.Adopt(std::make_shared<const Options>(options_)).ok());
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return !restraints_.List().empty(); }));
  EXPECT_EQ(restraints_.List()[0].rule, "any.slow");
  Stop();
  EXPECT_EQ(CountersOf(id).deferrals, 0u) << "nothing was said about the row";
}

TEST_F(SessionFailureTest, AnIdleConnectionThatTheServerHasClosedReturnsTheRowUntried) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [&mx](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "." && mx.contents.size() == 1) return Answer{"250 2.0.0 taken", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 2));
  Stop();
  EXPECT_THAT(mx.conversations, SizeIs(2));
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
}

TEST_F(SessionFailureTest, AReplyThatNobodyAskedForEndsTheSessionBeforeTheContent) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = Answering("DATA", "354 go ahead\r\n250 2.0.0 taken");
  Start();
  const queue::Event event = Deferral(Send("spring", {"jane@d1.test"}));
  EXPECT_EQ(event.reason_class, "protocol");
  EXPECT_THAT(mx.contents, IsEmpty());
  EXPECT_EQ(mx.conversations[0].commands.back(), "DATA") << "not even QUIT: nothing that it says can be believed";
}

TEST_F(SessionFailureTest, AReplyThatIsNoneEndsTheSession) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = Answering("RCPT", "hello there");
  Start();
  const queue::Event event = Deferral(Send("spring", {"jane@d1.test"}));
  EXPECT_EQ(event.reason_class, "protocol");
}

TEST_F(SessionFailureTest, OfAHostOfManyAddressesAFewAreTried) {
  AddDomain("d1.test");
  internet_->AddAddresses("mx.d1.test", 31);
  internet_->SetRefusing("mx.d1.test", true);
  Start();
  EXPECT_EQ(Deferral(Send("spring", {"jane@d1.test"})).reason_class, "connection");
  Stop();
  EXPECT_THAT(internet_->connects, SizeIs(4));
}

TEST_F(SessionFailureTest, AfterARefusedGreetingTheNextHostIsTried) {
  MailServer& first = internet_->AddHost("mx1.d1.test");
  MailServer& second = internet_->AddHost("mx2.d1.test");
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  first.greeting = "554 5.3.2 no mail here";
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();

  EXPECT_THAT(first.conversations[0].commands, ElementsAre("QUIT"));
  EXPECT_THAT(second.contents, SizeIs(1));
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
  EXPECT_EQ(EventsOf(id).at(0).attempt, 1);
  EXPECT_THAT(EventsOf(id).at(0).evidence.mx, StartsWith("mx2.d1.test ["));
}

TEST_F(SessionFailureTest, ARefusedGreetingIsAmongTheLastRepliesAsItCame) {
  AddDomain("d1.test").greeting = "554 5.3.2 no mail here";
  Start();
  Send("spring", {"jane@d1.test"});
  EXPECT_TRUE(Eventually([&] {
    const Site* const site = scheduler().directory().FindSite("d1.test");
    return site != nullptr && !site->replies.empty() && site->replies.back().reply == "554 5.3.2 no mail here";
  }));
}

TEST_F(SessionFailureTest, TheHostOfTheLowestPreferenceIsTriedFirst) {
  MailServer& backup = internet_->AddHost("mx2.d1.test");
  MailServer& first = internet_->AddHost("mx1.d1.test");
  internet_->SetMx("d1.test", {{10, "mx1.d1.test"}, {20, "mx2.d1.test"}});
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_THAT(first.contents, SizeIs(1));
  EXPECT_THAT(backup.conversations, IsEmpty());
}

TEST_F(SessionFailureTest, ASourceCallsHostsAtAddressesOfItsOwnFamilyOnly) {
  options_.sources.push_back(
      {.name = "ip6", .address = "2001:db8::7", .family = AF_INET6, .hostname = "mail6.sender.test"});
  options_.pools.push_back({.name = "six", .sources = {"ip6"}, .source_indexes = {1}});
  StreamOptions& letters = AddStream("letters");
  letters.pool = "six";
  letters.pool_index = 1;
  AddDomain("both.test");
  internet_->AddIPv6("mx.both.test", "2001:db8::25");
  AddDomain("four.test");
  Start();
  const queue::CampaignId four = Send("spring", {"jane@both.test"});
  const queue::CampaignId six = Send("summer", {"jane@both.test"}, {.stream = "letters"});
  const queue::CampaignId none = Send("autumn", {"jane@four.test"}, {.stream = "letters"});
  ASSERT_TRUE(EventuallyDelivered(four, 1));
  ASSERT_TRUE(EventuallyDelivered(six, 1));
  ASSERT_TRUE(EventuallyTried(none, 1));
  Stop();
  EXPECT_THAT(EventsOf(four).at(0).evidence.mx, HasSubstr("[127.0.1."));
  EXPECT_THAT(EventsOf(six).at(0).evidence.mx, HasSubstr("[2001:db8::25]"));
  EXPECT_EQ(EventsOf(none).at(0).reason_class, "dns") << "it has no address that this source could call";
  EXPECT_EQ(internet_->connects.size(), 2u);
}

TEST_F(SessionFailureTest, AServerThatSaysNothingIsLeftAfterItsTime) {
  AddDomain("d1.test").greeting = "";
  options_.smtp.greeting_timeout = absl::Milliseconds(50);
  Start();
  const queue::Event event = Deferral(Send("spring", {"jane@d1.test"}));
  EXPECT_EQ(event.reason_class, "timeout");
}

TEST_F(SessionFailureTest, AGoodbyeToTheResetReturnsTheNextRowUntried) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [&mx](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "RCPT TO:<a1@d1.test>") return Answer{"550 5.1.1 user unknown"};
    if (command == "DATA" && mx.conversations.size() == 1) return Answer{"503 5.5.1 no valid recipients"};
    if (command == "RSET") return Answer{"421 4.3.2 bye", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  EXPECT_EQ(CountersOf(id).bounced, 1u);
  EXPECT_EQ(CountersOf(id).deferrals, 0u);
  EXPECT_THAT(mx.contents, SizeIs(1));
}

TEST_F(SessionFailureTest, AnAddressOnThisMachineIsNotConnectedToUnlessAllowed) {
  options_.dns.allow_private_addresses = false;
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 1; })) << "a way to say that it takes no mail";
  Stop();
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "no_mx");
  EXPECT_THAT(mx.conversations, IsEmpty());
  EXPECT_THAT(internet_->connects, IsEmpty());
}

TEST_F(SessionFailureTest, AHostThatFailedIsPassedOverForEveryDomainItServes) {
  internet_->AddHost("dead.test");
  internet_->SetRefusing("dead.test", true);
  MailServer& one = internet_->AddHost("mx1.test");
  MailServer& two = internet_->AddHost("mx2.test");
  internet_->SetMx("d1.test", {{10, "dead.test"}, {20, "mx1.test"}});
  internet_->SetMx("d2.test", {{10, "dead.test"}, {20, "mx2.test"}});
  Start();
  const queue::CampaignId first = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(first, 1));
  const queue::CampaignId second = Send("summer", {"jane@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(second, 1));
  Stop();
  EXPECT_THAT(one.contents, SizeIs(1));
  EXPECT_THAT(two.contents, SizeIs(1));
  EXPECT_EQ(std::ranges::count(internet_->connects, "dead.test", [](const auto& connect) { return connect.first; }), 1);
}

TEST_F(SessionFailureTest, DomainsOfOneSiteShareItsSessions) {
  MailServer& mx = internet_->AddHost("mx.test");
  internet_->SetMx("d1.test", {{10, "mx.test"}});
  internet_->SetMx("d2.test", {{10, "mx.test"}});
  options_.smtp.idle_timeout = absl::Minutes(10);
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"jane@d1.test", "jane@d2.test"}), 2));
  Stop();
  EXPECT_THAT(mx.conversations, SizeIs(1));
}

TEST_F(SessionFailureTest, MailToADeniedHostBouncesWithAClassOfItsOwn) {
  MailServer& denied = AddDomain("d1.test");
  MailServer& other = AddDomain("d2.test");
  internet_->SetMx("d3.test", {{10, "mx.d1.test"}, {20, "mx.d2.test"}});
  options_.dns.mx_deny = {"*.d1.test"};
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test", "jack@d1.test", "jane@d2.test", "jane@d3.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 2)) << "a domain with another host is mailed there";
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 2; }));
  Stop();
  EXPECT_THAT(denied.conversations, IsEmpty());
  EXPECT_THAT(other.contents, SizeIs(2));
  for (const queue::Event& event : EventsOf(id)) {
    if (event.kind == OutcomeKind::kBounced) EXPECT_EQ(event.reason_class, "mx_denied");
  }
}

TEST_F(SessionFailureTest, AHostIsDeniedByItsAddressToo) {
  MailServer& denied = AddDomain("d1.test");  // 127.0.1.1
  MailServer& allowed = AddDomain("d2.test");
  options_.dns.mx_deny = {"127.0.1.1/32"};
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test", "jane@d2.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 1; }));
  Stop();
  EXPECT_THAT(denied.conversations, IsEmpty());
  EXPECT_THAT(allowed.contents, SizeIs(1));
}

TEST(SourceAddressTest, AnAddressOfThisMachineOrOfASourceIsItsOwn) {
  Options options;
  options.sources.push_back({.name = "ip1", .address = "203.0.113.10", .family = AF_INET});
  EXPECT_TRUE(IsOwnAddress(*dns::Address::Parse("203.0.113.10"), options));
  EXPECT_TRUE(IsOwnAddress(*dns::Address::Parse("127.0.0.1"), options));
  EXPECT_FALSE(IsOwnAddress(*dns::Address::Parse("203.0.113.11"), options));
  EXPECT_FALSE(IsOwnAddress(*dns::Address::Parse("2001:db8::1"), options));
}

TEST(SourceAddressTest, WhereTheKernelDoesNotSayWhatItSaidLastStands) {
  const dns::Address ours = *dns::Address::Parse("127.0.0.1"), foreign = *dns::Address::Parse("203.0.113.11");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  InterfaceAddresses interfaces;
  InterfaceAddresses::Time now;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_TRUE(interfaces.MayHave(foreign, now)) << "nobody knows";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  now += InterfaceAddresses::kFresh;
  EXPECT_FALSE(interfaces.MayHave(foreign, now));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  now += InterfaceAddresses::kFresh;
  EXPECT_TRUE(interfaces.MayHave(ours, now));
  EXPECT_FALSE(interfaces.MayHave(foreign, now));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

// Mail servers' and web servers' alike: whatever a stranger's records name.
TEST(SourceAddressTest, NoRecordOfAStrangerLeadsToThisMachineOrIntoItsNetwork) {
  Options options;
  options.sources.push_back({.name = "ip1", .address = "203.0.113.10", .family = AF_INET});
  for (const char* inside : {"127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "::ffff:10.0.0.1",
                             "fe80::1", "203.0.113.10"}) {
    EXPECT_FALSE(MayBeOfOthers(*dns::Address::Parse(inside), options)) << inside;
  }
  EXPECT_TRUE(MayBeOfOthers(*dns::Address::Parse("8.8.8.8"), options));
  options.dns.allow_private_addresses = true;
  EXPECT_TRUE(MayBeOfOthers(*dns::Address::Parse("10.1.2.3"), options));
}

}  // namespace
}  // namespace sealift::engine
