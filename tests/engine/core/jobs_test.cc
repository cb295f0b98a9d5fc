// What operators order to be moved: which rows a job takes, what it keeps from being sent meanwhile, and what one that
// was interrupted does again.
#include "engine/jobs.h"

#include <gmock/gmock.h>

#include "tests/queue/store_fixture.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kInTime = absl::Seconds(30);

class JobsTest : public queue::StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
    LoadRows(campaign_, 1, 48, 3);
    holds_ = std::make_unique<Holds>(
        *store_, [] { return std::make_shared<const Options>(); }, [](const std::shared_ptr<const HoldSet>&) {});
    Begin();
  }
  void TearDown() override { jobs_.reset(); }

  // The jobs of another start of the node.
  void Begin() {
    Jobs::Node node;
    node.claimed = [this](const std::vector<queue::LaneId>& lanes) {
      return std::vector<bool>(lanes.size(), claimed_);
    };
    node.revise = [](const queue::LaneId&, int64_t, int64_t) {};
    node.settled = [](const std::string&, Job::Kind, uint64_t) {};
    node.reopen = [this](const queue::Campaign& cancelled, const Job& job) {
      EXPECT_EQ(job.outcome, queue::OutcomeKind::kCancelled);
      return store_->Reopen(cancelled.id, cancelled.ended, absl::Now());
    };
    node.returned = [](queue::CampaignId, const std::vector<queue::ReplayedRows::Lane>&) {};
    node.mailing_of = [](const queue::Campaign& campaign) {
      return queue::Mailing{.campaign = campaign.spec.name, .stream = campaign.spec.stream, .sink = true};
    };
    node.provider_of = [this](const std::string&) { return resolved_ ? "google" : ""; };
    node.limit_of = [](const queue::Campaign&, const std::string&) {
      return Rate{.count = 10, .period = absl::Minutes(1)};
    };
    node.refilled = [this](queue::CampaignId) { ++refilled_; };
    node.leaves_from = [](const queue::Campaign& campaign, const std::string& source) {
      return campaign.spec.stream == "newsletter" && source == "ip1";
    };
    node.check_mode = [this](const queue::Campaign& campaign) {
      return campaign.spec.mode == mode_ ? absl::OkStatus() : absl::FailedPreconditionError("of another mode");
    };
    node.may_send = [this] { return may_send_; };
    node.has_room = [this] { return has_room_ ? absl::OkStatus() : absl::ResourceExhaustedError("almost full"); };
    node.check_names = [](const QueueFilter&) { return absl::OkStatus(); };
    node.find_providers = [this](const std::set<std::string>& domains, absl::Duration patience,
                                 std::map<std::string, std::string>& providers) {
      asked_for_.push_back(patience);
      if (!resolved_) return false;
      for (const std::string& domain : domains) providers[domain] = "google";
      return true;
    };
    node.count = [this](const QueueFilter& filter, absl::Duration) -> absl::StatusOr<RowCount> {
      if (filter.provider.has_value() && !resolved_) return RowCount{.unplaced = 48};
      return RowCount{.rows = 48};
    };
    node.make_due = [this](queue::CampaignId, const std::vector<queue::LaneRecord>& lanes,
                           absl::Time due) -> absl::StatusOr<uint64_t> {
      if (full_) return absl::ResourceExhaustedError("the disk is full");
      uint64_t rows = 0;
      for (const queue::LaneRecord& lane : lanes) rows += MoveDue(lane.lane, "", due);
      return rows;
    };
    node.make_rows_due = [this](const queue::Campaign& campaign, const queue::LaneId& lane,
                                const Jobs::Node::DueJudge& judge,
                                const std::atomic<bool>& stop) -> absl::StatusOr<uint64_t> {
      for (; endless_ && !stop; std::this_thread::yield()) swept_ = true;
      return store_->SweepRows(campaign.id, lane.destination,
                               [&](const queue::Pack& pack, const queue::Row& row) -> std::optional<queue::Outcome> {
                                 const std::optional<absl::Time> due = judge(pack, row);
                                 if (!due.has_value()) return std::nullopt;
                                 queue::Outcome outcome;
                                 outcome.kind = queue::OutcomeKind::kDeferred;
                                 outcome.time = absl::Now();
                                 outcome.due = *due;
                                 outcome.attempt = row.attempts;
                                 return outcome;
                               });
    };
    jobs_ = std::make_unique<Jobs>(*store_, *holds_, std::move(node));
    ASSERT_TRUE(jobs_->Open().ok());
    jobs_->Begin();
  }

  // The jobs read the clock, so this is a day in their life.
  void DeferAll(absl::Duration wait) {
    const absl::Time now = absl::Now();
    std::vector<queue::Outcome> outcomes;
    for (const std::shared_ptr<queue::Pack>& pack : ReadAll(campaign_, now)) {
      std::ranges::move(AllOf(pack, queue::OutcomeKind::kDeferred, now, now + wait), std::back_inserter(outcomes));
    }
    Settle(std::move(outcomes));
  }
  void ExpireAll() {
    std::vector<queue::Outcome> outcomes;
    for (const std::shared_ptr<queue::Pack>& pack : ReadAll(campaign_)) {
      std::ranges::move(AllOf(pack, queue::OutcomeKind::kExpired, absl::Now() - absl::Minutes(1)),
                        std::back_inserter(outcomes));
    }
    Settle(std::move(outcomes));
  }
  uint64_t RowsDueAfter(absl::Time time) {
    uint64_t rows = 0;
    const auto count = [&](const queue::Pack& pack, const queue::Row&) -> std::optional<queue::Outcome> {
      rows += pack.due() > time ? 1 : 0;
      return std::nullopt;
    };
    EXPECT_TRUE(store_->SweepRows(campaign_, std::nullopt, count).ok());
    return rows;
  }
  size_t Parked() { return store_->ListParked(campaign_, {}, 100)->rows.size(); }
  Job Order(const Jobs::Request& request) {
    const absl::StatusOr<Job> job = jobs_->Start(request, {.reason = "a test", .by = "ops"}, absl::Now());
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : Job();
  }
  // A replay of what has expired that waits for the campaign to go on.
  Job OrderWhilePaused() {
    EXPECT_TRUE(store_->SetState(campaign_, queue::CampaignState::kPaused, absl::Now()).ok());
    Job job = Order({.kind = Job::Kind::kReplay,
                     .filter = {.everything = true},
                     .outcome = queue::OutcomeKind::kExpired,
                     .rate = {.count = 1000, .period = absl::Seconds(1)}});
    EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->why == "campaign 'spring' is paused"; }));
    return job;
  }
  Job Ended(const Job& job) {
    const absl::StatusOr<Job> ended = jobs_->Await(job.Id(), kInTime);
    EXPECT_TRUE(ended.ok()) << ended.status();
    EXPECT_EQ(ended->state, Job::State::kDone) << ended->why;
    return *ended;
  }

  template <typename Condition>
  static bool Eventually(const Condition& holds) {
    for (const absl::Time end = absl::Now() + kInTime; absl::Now() < end; std::this_thread::yield()) {
      if (holds()) return true;
    }
    return false;
  }

  queue::CampaignId campaign_{};
  std::unique_ptr<Holds> holds_;
  std::unique_ptr<Jobs> jobs_;
  std::atomic<int> refilled_ = 0;
  std::atomic<bool> claimed_ = true;                   // some shard has every lane claimed
  std::atomic<bool> endless_ = false, swept_ = false;  // no sweep of a lane ends by itself; one has begun
  std::atomic<bool> full_ = false;                     // the queue takes nothing
  std::atomic<bool> has_room_ = true;                  // the disk has as much as a load asks for
  std::atomic<bool> resolved_ = false;                 // the domains' sites are known, and google's
  std::string mode_ = "sink";                          // of the node; changed between orders only
  absl::Status may_send_;                              // changed between starts only
  std::vector<absl::Duration> asked_for_;              // the DNS; read between jobs only
};

