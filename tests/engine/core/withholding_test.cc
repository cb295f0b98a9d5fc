// Rows whose recipient is suppressed: before they are claimed, after it, and by a bounce.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using Answer = MailServer::Answer;
using Conversation = MailServer::Conversation;
using Kind = queue::SuppressionKind;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class WithholdingTest : public ShardWorld {
 protected:
  static constexpr Rate kOneAnHour{.count = 1, .period = absl::Hours(1)};

  // Loads 16 rows a1@d1.test ... and sends one of them: the others are claimed and wait for their permit.
  queue::CampaignId SendOneOf16() {
    options_.streams[0].rate.rate = kOneAnHour;
    Start();
    const queue::CampaignId id = Send("spring", Recipients(16, "d1.test"));
    EXPECT_TRUE(Eventually([this, id] { return CountersOf(id).delivered == 1 && RowsReady("d1.test") == 15; }));
    return id;
  }
  // The rate is lifted, and what may be sent is.
  void Lift(StreamKind kind = StreamKind::kMarketing) {
    options_.streams[0].rate.rate = Rate{};
    options_.streams[0].kind = kind;
    const auto lifted = std::make_shared<const Options>(options_);
    OnShard([&](Scheduler& scheduler) { scheduler.Adopt(lifted, scheduler.services().signing_keys); });
  }
  bool EventuallySettled(queue::CampaignId id) {
    return Eventually([this, id] { return CountersOf(id).queued() == 0; });
  }
  // All 16 are settled; those of `withheld` never reached the server, the others did once.
  void ExpectAllBut(queue::CampaignId id, const MailServer& mx, const std::vector<std::string>& withheld) {
    EXPECT_TRUE(EventuallySettled(id));
    Stop();
    const queue::Counters counters = CountersOf(id);
    EXPECT_EQ(counters.suppressed, withheld.size());
    EXPECT_EQ(counters.delivered, 16 - withheld.size());
    EXPECT_THAT(mx.contents, SizeIs(16 - withheld.size()));
    for (const Conversation& conversation : mx.conversations) {
      for (const std::string& address : withheld) EXPECT_THAT(conversation.clear, Not(HasSubstr(address)));
    }
  }
  std::vector<const queue::SuppressionEntry*> InForce(const std::string& address) {
    const auto record = store_->FindSuppressions(address);
    EXPECT_TRUE(record.ok()) << record.status();
    if (!record.ok() || !record->has_value()) return {};
    found_ = **record;
    return found_.InForce();
  }

 private:
  queue::SuppressionRecord found_;
};

TEST_F(WithholdingTest, ARowWhoseRecipientIsSuppressedIsSettledWithoutBeingSent) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Load("spring", Recipients(16, "d1.test"));
  Suppress("A3@d1.test", Kind::kOptOut);
  Run(id);
  ExpectAllBut(id, mx, {"a3@d1.test"});
  const std::vector<queue::Event> events = EventsOf(id);
  const auto event = std::ranges::find(events, queue::OutcomeKind::kSuppressed, &queue::Event::kind);
  ASSERT_NE(event, events.end());
  EXPECT_EQ(event->recipient, "a3@d1.test");
  EXPECT_EQ(event->reason_class, "suppressed");
  EXPECT_EQ(event->evidence.stream, "news");
  EXPECT_EQ(event->attempt, 0);
  EXPECT_EQ(metrics_.counter(Metric::kMessagesSuppressed, {"news"})->value(), 1u);
}

TEST_F(WithholdingTest, ALaneOfSuppressedRowsOpensNoConnection) {
  AddDomain("d1.test");
  unsettled_share_ = 4;  // fewer than there are: they wait for each other
  Start();
  const queue::CampaignId id = Load("spring", Recipients(100, "d1.test"));
  for (const std::string& address : Recipients(100, "d1.test")) Suppress(address, Kind::kManual);
  Run(id);
  ASSERT_TRUE(EventuallySettled(id));
  Stop();
  EXPECT_EQ(CountersOf(id).suppressed, 100u);
  EXPECT_THAT(internet_->connects, IsEmpty());
}

TEST_F(WithholdingTest, WhoIsSuppressedAfterTheClaimIsNotSent) {
  MailServer& mx = AddDomain("d1.test");
  const queue::CampaignId id = SendOneOf16();
  Suppress("a9@d1.test", Kind::kOptOut);
  Suppress("A16@d1.test", Kind::kHardBounce);
  Lift();
  ExpectAllBut(id, mx, {"a9@d1.test", "a16@d1.test"});
}

