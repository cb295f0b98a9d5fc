#include "queue/intent.h"

#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

const absl::Time kExpiry = kNow + absl::Hours(72);  // of the fixture's campaigns

class IntentTest : public StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
  }
  void Configure(Store::Options& options) override {
    options.key_field = [](const Campaign& /*campaign*/) { return std::optional<size_t>(0); };
  }

  // Hands over what is about to be sent, and waits until that is durable.
  void Intend(const std::shared_ptr<Pack>& pack, const std::vector<size_t>& rows) {
    std::vector<Intent> intents;
    std::vector<Outcome> none;
    for (const size_t row : rows) {
      intents.push_back({.pack = pack, .index = static_cast<uint8_t>(row), .attempt = 1, .date = kNow});
    }
    const uint64_t last = next_[0] += rows.size();
    ASSERT_TRUE(store_->Settle(0, last, none, intents));
    EXPECT_TRUE(intents.empty());
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return durable_[0] >= last; });
  }

  static Outcome Intended(Outcome outcome) {
    outcome.intended = true;
    return outcome;
  }

  // As an expiry does, whoever has claimed them.
  uint64_t Expire() {
    const auto expired = store_->Expire(campaign_, kExpiry, [](const Pack& /*pack*/, const Row& row) {
      Outcome outcome;
      outcome.kind = OutcomeKind::kExpired;
      outcome.time = kExpiry;
      outcome.attempt = row.attempts;
      outcome.reason_class = "expired";
      return outcome;
    });
    EXPECT_TRUE(expired.ok()) << expired.status();
    return expired.value_or(0);
  }

  // Replays all that is parked, but for what is in doubt, and says what is queued.
  std::vector<uint32_t> Replay() {
    const auto parked = store_->ListParked(campaign_, RowId{}, 1000);
    EXPECT_TRUE(parked.ok()) << parked.status();
    ReplayStep step{.campaign = campaign_, .mailing = {}, .accepted = kExpiry, .rows = {}, .record = nullptr};
    step.meant = [](const ParkedRow& row) { return row.reason_class != kInDoubtClass; };
    for (const ParkedRow& row : parked->rows) {
      step.rows.push_back({row.row.message.row, kExpiry, kExpiry + absl::Hours(1)});
    }
    const auto replayed = store_->ReplaySome(step);
    EXPECT_TRUE(replayed.ok()) << replayed.status();
    const auto queued = store_->ListRows(campaign_, {}, "", 1000);
    EXPECT_TRUE(queued.ok()) << queued.status();
    std::vector<uint32_t> rows;
    for (const StoredRow& row : queued->rows) rows.push_back(static_cast<uint32_t>(row.message.row));
    std::ranges::sort(rows);
    return rows;
  }

  std::vector<StoredRow> InDoubt() {
    const auto page = store_->ListRows(campaign_, {.destination = {}, .state = RowState::kInDoubt}, "", 1000);
    EXPECT_TRUE(page.ok()) << page.status();
    return page->rows;
  }

  CampaignId campaign_{};
};

TEST_F(IntentTest, AnIntentWithoutAnOutcomeIsHeldAfterARestart) {
  LoadRows(campaign_, 1, 40, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Intend(pack, {0, 3, 5});
  Settle({Intended(MakeOutcome(pack, 3, OutcomeKind::kDelivered))});
  Reopen();
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 2u);
  EXPECT_EQ(CountersOf(campaign_).queued(), 39u) << "what is in doubt is queued";
  EXPECT_EQ(CountersOf(campaign_).retrying, 0u);
  const LaneRecord lane = Lanes(campaign_).at(0);
  EXPECT_EQ(lane.queued, 39u);
  EXPECT_EQ(lane.in_doubt, 2u);
  EXPECT_EQ(lane.next_due, absl::InfiniteFuture());

  auto left = Range(1, 40);
  for (const uint32_t row : {1, 4, 6}) std::erase(left, row);
  EXPECT_EQ(RowIds(ReadAll(campaign_, kNow + absl::Hours(100'000))), left) << "no reader ever finds them";

  const std::vector<StoredRow> held = InDoubt();
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[0].message.row, RowId{1});
  EXPECT_TRUE(held[0].in_doubt());
  EXPECT_EQ(held[0].attempts, 1);
  EXPECT_EQ(held[0].date, kNow);
  const auto trace = store_->TraceMessage(held[1].message);
  ASSERT_TRUE(trace.ok() && trace->row.has_value());
  EXPECT_TRUE(trace->row->in_doubt());
  ASSERT_EQ(trace->events.size(), 1u);
  EXPECT_EQ(trace->events[0].kind, OutcomeKind::kDeferred);
  EXPECT_EQ(trace->events[0].reason_class, kInDoubtClass);
  EXPECT_EQ(trace->events[0].key, "Name6");

  // Nothing is done twice.
  Reopen();
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 2u);
  EXPECT_EQ(InDoubt().size(), 2u);
}

TEST_F(IntentTest, ADeferralEndsAnIntent) {
  LoadRows(campaign_, 1, 3, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Intend(pack, {0, 1});
  Settle({Intended(MakeOutcome(pack, 0, OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(5))),
          Intended(MakeOutcome(pack, 1, OutcomeKind::kDeferred, kNow, absl::InfiniteFuture()))});
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 1u) << "one that the engine itself is in doubt about";
  Reopen();
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 1u);
  EXPECT_EQ(CountersOf(campaign_).retrying, 1u);
  EXPECT_EQ(RowIds(ReadAll(campaign_, kNow + absl::Hours(1))), (std::vector<uint32_t>{1, 3}));
}

TEST_F(IntentTest, ARetryOfEverythingDoesNotMoveThem) {
  LoadRows(campaign_, 1, 3, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(5)),
          MakeOutcome(pack, 1, OutcomeKind::kDeferred, kNow, absl::InfiniteFuture())});
  EXPECT_EQ(MoveDue(pack->lane(), {}, kNow), 1u);
  EXPECT_EQ(InDoubt().size(), 1u);
}