TEST_F(JobsTest, ARetryMovesWhatWaitsAndNothingTwice) {
  EXPECT_EQ(Ended(Order({.kind = Job::Kind::kRetry, .filter = {.everything = true}})).moved, 0u) << "nothing waits";
  DeferAll(absl::Hours(1));
  const Jobs::Request one{.kind = Job::Kind::kRetry, .filter = {.recipient = "patient4@d1.test"}};
  EXPECT_EQ(jobs_->Count(one)->rows, 1u);
  EXPECT_EQ(Ended(Order(one)).moved, 1u);
  EXPECT_GT(refilled_, 0) << "a lane that was in no shard is looked for";
  const Jobs::Request all{.kind = Job::Kind::kRetry, .filter = {.everything = true}};
  EXPECT_TRUE(Eventually([&] { return jobs_->Count(all)->rows == 47u; }))
      << "due times are rounded up: it is due by then";
  const Job ended = Ended(Order(all));
  EXPECT_EQ(ended.total, 47u);
  EXPECT_EQ(ended.moved, 47u);
  EXPECT_EQ(Ended(Order(all)).moved, 0u);
  EXPECT_FALSE(
      jobs_->Start({.kind = Job::Kind::kRetry, .filter = {.state = "held"}}, {.reason = "r"}, absl::Now()).ok());
}

TEST_F(JobsTest, AJobWaitsWhileTheQueueTakesNothing) {
  DeferAll(absl::Hours(1));
  full_ = true;
  const Job job = Order({.kind = Job::Kind::kRetry, .filter = {.everything = true}});
  ASSERT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->why == "the disk is full"; }));
  EXPECT_EQ(jobs_->Find(job.Id())->state, Job::State::kRunning);
  full_ = false;
  const Job ended = Ended(job);
  EXPECT_EQ(ended.moved, 48u);
  EXPECT_EQ(ended.why, "");
}