TEST_F(WithholdingTest, WithoutPipeliningItIsAskedBehindTheReset) {
  MailServer& mx = AddDomain("d1.test");
  mx.offers = {"SIZE 1000000"};
  // The first is refused, so that a RSET stands before the next MAIL; while its answer is awaited a2 opts out.
  mx.script = [this](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said.find("<a1@") != std::string_view::npos) return Answer{"450 4.2.1 later"};
    if (said.starts_with("RSET")) {
      const queue::AddressHash address = store_->AddressOf("a2@d1.test");
      scheduler().Hear({{address, {{.kind = Kind::kOptOut}}}});
    }
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).delivered == 1 && CountersOf(id).suppressed == 1; }));
  Stop();
  ASSERT_THAT(mx.conversations, SizeIs(1));
  EXPECT_THAT(mx.conversations[0].clear, Not(HasSubstr("a2@d1.test")));
}

TEST_F(WithholdingTest, WhoTakesMailIsSuspectedNoMore) {
  AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Load("spring", Recipients(16, "d1.test"));
  Suppress("a3@d1.test", Kind::kSuspected);
  Suppress("a4@d1.test", Kind::kOptOut);
  Run(id);
  ASSERT_TRUE(EventuallySettled(id));
  EXPECT_EQ(CountersOf(id).delivered, 15u);
  EXPECT_THAT(InForce("a3@d1.test"), IsEmpty());
  EXPECT_THAT(InForce("a4@d1.test"), SizeIs(1));
}

TEST_F(WithholdingTest, WhoIsSuspectedAfterTheClaimAndTakesItIsSuspectedNoMore) {
  AddDomain("d1.test");
  const queue::CampaignId id = SendOneOf16();
  Suppress("a9@d1.test", Kind::kSuspected);
  Lift();
  ASSERT_TRUE(EventuallySettled(id));
  EXPECT_EQ(CountersOf(id).delivered, 16u);
  EXPECT_THAT(InForce("a9@d1.test"), IsEmpty());
}

TEST_F(WithholdingTest, APermitOfARowThatIsNotSentIsNotSpent) {
  AddDomain("d1.test");
  options_.streams[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}};
  Start();
  const queue::CampaignId id = Load("spring", Recipients(2, "d1.test"));
  OnShard(
      [&](Scheduler& scheduler) { scheduler.Hear({{store_->AddressOf("a1@d1.test"), {{.kind = Kind::kOptOut}}}}); });
  Run(id);
  ASSERT_TRUE(EventuallySettled(id)) << "the only permit of the hour went to a row that was not sent";
  EXPECT_EQ(CountersOf(id).suppressed, 1u);
}

TEST_F(WithholdingTest, WhatWasClaimedIsJudgedAgain) {
  MailServer& mx = AddDomain("d1.test");
  const queue::CampaignId id = SendOneOf16();
  Suppress("a7@d1.test", Kind::kOptOut, /*announce=*/false);
  OnShard([](Scheduler& scheduler) { scheduler.JudgeAgain(); });
  Lift();
  ExpectAllBut(id, mx, {"a7@d1.test"});
}

TEST_F(WithholdingTest, WhoIsNoLongerSuppressedIsSent) {
  MailServer& mx = AddDomain("d1.test");
  const queue::CampaignId id = SendOneOf16();
  Suppress("a7@d1.test", Kind::kOptOut);
  queue::SuppressionChange removal{.address = "a7@d1.test", .entry = {}};
  removal.entry.what.kind = Kind::kOptOut;
  removal.entry.added = false;
  ASSERT_TRUE(store_->ChangeSuppressions({removal}, false).ok());
  OnShard([](Scheduler& scheduler) { scheduler.JudgeAgain(); });
  Lift();
  ExpectAllBut(id, mx, {});
}

TEST_F(WithholdingTest, MoreNewsThanThereIsRoomForGivesTheClaimsBack) {
  MailServer& mx = AddDomain("d1.test");
  const queue::CampaignId id = SendOneOf16();
  Suppress("a7@d1.test", Kind::kOptOut);
  queue::SuppressionNews flood;
  for (uint32_t i = 0; i <= SuppressionOverlay::kAddressesMax; ++i) {
    flood.push_back({{i, 0, 0}, {{.kind = Kind::kOptOut}}});
  }
  OnShard([&](Scheduler& scheduler) {
    scheduler.Hear(flood);
    EXPECT_EQ(RowsReady("d1.test"), 0u) << "nothing that was claimed before may be sent";
  });
  Lift();
  ExpectAllBut(id, mx, {"a7@d1.test"});
}

TEST_F(WithholdingTest, AStreamThatBecomesMarketingIsJudgedAgain) {
  MailServer& mx = AddDomain("d1.test");
  options_.streams[0].kind = StreamKind::kTransactional;
  const queue::CampaignId id = SendOneOf16();
  Suppress("a7@d1.test", Kind::kComplaint, /*announce=*/false);
  Lift(StreamKind::kMarketing);
  ExpectAllBut(id, mx, {"a7@d1.test"});
}

