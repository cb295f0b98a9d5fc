// What a step of the clock does to pauses: those that were begun before it, and those that were begun since and before
// it was noticed, are as long as any other.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/engine/core/row_taker.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kSoon = absl::Seconds(5);

// Sessions are opened only where a test lets them, and their messages are not answered.
class ClockSetTest : public RowTaker<ShardWorld> {
 protected:
  ClockSetTest() {
    internet_->SetMx("d1.test", {{10, "silent.d1.test"}});
    internet_->AddHost("silent.d1.test").script = [](const MailServer::Conversation&, std::string_view command) {
      return command == "." ? std::optional(MailServer::Answer{""}) : std::nullopt;
    };
  }
  queue::CampaignId Begin() {
    Start();
    const queue::CampaignId id = Send("spring", Recipients(10, "d1.test"));
    EXPECT_TRUE(Eventually([this] { return RowsReady("d1.test") == 10; }));
    return id;
  }
  static Path& LetOpen(Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    path.site.queues.front()->settings.connections.count = 2;
    return path;
  }
  // As the node does when it looks at the clock.
  void Notice(absl::Duration step) {
    const absl::Time now = absl::Now() + step;
    if (step < absl::ZeroDuration()) limits_.StepBack(-step, now - absl::Seconds(1), now);
    OnShard([](Scheduler& scheduler) { scheduler.OnClockSet(); });
  }
  bool EventuallyOpen(int sessions) {
    return Eventually([=, this] { return PathTo(scheduler(), "d1.test").sessions == sessions; }, kSoon);
  }
  void OpenSince(absl::Duration step) {
    SetClock(step);
    OnShard([](Scheduler& scheduler) {
      Path& path = LetOpen(scheduler);
      scheduler.paths().Pump(path.site);
      ASSERT_EQ(path.sessions, 1);
      scheduler.OnClockSet();
    });
  }
  void MeetFull() {
    OnShard([](Scheduler& scheduler) {
      Path& path = LetOpen(scheduler);
      path.taking = 1;  // another session is well
      for (int i = 0; i < Paths::kFruitlessMax; ++i) scheduler.paths().OnFruitless(path, {});
      path.taking = 0;
    });
  }
  void ExpectPause() {
    OnShard([](Scheduler& scheduler) {
      const Path& path = PathTo(scheduler, "d1.test");
      EXPECT_EQ(path.sessions, 0) << "the receiver has as many as it likes";
      const absl::Duration left = path.wake_at - scheduler.services().Now();
      EXPECT_LE(left, absl::Minutes(1));
      EXPECT_GT(left, absl::Seconds(30));
    });
  }
};

TEST_F(ClockSetTest, ASessionThatIsOpenedSinceTheClockWasSetForwardKeepsNoOtherWaiting) {
  Begin();
  OpenSince(absl::Hours(1));
  EXPECT_TRUE(EventuallyOpen(2));
}

TEST_F(ClockSetTest, ASessionThatIsOpenedSinceTheClockWasSetBackKeepsNoOtherWaiting) {
  Begin();
  OpenSince(-absl::Hours(1));
  EXPECT_TRUE(EventuallyOpen(2));
}

TEST_F(ClockSetTest, AReceiverThatWasFoundFullBeforeTheClockWasSetForwardHasItsPause) {
  Begin();
  MeetFull();
  SetClock(absl::Hours(1));
  Notice(absl::Hours(1));
  ExpectPause();
}

TEST_F(ClockSetTest, AReceiverThatIsFoundFullSinceTheClockWasSetForwardHasItsPauseAndNoMore) {
  Begin();
  SetClock(absl::Hours(1));
  MeetFull();
  Notice(absl::Hours(1));
  ExpectPause();
}

TEST_F(ClockSetTest, AReceiverThatWasFoundFullBeforeTheClockWasSetBackHasItsPauseAndNoMore) {
  Begin();
  MeetFull();
  SetClock(-absl::Hours(1));
  Notice(-absl::Hours(1));
  ExpectPause();
}

TEST_F(ClockSetTest, AReceiverThatIsFoundFullSinceTheClockWasSetBackHasItsPause) {
  Begin();
  SetClock(-absl::Hours(1));
  MeetFull();
  Notice(-absl::Hours(1));
  ExpectPause();
}