TEST_F(JobsTest, NoJobWritesWhileALoadWouldBeRefused) {
  DeferAll(absl::Hours(1));
  has_room_ = false;
  const Job job = Order({.kind = Job::Kind::kRetry, .filter = {.everything = true}});
  ASSERT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->why == "almost full"; }));
  EXPECT_EQ(jobs_->Find(job.Id())->moved, 0u);
  const absl::StatusOr<Job> replay = jobs_->Start(
      {.kind = Job::Kind::kReplay, .filter = {.everything = true}, .outcome = queue::OutcomeKind::kExpired},
      {.reason = "a test", .by = "ops"}, absl::Now());
  EXPECT_EQ(replay.status().message(), "almost full") << "it accepts rows, as a load does";
  has_room_ = true;
  EXPECT_EQ(Ended(job).moved, 48u);
}

TEST_F(JobsTest, WhatWasInDoubtWhenItExpiredIsNotReplayed) {
  std::vector<queue::Outcome> outcomes;
  for (const std::shared_ptr<queue::Pack>& pack : ReadAll(campaign_)) {
    std::ranges::move(AllOf(pack, queue::OutcomeKind::kExpired, absl::Now() - absl::Minutes(1)),
                      std::back_inserter(outcomes));
  }
  for (size_t i = 0; i < 5; ++i) outcomes[i].reason_class = queue::kInDoubtClass;
  Settle(std::move(outcomes));
  const Jobs::Request all{
      .kind = Job::Kind::kReplay, .filter = {.everything = true}, .outcome = queue::OutcomeKind::kExpired};
  EXPECT_EQ(jobs_->Count(all)->rows, 43u) << "five of them may have arrived";
}

TEST_F(JobsTest, ARetryMovesWhatWaitsBesideRowsInDoubt) {
  const absl::Time now = absl::Now();
  const std::shared_ptr<queue::Pack> pack = ReadAll(campaign_, now).at(0);
  std::vector<queue::Outcome> outcomes;
  for (size_t row = 0; row < 5; ++row) {
    const bool in_doubt = row > 1;
    outcomes.push_back(MakeOutcome(pack, row, queue::OutcomeKind::kDeferred, now,
                                   in_doubt ? absl::InfiniteFuture() : now + absl::Hours(1)));
  }
  Settle(std::move(outcomes));
  const Job job = Ended(Order({.kind = Job::Kind::kRetry, .filter = {.everything = true}}));
  EXPECT_EQ(job.total, 2u);
  EXPECT_EQ(job.moved, 2u);
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 3u);
}

TEST_F(JobsTest, APacedRetryMovesWhatIsDueAndItsEndLeavesTheRest) {
  DeferAll(absl::Hours(1));
  const Jobs::Request slow{
      .kind = Job::Kind::kRetry, .filter = {.everything = true}, .rate = {.count = 1, .period = absl::Seconds(1)}};
  const Job job = Order(slow);
  EXPECT_EQ(job.total, 48u);
  ASSERT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved > 0; }));
  const absl::StatusOr<Job> cancelled = jobs_->Cancel(job.Id(), "cancelled by jane: enough");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state, Job::State::kCancelled);
  EXPECT_EQ(cancelled->why, "cancelled by jane: enough");
  EXPECT_LT(cancelled->moved, 48u);
  EXPECT_EQ(RowsDueAfter(absl::Now() + absl::Seconds(5)), 48 - cancelled->moved) << "as they were";
  const Job again = Order(slow);
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(again.Id())->moved > 0; })) << "another one may take them";
}

TEST_F(JobsTest, APacedRetryThatBeginsAgainLooksForNoPartTwice) {
  DeferAll(absl::Hours(1));
  Job half = Order(
      {.kind = Job::Kind::kRetry, .filter = {.everything = true}, .rate = {.count = 1, .period = absl::Minutes(1)}});
  jobs_.reset();
  // As it is when half of the two seconds that they take is over, and all that were moved have been put off again.
  half.rate = {.count = 24, .period = absl::Seconds(1)};
  half.paced[""] = half.created + absl::Seconds(1);
  ASSERT_TRUE(store_->WriteOrders({{queue::OrderKind::kJob, half.number, half.ToText()}}).ok());
  Begin();
  const Job ended = Ended(half);
  EXPECT_GT(ended.moved, 0u);
  EXPECT_LT(ended.moved, 48u);
  EXPECT_EQ(RowsDueAfter(absl::Now() + absl::Minutes(30)), 48 - ended.moved);
}

