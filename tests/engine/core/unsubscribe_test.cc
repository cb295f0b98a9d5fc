// From a token, or an envelope sender, back to the row that it was made of: while it waits, after it was delivered, and
// when nobody knows it any more.
#include <gmock/gmock.h>

#include "engine/exit_code.h"
#include "engine/message_identity.h"
#include "engine/suppressions.h"
#include "tests/queue/store_fixture.h"

namespace sealift::engine {
namespace {

using queue::MessageKey;
using queue::OutcomeKind;
using queue::TokenPurpose;
using ::testing::HasSubstr;
using ::testing::Not;
using Unsubscribed = absl::StatusOr<Suppressions::Unsubscribed>;

class UnsubscribeTest : public queue::StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();  // in the stream `newsletter`, which the configuration below does not have
    LoadRows(campaign_, 1, 16, 1);
    pack_ = ReadAll(campaign_).at(0);
    suppressions_ = std::make_unique<Suppressions>(
        *store_, [] { return std::make_shared<const Options>(); },
        Suppressions::Shards{.heard = [this] { ++heard_; }, .judge_again = [] {}});
  }
  MessageKey Message(uint32_t row) const { return {pack_->lane(), queue::RowId{row}}; }
  std::string Token(uint32_t row) const { return store_->EncodeToken(TokenPurpose::kUnsubscribe, Message(row)); }
  Unsubscribed Unsubscribe(const std::string& token) { return suppressions_->Unsubscribe(token, {"by web", "web"}); }

  queue::CampaignId campaign_{};
  std::shared_ptr<queue::Pack> pack_;
  std::unique_ptr<Suppressions> suppressions_;
  int heard_ = 0;
};

TEST_F(UnsubscribeTest, WhoGotTheMessageIsOptedOutOfItsStreamOnce) {
  Settle(queue::StoreTest::AllOf(pack_, OutcomeKind::kDelivered));
  const Unsubscribed first = Unsubscribe(Token(4));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->change.changed, 1u);
  EXPECT_EQ(first->change.record.address, "patient4@d0.test");
  EXPECT_EQ(first->stream, "newsletter");
  EXPECT_EQ(first->campaign, "spring");
  EXPECT_EQ(heard_, 1) << "every shard knows when it returns";
  const auto in_force = first->change.record.InForce();
  ASSERT_EQ(in_force.size(), 1u);
  EXPECT_EQ(in_force[0]->what.kind, queue::SuppressionKind::kOptOut);
  EXPECT_EQ(in_force[0]->what.scope, (queue::SuppressionScope{queue::SuppressionScope::Of::kStream, "newsletter"}));
  EXPECT_TRUE(in_force[0]->what.sink) << "what went to the sink says nothing of the real mailbox";
  EXPECT_EQ(in_force[0]->reason, "by web");
  EXPECT_EQ(in_force[0]->by, "web");
  EXPECT_THAT(in_force[0]->reply, HasSubstr(store_->EncodeMessageId(Message(4)) + " of campaign spring"));
  EXPECT_THAT(in_force[0]->reply, Not(HasSubstr("patient")));

  const Unsubscribed again = Unsubscribe(Token(4));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->change.changed, 0u);
  EXPECT_EQ(again->change.record.history.size(), 1u);
  EXPECT_FALSE(store_->FindSuppressions("patient5@d0.test")->has_value());
}

TEST_F(UnsubscribeTest, ARowThatWaitsAndOneThatBouncedAreFoundToo) {
  Settle({MakeOutcome(pack_, 0, OutcomeKind::kDeferred, queue::kNow, queue::kNow + absl::Minutes(5)),
          MakeOutcome(pack_, 1, OutcomeKind::kBounced)});
  for (const uint32_t row : {1u, 2u, 3u}) {  // deferred, bounced, never tried
    const Unsubscribed done = Unsubscribe(Token(row));
    ASSERT_TRUE(done.ok()) << row << done.status();
    EXPECT_EQ(done->change.record.address, fmt::format("patient{}@d0.test", row));
  }
}