TEST_F(WithholdingTest, AnOptOutDoesNotBindATransactionalStream) {
  MailServer& mx = AddDomain("d1.test");
  options_.streams[0].kind = StreamKind::kTransactional;
  const queue::CampaignId id = SendOneOf16();
  Suppress("a7@d1.test", Kind::kOptOut);
  Suppress("a8@d1.test", Kind::kManual);
  Lift(StreamKind::kTransactional);
  ExpectAllBut(id, mx, {"a8@d1.test"});
}

TEST_F(WithholdingTest, ADeferredRowIsNotTriedAgainOnceItsRecipientOptsOut) {
  options_.streams[0].retry = {absl::Milliseconds(150)};
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said.starts_with("RCPT")) return Answer{"450 4.2.1 later"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Suppress("jane@d1.test", Kind::kOptOut);
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).suppressed == 1; }));
  EXPECT_EQ(CountersOf(id).retrying, 0u);
}

TEST_F(WithholdingTest, RowsOfADomainThatCouldNotBeResolvedSurviveBeingJudgedAgain) {
  options_.streams[0].retry = {absl::Milliseconds(150)};
  MailServer& mx = AddDomain("d1.test");
  internet_->SetVerdict("d1.test", dns::Verdict::kServFail);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(16, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  OnShard([&](Scheduler& scheduler) {
    scheduler.JudgeAgain();
    internet_->SetMx("d1.test", {{10, "mx.d1.test"}});
  });
  ExpectAllBut(id, mx, {});
}

MailServer::Script Refusing(std::string_view command, std::string_view reply) {
  return [command = std::string(command), reply = std::string(reply)](const Conversation&,
                                                                      std::string_view said) -> std::optional<Answer> {
    if (said.starts_with(command)) return Answer{reply};
    return std::nullopt;
  };
}

TEST_F(WithholdingTest, ABadMailboxIsSuppressedWithWhatWasHeard) {
  AddDomain("d1.test").script = Refusing("RCPT", "550 5.1.1 <jane@d1.test>: no such user here");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 1; }));
  const auto in_force = InForce("JANE@d1.test");
  ASSERT_THAT(in_force, SizeIs(1));
  EXPECT_EQ(in_force[0]->what, (queue::Suppression{.kind = Kind::kHardBounce}));
  EXPECT_EQ(in_force[0]->source, options_.sources[0].name);
  EXPECT_EQ(in_force[0]->provider, "other");
  EXPECT_EQ(in_force[0]->reason_class, "bad_mailbox");
  EXPECT_THAT(in_force[0]->reply, HasSubstr("no such user"));
  EXPECT_THAT(in_force[0]->reply, Not(HasSubstr("jane")));
  EXPECT_EQ(in_force[0]->by, "");
}

TEST_F(WithholdingTest, ABadMailboxBindsWhatOtherCampaignsHaveClaimed) {
  MailServer& mx = AddDomain("d1.test");
  const queue::CampaignId id = SendOneOf16();
  AddStream("receipts");
  const auto with_receipts = std::make_shared<const Options>(options_);
  OnShard([&](Scheduler& scheduler) {
    mx.script = [](const Conversation&, std::string_view said) -> std::optional<Answer> {
      if (said.find("<a7@") != std::string_view::npos) return Answer{"550 5.1.1 no such user"};
      return std::nullopt;
    };
    scheduler.Adopt(with_receipts, scheduler.services().signing_keys);
  });
  const queue::CampaignId receipts = Send("receipts", {"a7@d1.test"}, {.stream = "receipts"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(receipts).bounced == 1; }));
  Lift();
  ASSERT_TRUE(EventuallySettled(id));
  Stop();
  EXPECT_EQ(CountersOf(id).suppressed, 1u);
  EXPECT_EQ(CountersOf(id).delivered, 15u);
  EXPECT_EQ(CountersOf(id).bounced, 0u);
}

struct NotTheMailbox {
  std::string command, reply;
};

class OtherReplyTest : public WithholdingTest, public testing::WithParamInterface<NotTheMailbox> {};

TEST_P(OtherReplyTest, SuppressesNobody) {
  AddDomain("d1.test").script = Refusing(GetParam().command, GetParam().reply);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced + CountersOf(id).deferrals == 1; }));
  EXPECT_THAT(InForce("jane@d1.test"), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Replies, OtherReplyTest,
                         testing::Values(NotTheMailbox{"RCPT", "450 4.1.1 no such user here, it seems"},
                                         NotTheMailbox{"RCPT", "550 5.7.1 your address 192.0.2.1 is on a block list"},
                                         NotTheMailbox{"MAIL", "550 5.1.1 no such user"},
                                         NotTheMailbox{"RCPT", "552 5.2.2 mailbox full"},
                                         NotTheMailbox{".", "554 5.7.1 this is spam"}));

}  // namespace
}  // namespace sealift::engine