TEST_F(JobsTest, AStopEndsTheSweepOfALaneAndTheNextStartGoesOn) {
  DeferAll(absl::Hours(1));
  endless_ = true;
  const Job job = Order(
      {.kind = Job::Kind::kRetry, .filter = {.everything = true}, .rate = {.count = 1000, .period = absl::Seconds(1)}});
  ASSERT_TRUE(Eventually([&] { return swept_.load(); }));
  jobs_.reset();
  endless_ = false;
  Begin();
  EXPECT_EQ(Ended(job).moved, 48u);
}

TEST_F(JobsTest, AReplayTellsOfRowsThatAreGoneWhenTheirTimeComes) {
  ExpireAll();
  ASSERT_TRUE(store_->SetState(campaign_, queue::CampaignState::kPaused, absl::Now()).ok());
  EXPECT_THAT(jobs_->ReplaysOrdered(), IsEmpty());
  const Job job = Order({.kind = Job::Kind::kReplay,
                         .filter = {.everything = true},
                         .outcome = queue::OutcomeKind::kExpired,
                         .rate = {.count = 1000, .period = absl::Seconds(1)}});
  EXPECT_THAT(jobs_->ReplaysOrdered(), ElementsAre(job.created)) << "what retention must keep";
  ASSERT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->why == "campaign 'spring' is paused"; }));
  ASSERT_TRUE(store_->Sweep(absl::Now(), absl::ZeroDuration(), absl::Hours(1)).ok());
  ASSERT_EQ(Parked(), 0u);
  ASSERT_TRUE(store_->SetState(campaign_, queue::CampaignState::kRunning, absl::Now()).ok());
  const Job ended = Ended(job);
  EXPECT_EQ(ended.moved, 0u);
  EXPECT_EQ(ended.gone, 48u);
  EXPECT_THAT(jobs_->ReplaysOrdered(), IsEmpty());
}

TEST_F(JobsTest, WhatALaterOrderHasSettledAnewIsNotTheReplays) {
  ExpireAll();
  const Job job = OrderWhilePaused();
  // Another brings them back, and they expire once more.
  queue::ReplayStep all{
      .campaign = campaign_, .mailing = {}, .accepted = absl::Now(), .rows = {}, .meant = nullptr, .record = nullptr};
  const auto parked = store_->ListParked(campaign_, {}, 100);
  ASSERT_TRUE(parked.ok()) << parked.status();
  const absl::Time due = absl::Now();
  for (const queue::ParkedRow& row : parked->rows) all.rows.push_back({row.row.message.row, due, due + absl::Hours(1)});
  ASSERT_EQ(store_->ReplaySome(all)->rows, 48u);
  std::vector<queue::Outcome> outcomes;
  for (const std::shared_ptr<queue::Pack>& pack : ReadAll(campaign_, queue::kNow + absl::Hours(1))) {
    std::ranges::move(AllOf(pack, queue::OutcomeKind::kExpired, absl::Now()), std::back_inserter(outcomes));
  }
  Settle(std::move(outcomes));
  ASSERT_EQ(Parked(), 48u);
  ASSERT_TRUE(store_->SetState(campaign_, queue::CampaignState::kRunning, absl::Now()).ok());
  const Job ended = Ended(job);
  EXPECT_EQ(ended.moved, 0u) << "they were settled after it was ordered";
  EXPECT_EQ(ended.gone, 48u);
  EXPECT_EQ(Parked(), 48u);
}

TEST_F(JobsTest, ACancelledCampaignComesBackWithTheFirstRowThatIsReplayed) {
  Settle(AllOf(ReadAll(campaign_).at(0), queue::OutcomeKind::kDeferred, absl::Now(), absl::InfiniteFuture()));
  ASSERT_EQ(CountersOf(campaign_).in_doubt, 16u);
  ASSERT_TRUE(store_->Cancel(campaign_, false, absl::Now() - absl::Minutes(1)).ok());
  const Jobs::Request request{.kind = Job::Kind::kReplay,
                              .filter = {.everything = true},
                              .outcome = queue::OutcomeKind::kCancelled,
                              .rate = {.count = 1, .period = absl::Hours(1)}};
  EXPECT_EQ(jobs_->Count(request)->rows, 32u) << "what was in doubt may have arrived";
  Jobs::Request none = request;
  none.filter = {.domain = "no.test"};
  EXPECT_EQ(Ended(Order(none)).moved, 0u);
  EXPECT_EQ(store_->GetCampaign(campaign_)->state, queue::CampaignState::kCancelled) << "there was nothing to send";
  EXPECT_EQ(jobs_->Count(request)->rows, 32u) << "the same whether they are parked or not";

  const Job job = Order(request);
  EXPECT_EQ(job.total, 32u);
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved == 1; }));
  EXPECT_EQ(store_->GetCampaign(campaign_)->state, queue::CampaignState::kRunning);
  EXPECT_EQ(CountersOf(campaign_).queued(), 1u);
  EXPECT_EQ(CountersOf(campaign_).cancelled, 47u);
}