TEST_F(UnsubscribeTest, AForgedTokenChangesNothing) {
  const std::string token = Token(4);
  std::string forged = token;
  forged.back() = forged.back() == 'a' ? 'b' : 'a';
  for (const std::string& bad : {forged, std::string(), store_->EncodeMessageId(Message(4)),
                                 store_->EncodeToken(TokenPurpose::kReturnPath, Message(4)), token + "\n"}) {
    const Unsubscribed refused = Unsubscribe(bad);
    EXPECT_EQ(ExitCodeOf(refused.status()), ExitCode::kBadData) << bad;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("nothing was changed"));
  }
  EXPECT_TRUE(store_->ListSuppressions("", 10)->records.empty());
}

TEST_F(UnsubscribeTest, AnErasedCampaignStillLeadsToWhoGotItsMail) {
  Settle({MakeOutcome(pack_, 3, OutcomeKind::kDelivered)});
  ASSERT_TRUE(store_->Cancel(campaign_, true, queue::kNow).ok());
  EXPECT_TRUE(Unsubscribe(Token(4)).ok()) << "its event outlives the erasure";
  const Unsubscribed never_sent = Unsubscribe(Token(5));
  EXPECT_EQ(ExitCodeOf(never_sent.status()), ExitCode::kNoInput);
  EXPECT_THAT(std::string(never_sent.status().message()), HasSubstr("campaign 'spring' was erased"));
}

TEST_F(UnsubscribeTest, PastTheRetentionOfEventsItSaysSo) {
  Settle(queue::StoreTest::AllOf(pack_, OutcomeKind::kDelivered));
  ASSERT_TRUE(store_->Sweep(queue::kNow + absl::Hours(24 * 100), absl::Hours(24), absl::Hours(24 * 50)).ok());
  const Unsubscribed late = Unsubscribe(Token(4));
  EXPECT_EQ(ExitCodeOf(late.status()), ExitCode::kNoInput);
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("past retention.events"));
}

TEST_F(UnsubscribeTest, AnEnvelopeSenderLeadsToItsRowHoweverItIsSpelled) {
  Options options;
  options.node.hostname = "mta1.example.com";
  options.streams.resize(1);
  options.streams[0].name = "newsletter";
  options.streams[0].return_path = "bounce.example.com";
  std::string sender, of_a_stream_that_is_gone;
  AppendEnvelopeSender(*store_, options, "newsletter", Message(4), sender);
  AppendEnvelopeSender(*store_, options, "gone", Message(4), of_a_stream_that_is_gone);
  EXPECT_TRUE(sender.starts_with("b+") && sender.ends_with("@bounce.example.com")) << sender;
  EXPECT_LE(sender.find('@'), 64u);
  EXPECT_TRUE(of_a_stream_that_is_gone.ends_with("@mta1.example.com"));
  std::string upper = sender;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  const std::string id = store_->EncodeMessageId(Message(4));
  for (const std::string& name : {sender, "<" + sender + ">", upper, sender.substr(0, sender.find('@')),
                                  sender.substr(2, 42), Token(4), id, "<" + id + "@mta1.example.com>"}) {
    const absl::StatusOr<MessageKey> found = ParseMessageName(*store_, name);
    ASSERT_TRUE(found.ok()) << name << found.status();
    EXPECT_EQ(*found, Message(4)) << name;
  }
}

TEST_F(UnsubscribeTest, AForgedEnvelopeSenderLeadsNowhere) {
  const std::string id = store_->EncodeMessageId(Message(4));
  std::string forged = store_->EncodeToken(TokenPurpose::kReturnPath, Message(4));
  forged[30] = forged[30] == 'a' ? 'b' : 'a';
  for (const std::string& bad : {"b+" + forged + "@bounce.example.com", "b+" + id + "@bounce.example.com", forged,
                                 "b+" + Token(4) + "@bounce.example.com", std::string("b+@x")}) {
    const absl::Status refused = ParseMessageName(*store_, bad).status();
    EXPECT_EQ(ExitCodeOf(refused), ExitCode::kBadData) << bad;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("was not made by this node")) << bad;
  }
  EXPECT_EQ(ExitCodeOf(ParseMessageName(*store_, "nonsense").status()), ExitCode::kNoInput);
}

}  // namespace
}  // namespace sealift::engine
