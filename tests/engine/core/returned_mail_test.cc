// What a bounce or a complaint does: it is believed for the row of its token alone, and suppresses as what was heard in
// a session would.
#include "engine/returned_mail.h"

#include <gmock/gmock.h>

#include "engine/message_identity.h"
#include "tests/queue/store_fixture.h"

namespace sealift::engine {
namespace {

using queue::OutcomeKind;
using queue::SuppressionKind;
using ::testing::HasSubstr;
using ::testing::Not;
using Result = ReturnedMail::Result;

class ReturnedMailTest : public queue::StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
    LoadRows(campaign_, 1, 16, 1);
    pack_ = ReadAll(campaign_).at(0);
    std::vector<queue::Outcome> outcomes = AllOf(pack_, OutcomeKind::kDelivered);
    for (queue::Outcome& outcome : outcomes) {
      outcome.evidence = std::make_shared<const queue::Evidence>(
          queue::Evidence{.stream = "newsletter", .source = "ip1", .mx = "mx1.d0.test [192.0.2.1]:25"});
    }
    Settle(std::move(outcomes));
    returned_ = std::make_unique<ReturnedMail>(
        *store_, ReturnedMail::Surroundings{
                     .options = [this] { return options_; },
                     .heard = [this] { ++heard_; },
                     .reread = [](queue::CampaignId) {},
                     .bounced = [this](const ReturnedMail::Bounce& bounce) { bounces_.push_back(bounce); },
                     .doubts =
                         [this](const std::string& mx) {
                           asked_.push_back(mx);
                           return doubts_;
                         }});
  }

  std::string Sender(uint32_t row) const {
    std::string sender;
    AppendEnvelopeSender(*store_, *options_, "newsletter", {pack_->lane(), queue::RowId{row}}, sender);
    return sender;
  }
  static std::string Address(uint32_t row) { return fmt::format("patient{}@d0.test", row); }

  static ReturnedReport Delivery(const std::string& sender, const std::string& to, std::string action,
                                 std::string status, std::string diagnostic) {
    ReturnedReport report;
    report.kind = ReturnedReport::Kind::kDelivery;
    report.senders = {"postmaster@d9.test", sender};
    report.recipients = {{.original = {},
                          .final = to,
                          .action = std::move(action),
                          .status = std::move(status),
                          .diagnostic = std::move(diagnostic)}};
    return report;
  }
  ReturnedReport Unknown(uint32_t row) const {
    return Delivery(Sender(row), Address(row), "failed", "5.1.1",
                    fmt::format("550 5.1.1 <{}>: Recipient address rejected: User unknown", Address(row)));
  }
  static ReturnedReport Complaint(const std::string& sender, const std::string& id, std::string type = "abuse") {
    ReturnedReport report;
    report.kind = ReturnedReport::Kind::kFeedback;
    report.senders = {sender};
    report.message_id = id;
    report.feedback_type = std::move(type);
    return report;
  }

  Result Take(const ReturnedReport& report) {
    const absl::StatusOr<Result> result = returned_->Take(report, "root", "daily");
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(Result::kUnknown);
  }
  std::optional<SuppressionKind> Suppressed(uint32_t row) {
    const auto record = store_->FindSuppressions(Address(row));
    EXPECT_TRUE(record.ok()) << record.status();
    if (!record.ok() || !record->has_value() || (*record)->InForce().empty()) return std::nullopt;
    return (*record)->InForce()[0]->what.kind;
  }
  queue::Event LastEvent(uint32_t row) {
    return store_->TraceMessage({pack_->lane(), queue::RowId{row}})->events.back();
  }

  std::shared_ptr<Options> options_ = std::make_shared<Options>();
  queue::CampaignId campaign_{};
  std::shared_ptr<queue::Pack> pack_;
  std::unique_ptr<ReturnedMail> returned_;
  std::vector<ReturnedMail::Bounce> bounces_;
  std::vector<std::string> asked_;  // the hosts, each time
  bool doubts_ = false;
  int heard_ = 0;
};