TEST_F(JobsTest, WhatIsCancelledAgainOrErasedStaysSo) {
  const auto cancel = [&](bool erase) {
    const auto counters = store_->Cancel(campaign_, erase, absl::Now());
    ASSERT_TRUE(counters.ok()) << counters.status();
  };
  const Jobs::Request request{.kind = Job::Kind::kReplay,
                              .filter = {.everything = true},
                              .outcome = queue::OutcomeKind::kCancelled,
                              .rate = {.count = 20, .period = absl::Seconds(1)}};
  for (const bool erase : {false, true}) {
    SCOPED_TRACE(erase);
    cancel(false);
    const Job job = Order(request);
    ASSERT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved > 0; }));
    cancel(erase);
    const queue::Counters then = CountersOf(campaign_);
    const Job ended = Ended(job);
    EXPECT_EQ(ended.state, Job::State::kDone) << ended.why;
    EXPECT_EQ(ended.moved + ended.gone, job.total);
    EXPECT_GT(ended.gone, 0u);
    EXPECT_EQ(CountersOf(campaign_), then);
    EXPECT_EQ(store_->GetCampaign(campaign_)->state, queue::CampaignState::kCancelled);
  }
}

TEST_F(JobsTest, ACancellationEndsWhatAReplayHasLeftOfItAlsoWhenAnotherBringsItBack) {
  const auto cancel = [&] { ASSERT_TRUE(store_->Cancel(campaign_, false, absl::Now()).ok()); };
  cancel();
  const Jobs::Request request{.kind = Job::Kind::kReplay,
                              .filter = {.everything = true},
                              .outcome = queue::OutcomeKind::kCancelled,
                              .rate = {.count = 1, .period = absl::Hours(1)}};
  const Job slow = Order(request);
  ASSERT_TRUE(Eventually([&] { return jobs_->Find(slow.Id())->moved == 1; }));
  EXPECT_TRUE(jobs_->MayReplay(*store_->GetCampaign(campaign_)));
  cancel();
  jobs_->GiveUp(campaign_);
  const Job ended = Ended(slow);
  EXPECT_EQ(ended.moved, 1u);
  EXPECT_EQ(ended.gone, 47u);
  EXPECT_FALSE(jobs_->MayReplay(*store_->GetCampaign(campaign_)));

  // One that has not begun with it yet does not bring it back either: it was cancelled anew.
  cancel();
  const Job waits = Order(request);
  ASSERT_TRUE(Eventually([&] { return jobs_->Find(waits.Id())->moved == 1; }));
  cancel();
  jobs_->GiveUp(campaign_);
  EXPECT_EQ(Ended(waits).moved, 1u);
  const Job other = Order(request);
  ASSERT_TRUE(Eventually([&] { return jobs_->Find(other.Id())->moved == 1; }));
  Begin();  // a restart: what was given up is
  EXPECT_EQ(jobs_->Find(slow.Id())->moved, 1u);
  EXPECT_EQ(jobs_->Find(waits.Id())->state, Job::State::kDone);
}

TEST_F(JobsTest, AReplayMovesWhatIsDueAndItsEndLeavesTheRest) {
  ExpireAll();
  const Job job = Order({.kind = Job::Kind::kReplay,
                         .filter = {.everything = true},
                         .outcome = queue::OutcomeKind::kExpired,
                         .rate = {.count = 1, .period = absl::Hours(1)}});
  EXPECT_EQ(job.total, 48u);
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved == 1; }));
  EXPECT_EQ(Parked(), 47u) << "the others stay settled until their time comes";
  const absl::StatusOr<Job> cancelled = jobs_->Cancel(job.Id());
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->moved, 1u);
  EXPECT_EQ(Parked(), 47u);
  // Of each destination a tenth of what limits it.
  const Job slow =
      Order({.kind = Job::Kind::kReplay, .filter = {.everything = true}, .outcome = queue::OutcomeKind::kExpired});
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(slow.Id())->moved == 3; })) << "one to each of three domains";
  EXPECT_EQ(Parked(), 44u);
}