TEST_F(IntentTest, ARowThatWasMovedSinceIsInDoubtAfterACrash) {
  LoadRows(campaign_, 1, 3, 1);
  const absl::Time now = absl::Now(), ahead = now + absl::Hours(1);
  Settle(AllOf(ReadAll(campaign_).at(0), OutcomeKind::kDeferred, now, now + absl::Minutes(10)));
  const auto pack = ReadAll(campaign_, ahead).at(0);
  Intend(pack, {0, 1});
  EXPECT_EQ(MoveDue(pack->lane(), {}, now), 3u);
  Reopen();
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 2u);
  EXPECT_EQ(RowIds(ReadAll(campaign_, ahead)), std::vector<uint32_t>{3});
}

TEST_F(IntentTest, ReleasedRowsAreReadAgainUnderTheirDate) {
  LoadRows(campaign_, 1, 3, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Intend(pack, {0, 1, 2});
  Reopen();
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 3u);
  const absl::Time later = kNow + absl::Hours(1);
  const auto released =
      store_->SweepRows(campaign_, std::nullopt, [later](const Pack& pack, const Row& row) -> std::optional<Outcome> {
        if (pack.due() != absl::InfiniteFuture() || row.id == RowId{3}) return std::nullopt;
        Outcome outcome;
        outcome.kind = row.id == RowId{1} ? OutcomeKind::kDeferred : OutcomeKind::kDelivered;
        outcome.time = outcome.due = later;
        outcome.attempt = row.attempts;
        return outcome;
      });
  ASSERT_TRUE(released.ok()) << released.status();
  EXPECT_EQ(*released, 2u);
  const Counters counters = CountersOf(campaign_);
  EXPECT_EQ(counters.in_doubt, 1u);
  EXPECT_EQ(counters.retrying, 1u);
  EXPECT_EQ(counters.delivered, 1u);
  const auto packs = ReadAll(campaign_, later + absl::Seconds(1));
  ASSERT_EQ(RowIds(packs), std::vector<uint32_t>{1});
  EXPECT_EQ(packs[0]->rows()[0].date, kNow);
  EXPECT_EQ(packs[0]->rows()[0].attempts, 1);
}

TEST_F(IntentTest, ACancelledCampaignHasNoneInDoubt) {
  LoadRows(campaign_, 1, 20, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Intend(pack, {0, 1});
  Reopen();
  ASSERT_TRUE(store_->Cancel(campaign_, false, kNow).ok());
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 0u);
  EXPECT_EQ(CountersOf(campaign_).cancelled, 20u);
  Reopen();
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 0u);
  EXPECT_EQ(CountersOf(campaign_).cancelled, 20u);
}

TEST_F(IntentTest, RowsThatExpireInDoubtAreExpired) {
  LoadRows(campaign_, 1, 5, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Intend(pack, {0, 1});
  Reopen();
  EXPECT_EQ(Expire(), 5u);
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 0u);
  EXPECT_EQ(CountersOf(campaign_).expired, 5u);
  EXPECT_TRUE(InDoubt().empty());
  EXPECT_TRUE(Lanes(campaign_).empty());
}

