// A message that a server took and that came back: the row is bounced, once, whatever it was counted as.
#include "queue/late_bounce.h"

#include "queue/suppression_list.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class LateBounceTest : public StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
    LoadRows(campaign_, 1, 8, 1);
    pack_ = ReadAll(campaign_).at(0);
  }
  MessageKey Message(uint32_t row) const { return {pack_->lane(), RowId{row}}; }

  Outcome Bounce(bool bad_mailbox = true) const {
    Outcome outcome;
    outcome.kind = OutcomeKind::kBounced;
    outcome.time = kNow + absl::Hours(1);
    outcome.attempt = 1;
    outcome.reason_class = bad_mailbox ? "bad_mailbox" : "policy";
    outcome.code = 550;
    outcome.enhanced = "5.1.1";
    outcome.reply = "User unknown";
    outcome.bad_mailbox = bad_mailbox;
    outcome.provider = "google";
    return outcome;
  }
  LateBounce Take(uint32_t row, bool bad_mailbox = true) {
    const absl::StatusOr<LateBounce> done = store_->SettleLateBounce(Message(row), Bounce(bad_mailbox));
    EXPECT_TRUE(done.ok()) << done.status();
    return done.value_or(LateBounce::kUnknown);
  }
  std::vector<OutcomeKind> KindsOf(uint32_t row) {
    std::vector<OutcomeKind> kinds;
    const absl::StatusOr<Trace> trace = store_->TraceMessage(Message(row));
    EXPECT_TRUE(trace.ok()) << trace.status();
    for (const Event& event : trace->events) kinds.push_back(event.kind);
    return kinds;
  }
  uint64_t Settled() {
    const Counters counters = CountersOf(campaign_);
    return counters.delivered + counters.bounced + counters.expired + counters.suppressed + counters.cancelled +
           counters.queued();
  }

  CampaignId campaign_{};
  std::shared_ptr<Pack> pack_;
};

TEST_F(LateBounceTest, ADeliveredRowIsBouncedFromThenOnAndOnce) {
  Settle(AllOf(pack_, OutcomeKind::kDelivered));
  EXPECT_EQ(Take(3), LateBounce::kSettled);
  EXPECT_EQ(CountersOf(campaign_).delivered, 7u);
  EXPECT_EQ(CountersOf(campaign_).bounced, 1u);
  EXPECT_EQ(Settled(), 8u) << "nothing is lost and nothing counted twice";
  EXPECT_EQ(KindsOf(3), (std::vector<OutcomeKind>{OutcomeKind::kDelivered, OutcomeKind::kBounced}));
  const auto record = store_->FindSuppressions("patient3@d0.test");
  ASSERT_TRUE(record.ok() && record->has_value());
  ASSERT_EQ((*record)->InForce().size(), 1u);
  EXPECT_EQ((*record)->InForce()[0]->what.kind, SuppressionKind::kHardBounce);
  EXPECT_EQ((*record)->InForce()[0]->provider, "google");
  EXPECT_EQ((*record)->InForce()[0]->reason, kReported);

  EXPECT_EQ(Take(3), LateBounce::kKnown);
  Reopen();
  EXPECT_EQ(Take(3), LateBounce::kKnown);
  EXPECT_EQ(CountersOf(campaign_).delivered, 7u);
  EXPECT_EQ(CountersOf(campaign_).bounced, 1u);
  EXPECT_EQ((*store_->FindSuppressions("patient3@d0.test"))->history.size(), 1u);
  EXPECT_FALSE(store_->FindSuppressions("patient4@d0.test")->has_value());
}

TEST_F(LateBounceTest, APolicyBounceSuppressesNobody) {
  Settle(AllOf(pack_, OutcomeKind::kDelivered));
  EXPECT_EQ(Take(3, /*bad_mailbox=*/false), LateBounce::kSettled);
  EXPECT_EQ(CountersOf(campaign_).bounced, 1u);
  EXPECT_FALSE(store_->FindSuppressions("patient3@d0.test")->has_value());
}

TEST_F(LateBounceTest, AQueuedRowLeavesTheQueue) {
  Settle({MakeOutcome(pack_, 1, OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(5)),
          MakeOutcome(pack_, 2, OutcomeKind::kDeferred, kNow, absl::InfiniteFuture())});
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 1u);
  EXPECT_EQ(Take(2), LateBounce::kSettled);
  EXPECT_EQ(Take(3), LateBounce::kSettled) << "that was the one in doubt";
  EXPECT_EQ(CountersOf(campaign_).bounced, 2u);
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 0u);
  EXPECT_EQ(CountersOf(campaign_).queued(), 6u);
  EXPECT_EQ(Settled(), 8u);
  EXPECT_TRUE(store_->ReadRow(campaign_, RowId{2})->parked);
  Reopen();
  EXPECT_EQ(CountersOf(campaign_).queued(), 6u);
}

TEST_F(LateBounceTest, AParkedRowStaysParkedUnderItsNewOutcome) {
  Settle({MakeOutcome(pack_, 0, OutcomeKind::kExpired)});
  EXPECT_EQ(Take(1, /*bad_mailbox=*/false), LateBounce::kSettled);
  EXPECT_EQ(CountersOf(campaign_).expired, 0u);
  EXPECT_EQ(CountersOf(campaign_).bounced, 1u);
  const auto row = store_->ReadRow(campaign_, RowId{1});
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->outcome, OutcomeKind::kBounced);
  EXPECT_EQ(row->recipient, "patient1@d0.test");
  EXPECT_EQ(row->fields, (std::vector<std::string>{"Name1", "x"}));
  EXPECT_EQ(row->accepted, kNow);
}

TEST_F(LateBounceTest, ARowThatWasNeverSentIsUnknown) {
  EXPECT_EQ(Take(5), LateBounce::kUnknown);
  EXPECT_EQ(Take(99), LateBounce::kUnknown);
  const absl::StatusOr<LateBounce> nowhere =
      store_->SettleLateBounce({{CampaignId{77}, DestinationId{5}}, RowId{1}}, Bounce());
  ASSERT_TRUE(nowhere.ok()) << nowhere.status();
  EXPECT_EQ(*nowhere, LateBounce::kUnknown);
  EXPECT_EQ(CountersOf(campaign_).queued(), 8u);
}

TEST_F(LateBounceTest, AnErasedCampaignIsStillCountedRight) {
  Settle({MakeOutcome(pack_, 3, OutcomeKind::kDelivered)});
  ASSERT_TRUE(store_->Cancel(campaign_, /*erase=*/true, kNow).ok());
  EXPECT_EQ(Take(4), LateBounce::kSettled) << "its event outlives the erasure";
  EXPECT_EQ(CountersOf(campaign_).delivered, 0u);
  EXPECT_EQ(CountersOf(campaign_).bounced, 1u);
  EXPECT_EQ(Settled(), 8u);
  EXPECT_TRUE(store_->FindSuppressions("patient4@d0.test")->has_value());
}

}  // namespace
}  // namespace sealift::queue