TEST_F(ReturnedMailTest, AMailboxThatIsNotThereIsBouncedAndSuppressedOnce) {
  EXPECT_EQ(Take(Unknown(3)), Result::kBounce);
  EXPECT_EQ(Suppressed(3), SuppressionKind::kHardBounce);
  EXPECT_EQ(heard_, 1) << "every shard knows before it is answered";
  const queue::Event event = LastEvent(3);
  EXPECT_EQ(event.kind, OutcomeKind::kBounced);
  EXPECT_EQ(event.reason_class, "bad_mailbox");
  EXPECT_EQ(event.code, 550);
  EXPECT_EQ(event.enhanced, "5.1.1");
  EXPECT_THAT(event.reply, HasSubstr("User unknown"));
  EXPECT_THAT(event.reply, Not(HasSubstr("patient3")));
  EXPECT_EQ(event.evidence.source, "ip1");
  EXPECT_EQ(event.evidence.mx, "mx1.d0.test [192.0.2.1]:25");
  ASSERT_EQ(bounces_.size(), 1u);
  EXPECT_EQ(bounces_[0].stream, "newsletter");
  EXPECT_EQ(bounces_[0].source, "ip1");
  EXPECT_EQ(bounces_[0].reason_class, "bad_mailbox");
  EXPECT_TRUE(bounces_[0].bad_mailbox);

  EXPECT_EQ(Take(Unknown(3)), Result::kKnown);
  EXPECT_EQ(bounces_.size(), 1u);
  EXPECT_EQ(CountersOf(campaign_).bounced, 1u);
}

TEST_F(ReturnedMailTest, WhatIsNotSignedChangesNothing) {
  ReturnedReport report = Unknown(3);
  std::string forged = Sender(3);
  const size_t last = forged.find('@') - 1;
  forged[last] = forged[last] == 'a' ? 'b' : 'a';
  for (const std::string& sender : {forged, std::string("b+@bounce.example.com"), std::string("patient3@d0.test"),
                                    std::string("b+" + std::string(42, 'a') + "@x.test"), std::string()}) {
    report.senders = {sender};
    EXPECT_EQ(Take(report), Result::kUnknown) << sender;
  }
  // A Message-ID proves nothing of a bounce; and a token that unsubscribes is none of an envelope.
  report.senders.clear();
  report.message_id = store_->EncodeMessageId({pack_->lane(), queue::RowId{3}}) + "@mta1.example.com";
  EXPECT_EQ(Take(report), Result::kUnknown);
  report.senders = {"b+" + store_->EncodeToken(queue::TokenPurpose::kUnsubscribe, {pack_->lane(), queue::RowId{3}}) +
                    "@x.test"};
  EXPECT_EQ(Take(report), Result::kUnknown);
  EXPECT_EQ(CountersOf(campaign_).bounced, 0u);
  EXPECT_FALSE(Suppressed(3).has_value());
}

TEST_F(ReturnedMailTest, OnlyALastingWordAboutTheMailboxSuppresses) {
  struct Case {
    std::string action, status, diagnostic;
    Result result;
    std::string reason_class;
  };
  const std::vector<Case> cases = {
      {"delayed", "4.4.1", "connect to mx: Connection timed out", Result::kDelayed, ""},
      {"", "4.2.2", "452 4.2.2 mailbox full", Result::kDelayed, ""},
      {"relayed", "2.0.0", "", Result::kNothing, ""},
      {"failed", "5.7.1", "550 5.7.1 Message rejected due to local policy", Result::kBounce, "policy"},
      {"failed", "5.7.1", "554 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org", Result::kBounce,
       "reputation"},
      {"failed", "4.4.7", "delivery time expired", Result::kBounce, ""},
      {"failed", "4.4.7", "550 5.1.1 User unknown", Result::kBounce, ""},
      {"failed", "5.1.1", "450 4.1.1 User unknown", Result::kBounce, ""},
      {"failed", "5.2.2", "552 5.2.2 Mailbox full", Result::kBounce, "full"},
  };
  uint32_t row = 0;
  for (const Case& each : cases) {
    ++row;
    SCOPED_TRACE(each.status + " " + each.diagnostic);
    EXPECT_EQ(Take(Delivery(Sender(row), Address(row), each.action, each.status, each.diagnostic)), each.result);
    EXPECT_FALSE(Suppressed(row).has_value());
    if (each.result != Result::kBounce) {
      EXPECT_EQ(LastEvent(row).kind, OutcomeKind::kDelivered);
    } else if (!each.reason_class.empty()) {
      EXPECT_EQ(LastEvent(row).reason_class, each.reason_class);
    }
  }
  // Without a reply its status speaks.
  EXPECT_EQ(Take(Delivery(Sender(15), Address(15), "failed", "5.1.1", "")), Result::kBounce);
  EXPECT_EQ(Suppressed(15), SuppressionKind::kHardBounce);
  EXPECT_EQ(Take(Delivery(Sender(16), Address(16), "", "5.1.1", "")), Result::kBounce);
  EXPECT_EQ(Suppressed(16), SuppressionKind::kHardBounce);
}