TEST_F(JobsTest, AReplayIsOfRepliesAsRulesReadThem) {
  std::vector<queue::Outcome> outcomes;
  const absl::Time now = absl::Now();
  for (const std::shared_ptr<queue::Pack>& pack : ReadAll(campaign_, now)) {
    std::ranges::move(AllOf(pack, queue::OutcomeKind::kDeferred, now, now + absl::Hours(1)),
                      std::back_inserter(outcomes));
  }
  for (queue::Outcome& outcome : outcomes) {
    outcome.code = 421;
    outcome.enhanced = outcome.index % 2 == 0 ? "4.7.28" : "";
    outcome.reply = "Access denied for now";
  }
  const auto numbered = std::ranges::count_if(outcomes, [](const auto& outcome) { return !outcome.enhanced.empty(); });
  Settle(std::move(outcomes));
  outcomes.clear();
  for (const std::shared_ptr<queue::Pack>& pack : ReadAll(campaign_, now + absl::Hours(2))) {
    std::ranges::move(AllOf(pack, queue::OutcomeKind::kExpired, now), std::back_inserter(outcomes));
  }
  for (queue::Outcome& outcome : outcomes) {
    outcome.code = 0;
    outcome.enhanced = outcome.reply = "";
  }
  Settle(std::move(outcomes));
  const auto count = [&](const std::string& matching) {
    return jobs_
        ->Count({.kind = Job::Kind::kReplay,
                 .filter = {.everything = true},
                 .outcome = queue::OutcomeKind::kExpired,
                 .matching = matching})
        ->rows;
  };
  EXPECT_EQ(count("Access denied"), 48u) << "an expiry is no reply, and does not hide the last one";
  EXPECT_EQ(count("^421 .*access DENIED"), 48u);
  EXPECT_EQ(count("4\\.7\\.28"), static_cast<uint64_t>(numbered));
  EXPECT_EQ(count("^421 4\\.7\\.28 access"), static_cast<uint64_t>(numbered));
  EXPECT_EQ(count("5\\.7\\.26"), 0u);
}

TEST_F(JobsTest, AReplayMakesUpForNoTimeInWhichItDidNotRun) {
  ExpireAll();
  const Job job = Order({.kind = Job::Kind::kReplay,
                         .filter = {.everything = true},
                         .outcome = queue::OutcomeKind::kExpired,
                         .rate = {.count = 1, .period = absl::Minutes(1)}});
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved == 1; }));
  Job interrupted = *jobs_->Find(job.Id());
  ASSERT_EQ(interrupted.state, Job::State::kRunning);
  jobs_.reset();
  // The node was down for half an hour.
  ASSERT_EQ(interrupted.paced.size(), 1u);
  interrupted.paced.begin()->second -= absl::Minutes(30);
  ASSERT_TRUE(store_->WriteOrders({{queue::OrderKind::kJob, job.number, interrupted.ToText()}}).ok());
  Begin();
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved == 2; }));
  EXPECT_EQ(Parked(), 46u);
}

// What a restored node holds may have been sent since: a replay that goes on would mail it again.
TEST_F(JobsTest, AReplayThatABackupHasRunningEndsOnTheRestoredNode) {
  ExpireAll();
  const Job job = Order({.kind = Job::Kind::kReplay,
                         .filter = {.everything = true},
                         .outcome = queue::OutcomeKind::kExpired,
                         .rate = {.count = 1, .period = absl::Minutes(1)}});
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved == 1; }));
  Job copied = *jobs_->Find(job.Id());
  ASSERT_EQ(copied.state, Job::State::kRunning);
  jobs_.reset();
  copied.paced.clear();  // so that its next row is due at once
  ASSERT_TRUE(store_->WriteOrders({{queue::OrderKind::kJob, job.number, copied.ToText()}}).ok());
  may_send_ = absl::FailedPreconditionError("restored");
  Begin();
  const absl::StatusOr<Job> ended = jobs_->Find(job.Id());
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->state, Job::State::kCancelled);
  EXPECT_NE(ended->why.find("a backup was restored"), std::string::npos) << ended->why;
  // Neither now nor once it is reconciled, nor at a later start.
  jobs_.reset();
  EXPECT_EQ(Parked(), 47u);
  may_send_ = absl::OkStatus();
  Begin();
  EXPECT_EQ(jobs_->Find(job.Id())->state, Job::State::kCancelled);
  jobs_.reset();
  EXPECT_EQ(Parked(), 47u);
}

// ... and what was bounced there could be replayed once it sends again.
TEST_F(JobsTest, NothingIsSettledByAFilterOnARestoredNode) {
  const Job running = Order({.kind = Job::Kind::kBounce, .filter = {.everything = true}});
  jobs_.reset();
  may_send_ = absl::FailedPreconditionError("restored");
  Begin();
  EXPECT_EQ(jobs_->Find(running.Id())->state, Job::State::kCancelled);
  EXPECT_THAT(holds_->in_force()->holds(), IsEmpty());
  const auto order = [&](Job::Kind kind) {
    const Jobs::Request request{.kind = kind, .filter = {.everything = true}, .outcome = queue::OutcomeKind::kExpired};
    return jobs_->Start(request, {.reason = "a test", .by = "ops"}, absl::Now()).status();
  };
  for (const Job::Kind kind : {Job::Kind::kBounce, Job::Kind::kExpire, Job::Kind::kReplay}) {
    EXPECT_EQ(order(kind), may_send_) << ToString(kind);
  }
  EXPECT_TRUE(order(Job::Kind::kRetry).ok()) << "it settles nothing";
}