// Once it has refused one, a connection more is opened only some moments after the last has ended.
TEST_F(ClockSetTest, AConnectionThatEndedBeforeTheClockWasSetBackIsNotWaitedForAnHour) {
  Begin();
  OnShard([](Scheduler& scheduler) {
    Path& path = LetOpen(scheduler);
    Reception::Visit visit(path.reception, scheduler.services().SteadyNow());
    visit.LetIn();
    path.reception->Refused(scheduler.services().SteadyNow());
    visit.End(scheduler.services().SteadyNow());
  });
  SetClock(-absl::Hours(1));
  Notice(-absl::Hours(1));
  EXPECT_TRUE(EventuallyOpen(1));
}

TEST_F(ClockSetTest, TransactionalMailThatCalledBeforeTheClockWasSetBackIsNotWaitedForAnHour) {
  Begin();
  OnShard([](Scheduler& scheduler) {
    Path& path = LetOpen(scheduler);
    path.site.precedence.Call(scheduler.services().SteadyNow());
    path.slots.front()->precedence().Call(scheduler.services().SteadyNow());
  });
  SetClock(-absl::Hours(1));
  Notice(-absl::Hours(1));
  EXPECT_TRUE(EventuallyOpen(1));
}

// Its lane has read beyond that, by the clock that ran ahead.
TEST_F(ClockSetTest, ARowThatIsDeferredSinceAClockThatRanAheadWasSetBackIsDueInItsTime) {
  options_.streams[0].retry = {absl::Minutes(1)};
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") == 2; }));
  std::optional<Assignment> first, second;
  const auto defer = [this](const Assignment& assignment) {
    scheduler().Conclude(assignment, {.verdict = {.action = Action::kDefer}, .code = 450, .date = absl::Now()});
  };
  OnShard([&](Scheduler&) {
    first = Take();
    second = Take();
  });
  SetClock(absl::Hours(1));
  OnShard([&](Scheduler&) { defer(*first); });
  ASSERT_TRUE(EventuallyTried(id, 1));
  SetClock(absl::Hours(1));
  Notice(absl::Hours(1));
  ASSERT_TRUE(Eventually([&] { return (first = Take()).has_value(); }));

  SetClock(-absl::Hours(2));
  Notice(-absl::Hours(2));
  OnShard([&](Scheduler&) { defer(*second); });
  ASSERT_TRUE(EventuallyTried(id, 2));
  for (const queue::StoredRow& row : RowsOf(id)) {
    if (row.recipient == "a2@d1.test") {
      EXPECT_LT(row.due, absl::Now() + absl::Minutes(2));
    }
  }
  SetClock(absl::Minutes(2));
  Notice(absl::Minutes(2));
  OnShard([&](Scheduler&) { Deliver(*first); });
  ASSERT_TRUE(Eventually([&] { return (second = Take()).has_value(); })) << "once what the lane had begun is durable";
  OnShard([&](Scheduler&) { Deliver(*second); });
  EXPECT_TRUE(EventuallyDelivered(id, 2));
}

TEST_F(ClockSetTest, ARowThatIsDueBeforeWhatALaneHasReadByARightClockTakesNothingFromIt) {
  options_.streams[0].retry = {absl::Minutes(1)};
  const queue::CampaignId id = Begin();
  std::optional<Assignment> row;
  OnShard([&](Scheduler& scheduler) {
    row = Take();
    scheduler.Conclude(*row, {.verdict = {.action = Action::kDefer}, .code = 450, .date = absl::Now()});
  });
  ASSERT_TRUE(EventuallyTried(id, 1));
  SetClock(absl::Minutes(2));
  Notice(absl::Minutes(2));
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") == 10; })) << "the retry is read";
  OnShard([&](Scheduler& scheduler) {
    row = Take();
    scheduler.Revise({id, store_->DestinationOf("d1.test")}, 0, 0, absl::Now() - absl::Hours(1));
  });
  EXPECT_EQ(RowsReady("d1.test"), 9u);
  OnShard([&](Scheduler&) { Deliver(*row); });
}

}  // namespace
}  // namespace sealift::engine