TEST_F(ReturnedMailTest, AnotherMailboxThanOursIsOnlySuspected) {
  ReturnedReport report = Unknown(3);
  report.recipients[0].final = "elsewhere@d5.test";
  EXPECT_EQ(Take(report), Result::kBounce);
  EXPECT_EQ(Suppressed(3), SuppressionKind::kSuspected) << "ours forwards to one that is gone";

  report = Unknown(4);
  report.recipients[0].original = "PATIENT4@D0.test";
  report.recipients[0].final = "elsewhere@d5.test";
  EXPECT_EQ(Take(report), Result::kBounce);
  EXPECT_EQ(Suppressed(4), SuppressionKind::kHardBounce);

  // A list of which one member is gone has taken the message.
  report = Unknown(5);
  report.recipients[0].final = "member1@d5.test";
  report.recipients.push_back(
      {.original = {}, .final = "member2@d5.test", .action = "relayed", .status = "2.0.0", .diagnostic = {}});
  EXPECT_EQ(Take(report), Result::kNothing);
  EXPECT_FALSE(Suppressed(5).has_value());
}

TEST_F(ReturnedMailTest, WhileFarTooManyAreRefusedAMailboxIsOnlySuspected) {
  doubts_ = true;
  EXPECT_EQ(Take(Unknown(3)), Result::kBounce);
  EXPECT_EQ(Suppressed(3), SuppressionKind::kSuspected);
  doubts_ = false;
  EXPECT_EQ(Take(Unknown(4)), Result::kBounce);
  EXPECT_EQ(Suppressed(4), SuppressionKind::kHardBounce);
  EXPECT_THAT(asked_, ::testing::Each("mx1.d0.test"));
  EXPECT_EQ(asked_.size(), 2u) << "each is counted";
  EXPECT_EQ(Take(Delivery(Sender(5), Address(5), "failed", "5.2.2", "552 5.2.2 Mailbox full")), Result::kBounce);
  EXPECT_EQ(asked_.size(), 2u);
}

TEST_F(ReturnedMailTest, OurHostIsTheOneThatSent) {
  options_->sources = {{.name = "ip1", .hostname = "mta7.sender.test"}};
  EXPECT_EQ(Take(Delivery(Sender(3), Address(3), "failed", "5.1.1", "550 5.1.1 user unknown mta7.sender.test")),
            Result::kBounce);
  EXPECT_EQ(Suppressed(3), SuppressionKind::kSuspected) << "it may be ours that is not known";
}

TEST_F(ReturnedMailTest, AComplaintLeadsBackByItsTokenOrItsMessageIdAndCountsOnce) {
  const std::string id = store_->EncodeMessageId({pack_->lane(), queue::RowId{7}}) + "@mta1.example.com";
  EXPECT_EQ(Take(Complaint("abuse@example.com", id)), Result::kComplaint);
  EXPECT_EQ(Suppressed(7), SuppressionKind::kComplaint);
  EXPECT_EQ(LastEvent(7).kind, OutcomeKind::kDelivered) << "it arrived";
  EXPECT_EQ(Take(Complaint("abuse@example.com", id)), Result::kKnown);
  EXPECT_EQ(Take(Complaint(Sender(8), "", "fraud")), Result::kComplaint);
  const auto record = store_->FindSuppressions(Address(7));
  const queue::SuppressionEntry entry = *(*record)->InForce()[0];
  EXPECT_EQ(entry.by, "root");
  EXPECT_EQ(entry.reason, "daily");
  EXPECT_EQ(entry.source, "ip1");
  EXPECT_THAT(entry.reply, HasSubstr("of campaign spring"));

  // An operator took it back; the same report does not bring it again.
  ASSERT_TRUE(store_
                  ->ChangeSuppressions(
                      {{Address(7),
                        {.what = entry.what, .added = false, .time = queue::kNow, .reason = "phone", .by = "root"}}},
                      true)
                  .ok());
  EXPECT_EQ(Take(Complaint("abuse@example.com", id)), Result::kKnown);
  EXPECT_FALSE(Suppressed(7).has_value());

  EXPECT_EQ(Take(Complaint(Sender(9), "", "not-spam")), Result::kNothing);
  EXPECT_EQ(Take(Complaint("", std::string(26, 'a') + "@mta1.example.com")), Result::kUnknown);
  EXPECT_EQ(Take(Complaint("", "somebody-elses@d1.test")), Result::kUnknown);
  EXPECT_FALSE(Suppressed(9).has_value());
}

TEST_F(ReturnedMailTest, WhatWasNeverSentCannotComeBack) {
  LoadRows(campaign_, 17, 18, 1);
  EXPECT_EQ(Take(Unknown(17)), Result::kUnknown);
  EXPECT_EQ(CountersOf(campaign_).queued(), 2u);
}

}  // namespace
}  // namespace sealift::engine