TEST_F(JobsTest, AReplayComesToWhatStandsBehindMoreKeptRowsThanItHasInMemory) {
  LoadRows(campaign_, 49, 262'500, 1);
  const queue::CampaignId other = Create("summer");
  LoadRows(other, 1, 4, 1);
  for (const queue::CampaignId campaign : {campaign_, other}) {
    const auto expire = [](const queue::Pack&, const queue::Row&) -> std::optional<queue::Outcome> {
      queue::Outcome outcome;
      outcome.kind = queue::OutcomeKind::kExpired;
      outcome.time = absl::Now() - absl::Minutes(1);
      return outcome;
    };
    ASSERT_TRUE(store_->SweepRows(campaign, std::nullopt, expire).ok());
  }
  const absl::StatusOr<Hold> hold = holds_->Place({.kind = Hold::Kind::kHold, .filter = {.campaign = "spring"}},
                                                  {.reason = "a test", .by = "ops"}, absl::Now());
  ASSERT_TRUE(hold.ok()) << hold.status();
  const Job job = Order({.kind = Job::Kind::kReplay,
                         .filter = {.everything = true},
                         .outcome = queue::OutcomeKind::kExpired,
                         .rate = {.count = 100, .period = absl::Seconds(1)}});
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved == 4; }));
  EXPECT_EQ(CountersOf(other).queued(), 4u);
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->why == hold->Id() + " keeps some of its rows"; }));
  ASSERT_TRUE(holds_->End({.id = hold->Id()}, {.reason = "over", .by = "ops"}, absl::Now(), false).ok());
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved > 4; })) << "they are read again";
  EXPECT_EQ(jobs_->Find(job.Id())->gone, 0u);
}

TEST_F(JobsTest, AReplayWaitsWhileWhatItWouldMoveIsKept) {
  ExpireAll();
  const Job job = OrderWhilePaused();
  EXPECT_EQ(Parked(), 48u);
  const absl::StatusOr<Hold> hold = holds_->Place({.kind = Hold::Kind::kHold, .filter = {.domain = "d1.test"}},
                                                  {.reason = "a test", .by = "ops"}, absl::Now());
  ASSERT_TRUE(hold.ok()) << hold.status();
  ASSERT_TRUE(store_->SetState(campaign_, queue::CampaignState::kRunning, absl::Now()).ok());
  EXPECT_TRUE(Eventually([&] { return Parked() == 16; })) << "those of d1.test";
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->why == hold->Id() + " keeps some of its rows"; }));
  ASSERT_TRUE(holds_->End({.id = hold->Id()}, {.reason = "over", .by = "ops"}, absl::Now(), false).ok());
  EXPECT_EQ(Ended(job).moved, 48u);
  EXPECT_EQ(Ended(job).why, "");
}

TEST_F(JobsTest, AReplayHearsOfAProviderThatItsDomainsTurnOutToBeOf) {
  ExpireAll();
  const absl::StatusOr<Hold> hold = holds_->Place({.kind = Hold::Kind::kHold, .filter = {.provider = "google"}},
                                                  {.reason = "a test", .by = "ops"}, absl::Now());
  ASSERT_TRUE(hold.ok()) << hold.status();
  const Job job = Order({.kind = Job::Kind::kReplay,
                         .filter = {.everything = true},
                         .outcome = queue::OutcomeKind::kExpired,
                         .rate = {.count = 4, .period = absl::Seconds(1)}});
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->moved >= 4; })) << "some to each domain";
  resolved_ = true;
  EXPECT_TRUE(Eventually([&] { return jobs_->Find(job.Id())->why == hold->Id() + " keeps some of its rows"; }));
  EXPECT_GT(Parked(), 0u);
}

TEST_F(JobsTest, WhatIsOfNoProviderThatIsKnownIsLeftAndTold) {
  DeferAll(absl::Hours(1));
  for (const char* const provider : {"other", "google"}) {
    const Jobs::Request request = {.kind = Job::Kind::kRetry, .filter = {.provider = provider}};
    EXPECT_EQ(jobs_->Count(request)->rows, 0u);
    EXPECT_EQ(jobs_->Count(request)->unplaced, 48u);
    const Job left = Ended(Order(request));
    EXPECT_EQ(left.moved, 0u);
    EXPECT_THAT(left.why, ::testing::HasSubstr("48 rows are left whose provider is not known"));
  }
  resolved_ = true;
  const Job moved = Ended(Order({.kind = Job::Kind::kRetry, .filter = {.provider = "google"}}));
  EXPECT_EQ(moved.moved, 48u);
  EXPECT_EQ(moved.why, "");
}