// What expires while it is past its final dot may arrive all the same: no replay sends it before that is known.
TEST_F(IntentTest, RowsThatExpireOnTheirWayAreNotReplayedOnceTheyAreInDoubt) {
  LoadRows(campaign_, 1, 5, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Intend(pack, {0, 1, 2});
  EXPECT_EQ(Expire(), 5u);
  Intend(pack, {3});  // it was about to be sent
  EXPECT_EQ(Replay(), std::vector<uint32_t>{5}) << "what is under way stays";
  Outcome lost = Intended(MakeOutcome(pack, 0, OutcomeKind::kDeferred, kExpiry));
  Outcome lost_and_expired = Intended(MakeOutcome(pack, 1, OutcomeKind::kExpired, kExpiry));
  Outcome late = Intended(MakeOutcome(pack, 3, OutcomeKind::kDeferred, kExpiry));
  for (Outcome* outcome : {&lost, &lost_and_expired, &late}) outcome->reason_class = kInDoubtClass;
  Settle({std::move(lost), std::move(lost_and_expired), std::move(late),
          Intended(MakeOutcome(pack, 2, OutcomeKind::kDeferred, kExpiry, kExpiry + absl::Hours(1)))});
  EXPECT_EQ(Replay(), (std::vector<uint32_t>{3, 5})) << "the server did not take it";
  EXPECT_EQ(CountersOf(campaign_).expired, 3u);
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 0u);
  const auto trace = store_->TraceMessage({pack->lane(), RowId{1}});
  ASSERT_TRUE(trace.ok());
  ASSERT_EQ(trace->events.size(), 2u);
  EXPECT_EQ(trace->events[1].reason_class, kInDoubtClass);
  Reopen();
  EXPECT_EQ(CountersOf(campaign_).expired, 3u);
}

TEST_F(IntentTest, RowsThatExpiredOnTheirWayAreInDoubtAfterARestart) {
  LoadRows(campaign_, 1, 5, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Intend(pack, {0, 1});
  EXPECT_EQ(Expire(), 5u);
  for (int start = 0; start < 2; ++start) {
    Reopen();
    EXPECT_EQ(CountersOf(campaign_).expired, 5u);
    const auto trace = store_->TraceMessage({pack->lane(), RowId{2}});
    ASSERT_TRUE(trace.ok());
    ASSERT_EQ(trace->events.size(), 2u) << "nothing is done twice";
    EXPECT_EQ(trace->events[1].reason_class, kInDoubtClass);
    EXPECT_EQ(trace->events[1].key, "Name2");
  }
  EXPECT_EQ(Replay(), (std::vector<uint32_t>{3, 4, 5}));
}

// A restored node hears of what fell in doubt elsewhere, of rows of a campaign that was cancelled here.
TEST_F(IntentTest, RowsThatFallInDoubtOnceTheyAreCancelledAreNotReplayed) {
  LoadRows(campaign_, 1, 5, 1);
  const auto pack = ReadAll(campaign_).at(0);
  Intend(pack, {0});
  ASSERT_TRUE(store_->Cancel(campaign_, false, kNow).ok());
  Outcome lost = Intended(MakeOutcome(pack, 0, OutcomeKind::kDeferred, kNow));
  lost.reason_class = kInDoubtClass;
  Settle({std::move(lost)});
  EXPECT_EQ(CountersOf(campaign_).cancelled, 5u);
  Reopen();
  const auto parked = store_->ParkCancelled(campaign_, "");
  ASSERT_TRUE(parked.ok() && parked->done) << parked.status();
  ASSERT_TRUE(store_->Reopen(campaign_, kNow, kNow).ok());
  EXPECT_EQ(Replay(), (std::vector<uint32_t>{2, 3, 4, 5}));
  EXPECT_EQ(CountersOf(campaign_).cancelled, 1u);
  Reopen();
}

TEST_F(IntentTest, ManyLanesListOnlyWhatIsInDoubt) {
  LoadRows(campaign_, 1, 600, 60);
  for (const auto& pack : ReadAll(campaign_)) Intend(pack, {0});
  Reopen();
  std::vector<StoredRow> rows;
  std::string cursor;
  for (bool done = false; !done;) {
    const auto page = store_->ListRows(campaign_, {.destination = {}, .state = RowState::kInDoubt}, cursor, 7);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->rows.size(), 7u);
    rows.insert(rows.end(), page->rows.begin(), page->rows.end());
    cursor = page->cursor;
    done = page->done;
  }
  EXPECT_EQ(rows.size(), CountersOf(campaign_).in_doubt);
  EXPECT_EQ(rows.size(), 60u);
}

}  // namespace
}  // namespace sealift::queue