// Jobs wait for each other: a DNS that is down would keep them as long for each page, and here each campaign has one.
TEST_F(JobsTest, ADnsThatIsDownIsWaitedForLessFromPageToPage) {
  for (int i = 1; i <= 6; ++i) LoadRows(Create(fmt::format("more{}", i)), 1, 3);
  const Jobs::Request request = {.kind = Job::Kind::kBounce, .filter = {.provider = "google"}};
  EXPECT_THAT(Ended(Order(request)).why, ::testing::HasSubstr("66 rows are left whose provider is not known"));
  EXPECT_THAT(asked_for_, ElementsAre(absl::Seconds(15), absl::Seconds(7.5), absl::Seconds(3.75), absl::Seconds(1.875),
                                      absl::Seconds(1), absl::Seconds(1), absl::Seconds(1)));
}

TEST_F(JobsTest, AReplayLeavesWhatIsOfNoProviderThatIsKnown) {
  ExpireAll();
  const size_t parked = Parked();
  for (const char* const provider : {"other", "google"}) {
    const Jobs::Request request = {
        .kind = Job::Kind::kReplay, .filter = {.provider = provider}, .outcome = queue::OutcomeKind::kExpired};
    EXPECT_EQ(jobs_->Count(request)->rows, 0u);
    EXPECT_EQ(jobs_->Count(request)->unplaced, parked);
    EXPECT_THAT(Ended(Order(request)).why, ::testing::HasSubstr("rows are left whose provider is not known"));
  }
  EXPECT_EQ(Parked(), parked);
}

// What is never sent here would only wait for its expiry.
TEST_F(JobsTest, AReplayLeavesSettledWhatWasLoadedUnderTheOtherMode) {
  const queue::CampaignId cancelled = Create("cancelled");
  LoadRows(cancelled, 1, 4, 3);
  ASSERT_TRUE(store_->Cancel(cancelled, /*erase=*/false, absl::Now()).ok());
  ExpireAll();
  mode_ = "live";
  for (const queue::OutcomeKind outcome : {queue::OutcomeKind::kExpired, queue::OutcomeKind::kCancelled}) {
    Jobs::Request request{.kind = Job::Kind::kReplay, .filter = {.everything = true}, .outcome = outcome};
    EXPECT_EQ(jobs_->Count(request)->rows, 0u);
    const Job left = Ended(Order(request));
    EXPECT_EQ(left.moved, 0u);
    EXPECT_EQ(left.why, "1 campaign is left that was loaded under the other delivery mode");
    request.filter = {.campaign = outcome == queue::OutcomeKind::kExpired ? "spring" : "cancelled"};
    EXPECT_EQ(jobs_->Count(request).status().message(), "of another mode");
  }
  EXPECT_EQ(store_->GetCampaign(cancelled)->state, queue::CampaignState::kCancelled);
  mode_ = "sink";
  const Job moved = Ended(Order({.kind = Job::Kind::kReplay,
                                 .filter = {.campaign = "cancelled"},
                                 .outcome = queue::OutcomeKind::kCancelled,
                                 .rate = {.count = 1000, .period = absl::Seconds(1)}}));
  EXPECT_EQ(moved.moved, 4u);
}

TEST_F(JobsTest, ABounceLeavesWhatMayHaveArrivedAndSaysSo) {
  const queue::CampaignId id = Create("summer");
  LoadRows(id, 1, 48, 3, absl::Now() - absl::Minutes(1));
  const std::shared_ptr<queue::Pack> pack = ReadAll(id, absl::Now()).at(0);
  std::vector<queue::Outcome> outcomes = AllOf(pack, queue::OutcomeKind::kDeferred, absl::Now());
  outcomes.resize(5);
  Settle(std::move(outcomes));
  claimed_ = false;
  const Job ended = Ended(Order({.kind = Job::Kind::kBounce, .filter = {.campaign = "summer"}}));
  EXPECT_EQ(ended.moved, 43u);
  EXPECT_EQ(ended.why, "5 rows are left that are in doubt: they may have arrived");
}

TEST_F(JobsTest, ABounceBySourceKeepsOnlyTheStreamsThatLeaveFromIt) {
  const Job job = Order({.kind = Job::Kind::kBounce, .filter = {.source = "ip1"}});
  // Some shard has its lanes claimed, so it waits; meanwhile its hold is in force.
  ASSERT_EQ(jobs_->Await(job.Id(), absl::Milliseconds(200))->state, Job::State::kRunning);
  ASSERT_TRUE(Eventually([&] { return !holds_->in_force()->empty(); }));
  const std::shared_ptr<const HoldSet> set = holds_->in_force();
  const queue::LaneId lane{campaign_, store_->DestinationOf("d1.test")};
  EXPECT_NE(set->OnLane({.id = lane, .campaign = "spring", .stream = "newsletter", .domain = "d1.test"}), nullptr);
  EXPECT_EQ(set->OnLane({.id = lane, .campaign = "bill", .stream = "statements", .domain = "d1.test"}), nullptr);
  ASSERT_TRUE(jobs_->Cancel(job.Id()).ok());
  EXPECT_THAT(holds_->in_force()->holds(), IsEmpty());
}

}  // namespace
}  // namespace sealift::engine
