// What becomes of rows whose domain or hosts are not there, now or ever.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/explain.h"
#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SchedulerFailureTest : public ShardWorld {};

TEST_F(SchedulerFailureTest, RowsOfADomainThatDoesNotExistBounce) {
  Start();
  const queue::CampaignId id = Send("spring", Recipients(100, "nowhere.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 100; }));
  Stop();
  EXPECT_THAT(EventsOf(id), Each(Field(&queue::Event::reason_class, "bad_domain")));
  EXPECT_THAT(internet_->connects, IsEmpty());
  EXPECT_THAT(internet_->lookups, SizeIs(1));
}

TEST_F(SchedulerFailureTest, RowsOfADomainThatTakesNoMailBounce) {
  internet_->SetNullMx("silent.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "silent.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).bounced == 20; }));
  Stop();
  EXPECT_THAT(EventsOf(id), Each(Field(&queue::Event::reason_class, "no_mx")));
}

TEST_F(SchedulerFailureTest, RowsOfADomainWhoseHostsHaveNoAddressBounce) {
  internet_->SetMx("parked.test", {{10, "mx1.parked.test"}, {20, "mx2.parked.test"}});
  AddDomain("d1.test");
  internet_->SetMx("half.test", {{10, "mx1.parked.test"}, {20, "mx.d1.test"}});
  Start();
  const queue::CampaignId parked = Send("spring", Recipients(20, "parked.test"));
  ASSERT_TRUE(Eventually([&] { return CountersOf(parked).bounced == 20; }));
  const queue::CampaignId half = Send("summer", Recipients(20, "half.test"));
  ASSERT_TRUE(EventuallyDelivered(half, 20)) << "one of them has";
  Stop();
  EXPECT_THAT(EventsOf(parked), Each(Field(&queue::Event::reason_class, "no_mx")));
}

TEST_F(SchedulerFailureTest, AFailedLookupDefersOneRowAndKeepsTheOthersUntouched) {
  internet_->SetVerdict("d1.test", dns::Verdict::kServFail);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  const queue::Counters counters = CountersOf(id);
  EXPECT_EQ(counters.deferrals, 1u);
  EXPECT_EQ(counters.retrying, 1u);
  EXPECT_EQ(counters.queued(), 20u);
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "dns");
}

TEST_F(SchedulerFailureTest, WhenTheLookupSucceedsAgainEveryRowIsSent) {
  options_.streams[0].retry = {absl::Milliseconds(150)};
  MailServer& mx = AddDomain("d1.test");
  internet_->SetVerdict("d1.test", dns::Verdict::kServFail);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 2)) << "the look-up is tried again, and so is a row";
  OnShard([&](Scheduler&) { internet_->SetMx("d1.test", {{10, "mx.d1.test"}}); });
  ASSERT_TRUE(EventuallyDelivered(id, 20));
  Stop();
  EXPECT_THAT(mx.contents, SizeIs(20));
}

TEST_F(SchedulerFailureTest, ALaneOfOneRowSurvivesAFailedLookup) {
  options_.streams[0].retry = {absl::Milliseconds(150)};
  AddDomain("d1.test");
  internet_->SetVerdict("d1.test", dns::Verdict::kServFail);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  OnShard([&](Scheduler&) { internet_->SetMx("d1.test", {{10, "mx.d1.test"}}); });
  ASSERT_TRUE(EventuallyDelivered(id, 1)) << "the row's own time has come, whatever became of the look-up";
}

TEST_F(SchedulerFailureTest, AnAttemptThatReachesNobodyIsToldWithItsStreamAndSetsTheDate) {
  options_.streams[0].retry = {absl::Hours(1)};
  AddDomain("d1.test");
  internet_->SetRefusing("mx.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  const std::vector<queue::Event> events = EventsOf(id);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].reason_class, "connection");
  EXPECT_EQ(events[0].evidence.stream, options_.streams[0].name);
  const std::vector<queue::StoredRow> rows = RowsOf(id);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_NE(rows[0].date, absl::InfinitePast());
}

TEST_F(SchedulerFailureTest, OutcomesOfOthersDoNotPutOffALookup) {
  internet_->SetVerdict("d1.test", dns::Verdict::kServFail);
  AddDomain("d2.test");
  internet_->SetRefusing("mx.d2.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  ASSERT_TRUE(EventuallyTried(Send("summer", Recipients(20, "d2.test")), 1));
  const queue::LaneId lane{id, store_->DestinationOf("d1.test")};
  OnShard([&](Scheduler& scheduler) {
    const absl::Time at = scheduler.lanes().Find(lane)->lookup_at;
    EXPECT_GT(at, scheduler.services().Now());
    for (int i = 0; i < 5; ++i) {
      // Somebody was refused for want of room, and there is room again.
      scheduler.AllowSending(false);
      EXPECT_FALSE(scheduler.Head(PathTo(scheduler, "d2.test")).has_value());
      scheduler.AllowSending(true);
    }
    EXPECT_EQ(scheduler.lanes().Find(lane)->lookup_at, at);
    EXPECT_EQ(scheduler.lanes().Find(lane)->lookup_failures, 1);
  });
}

TEST_F(SchedulerFailureTest, ALookupThatIsDueWhileItsLaneIsReadIsMadeAfterwards) {
  AddDomain("d1.test");
  internet_->SetVerdict("d1.test", dns::Verdict::kServFail);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  const queue::LaneId lane{id, store_->DestinationOf("d1.test")};
  ASSERT_TRUE(Eventually([&] { return scheduler().lanes().Find(lane)->Idle(); }));
  OnShard([&](Scheduler& scheduler) {
    scheduler.Reread(active_.at(id));
    Lane& read = *scheduler.lanes().Find(lane);
    ASSERT_TRUE(read.reading);
    read.lookup_at = scheduler.services().Now();
    ring_->timers().Disarm(read.due_timer);  // as it is once it has fired
    read.OnDue();
    EXPECT_EQ(internet_->lookups.size(), 1u);
  });
  EXPECT_TRUE(Eventually([&] { return internet_->lookups.size() == 2; }));
}

TEST_F(SchedulerFailureTest, AnExpiredRowIsNeverOffered) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"), {.accepted = absl::Now() - absl::Hours(100)});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).expired == 3; }));
  Stop();
  EXPECT_THAT(mx.contents, IsEmpty());
  for (const MailServer::Conversation& conversation : mx.conversations) {
    EXPECT_THAT(conversation.commands, Not(Contains(testing::StartsWith("MAIL"))));
  }
  EXPECT_THAT(EventsOf(id), Each(Field(&queue::Event::attempt, 0)));
}

TEST_F(SchedulerFailureTest, RowsExpireAlsoWhereNoHostAnswers) {
  AddDomain("d1.test");
  internet_->SetRefusing("mx.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "d1.test"), {.accepted = absl::Now() - absl::Hours(100)});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).expired == 20; }, absl::Seconds(5)))
      << CountersOf(id).expired << " expired: the others wait for one round of retries each";
}

TEST_F(SchedulerFailureTest, ADeadHostCostsOneRowARoundAndIsTriedAgainAtItsTime) {
  options_.streams[0].retry = {absl::Milliseconds(300)};
  MailServer& mx = AddDomain("d1.test");
  internet_->SetRefusing("mx.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(10, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 2));
  OnShard([&](Scheduler&) { internet_->SetRefusing("mx.d1.test", false); });
  ASSERT_TRUE(EventuallyDelivered(id, 10));
  Stop();

  EXPECT_THAT(mx.contents, SizeIs(10));
  ASSERT_GE(internet_->connects.size(), 3u);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_GE(internet_->connects[i].second - internet_->connects[i - 1].second, absl::Milliseconds(265));
  }
  EXPECT_EQ(CountersOf(id).deferrals, internet_->connects.size() - mx.conversations.size());
}

TEST_F(SchedulerFailureTest, AHostThatTakesNothingHasAsManyTriesInEveryRound) {
  options_.streams[0].retry = {absl::Milliseconds(100), absl::Hours(1)};
  AddDomain("d1.test").script = [](const MailServer::Conversation&,
                                   std::string_view command) -> std::optional<MailServer::Answer> {
    if (command == ".") return MailServer::Answer{"", /*hang_up=*/true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "d1.test"));
  // The second round is the last one for an hour.
  ASSERT_TRUE(EventuallyTried(id, uint64_t{2} * static_cast<uint64_t>(Paths::kFruitlessMax)))
      << CountersOf(id).deferrals;
  OnShard([&](Scheduler& scheduler) {
    const Path& path = PathTo(scheduler, "d1.test");
    EXPECT_EQ(path.block.failures, 2);
    EXPECT_GT(path.block.until, scheduler.services().Now() + absl::Minutes(30));
  });
}

TEST_F(SchedulerFailureTest, AHostThatTakesNothingIsBlockedAlsoWhileOneOfItsConnectionsHangs) {
  options_.smtp.connections = 4;
  MailServer& mx = AddDomain("d1.test");
  mx.script = [&mx](const MailServer::Conversation& conversation,
                    std::string_view command) -> std::optional<MailServer::Answer> {
    if (command != ".") return std::nullopt;
    return MailServer::Answer{"", /*hang_up=*/&conversation != &mx.conversations.front()};
  };
  Start();
  Send("spring", Recipients(20, "d1.test"));
  EXPECT_TRUE(Eventually([&] {
    return scheduler().directory().FindSite("d1.test") != nullptr && PathTo(scheduler(), "d1.test").block.failures == 1;
  }));
  Stop(absl::ZeroDuration());
}

TEST_F(SchedulerFailureTest, AHostThatHasEnoughConnectionsIsTriedAgainOnceThereAreNone) {
  options_.smtp.connections = 4;
  options_.smtp.final_dot_timeout = absl::Milliseconds(300);
  MailServer& mx = AddDomain("d1.test");
  // The first conversation takes one message and says nothing to the second; three others are cut meanwhile.
  mx.script = [&mx](const MailServer::Conversation& conversation,
                    std::string_view command) -> std::optional<MailServer::Answer> {
    const bool first = &conversation == &mx.conversations.front();
    if (command != "." || mx.conversations.size() > 4 || (first && mx.contents.size() == 1)) return std::nullopt;
    return MailServer::Answer{"", /*hang_up=*/!first};
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "d1.test"));
  EXPECT_TRUE(EventuallyDelivered(id, 16)) << CountersOf(id).delivered;
}

TEST_F(SchedulerFailureTest, AHostThatFailsWhenItsRowsHaveGoneWaitsByTheSameSchedule) {
  options_.streams[0].retry = {absl::Milliseconds(50)};
  AddDomain("d1.test");
  internet_->SetRefusing("mx.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  const std::shared_ptr<std::atomic<bool>> stopped = Pause(id);
  ASSERT_TRUE(Eventually([&] { return *stopped && PathTo(scheduler(), "d1.test").sessions == 0; }));
  OnShard([](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    path.block.until = absl::InfinitePast();  // nothing wakes a shard that has no rows when it is over
    path.block.failures = 10;
    scheduler.paths().OnUnreachable(path, Lack::kNone, {});
    EXPECT_LT(path.block.until, scheduler.services().Now() + absl::Minutes(1)) << "the schedule of no stream";
  });
}

TEST_F(SchedulerFailureTest, ABlockedHostDoesNotSlowAnother) {
  AddDomain("dead.test");
  internet_->SetRefusing("mx.dead.test", true);
  MailServer& mx = AddDomain("d1.test");
  Start();
  std::vector<std::string> recipients = Recipients(50, "dead.test");
  for (const std::string& other : Recipients(50, "d1.test")) recipients.push_back(other);
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(EventuallyDelivered(id, 50));
  Stop();
  EXPECT_THAT(mx.contents, SizeIs(50));
  EXPECT_EQ(CountersOf(id).deferrals, 1u);
}

TEST_F(SchedulerFailureTest, WhileTheDiskIsFullNothingBeginsAndWhatWasSentIsNotSentAgain) {
  MailServer& mx = AddDomain("d1.test");
  unsettled_share_ = 64;
  Start();
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(false); });
  const queue::CampaignId id = Send("spring", Recipients(500, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") > 0; }));
  disk_->Arm(queue::FaultFileSystem::Fault::kNoSpace, 1, /*syncs_only=*/false);
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(true); });
  while (store_->writable()) OnShard([](Scheduler&) {});
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") > 0; })) << "the lane's next rows were still being read";
  size_t sent = 0;
  OnShard([&](Scheduler& scheduler) {
    EXPECT_FALSE(scheduler.Head(PathTo(scheduler, "d1.test")).has_value());
    Refusal refusal;
    EXPECT_FALSE(NextFor(scheduler, PathTo(scheduler, "d1.test"), refusal).has_value());
    EXPECT_EQ(refusal.kind, Refusal::Kind::kStorage);
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    ASSERT_THAT(explanation.waits, SizeIs(1));
    EXPECT_EQ(explanation.waits[0].reason, "storage");
    EXPECT_THAT(explanation.waits[0].detail, testing::HasSubstr("Free space there"));
    EXPECT_GT(scheduler.settler().begun(), 0) << "outcomes wait";
    sent = mx.contents.size();
  });
  EXPECT_LT(sent, 500u);
  EXPECT_LT(CountersOf(id).delivered, 500u) << "look-ups go on";

  disk_->Heal();
  ASSERT_TRUE(Eventually([&] { return scheduler().settler().empty(); })) << "outcomes are not committed";
  while (!store_->writable()) OnShard([](Scheduler&) {});
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(true); });
  ASSERT_TRUE(EventuallyDelivered(id, 500));
  Stop();
  EXPECT_THAT(mx.contents, SizeIs(500)) << "a row was sent twice";
}

TEST_F(SchedulerFailureTest, BelowTheWatermarkNothingBeginsAndTheReasonIsShown) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(false); });
  const queue::CampaignId id = Send("spring", Recipients(10, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 10; }));
  OnShard([&](Scheduler& scheduler) {
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    ASSERT_THAT(explanation.waits, SizeIs(1));
    EXPECT_EQ(explanation.waits[0].reason, "storage");
    EXPECT_EQ(explanation.waits[0].set_by, "storage.stop_send_below (default)");
    EXPECT_EQ(explanation.waits[0].rows, 10u);
    EXPECT_THAT(mx.contents, IsEmpty());
    scheduler.AllowSending(true);
  });
  EXPECT_TRUE(EventuallyDelivered(id, 10));
}

TEST_F(SchedulerFailureTest, RoomForOutcomesMayOpenAConnectionFromASourceThatTheSiteHasNotSeen) {
  AddDomain("d1.test");
  for (int source = 1; source < 12; ++source) {
    const std::string name = fmt::format("ip{}", source + 1);
    options_.pools[0].source_indexes.push_back(source);
    options_.sources.push_back({.name = name, .address = "127.0.0.3", .family = AF_INET, .hostname = "b.sender.test"});
    options_.pools[0].sources.push_back(name);
  }
  Start();
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(false); });
  const queue::CampaignId id = Send("spring", Recipients(10, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 10; }));
  OnShard([](Scheduler& scheduler) {
    Site& site = *scheduler.directory().FindSite("d1.test");
    SendQueue& queue = *site.queues.at(0);
    const size_t before = site.paths.size();
    // Now and then each has had its turn before, and none is left to be seen.
    if (before == queue.permits.size()) return scheduler.AllowSending(true);
    for (const std::unique_ptr<Path>& path : site.paths) {
      EXPECT_FALSE(NextFor(scheduler, *path, path->refusal).has_value());
      EXPECT_EQ(path->refusal.kind, Refusal::Kind::kStorage);
    }
    const auto is_seen = [&](size_t source) {
      return std::ranges::any_of(site.paths,
                                 [&](const auto& path) { return path->source == static_cast<int>(source); });
    };
    while (is_seen(queue.next_source)) queue.next_source = (queue.next_source + 1) % queue.permits.size();
    site.paths.shrink_to_fit();
    scheduler.AllowSending(true);
    EXPECT_GT(site.paths.size(), before);
    for (const std::unique_ptr<Path>& path : site.paths) EXPECT_NE(path->refusal.kind, Refusal::Kind::kStorage);
  });
  EXPECT_TRUE(EventuallyDelivered(id, 10));
}

TEST_F(SchedulerFailureTest, ADrainEndsWithEveryOutcomeDurable) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(300, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  const queue::Counters counters = CountersOf(id);
  EXPECT_EQ(counters.deferrals, 0u);
  const std::vector<queue::StoredRow> rows = RowsOf(id);
  EXPECT_EQ(counters.delivered + rows.size(), 300u);
  EXPECT_EQ(counters.delivered, EventsOf(id).size());
  EXPECT_EQ(counters.delivered, mx.contents.size());
}

// What is paused and resumed must not try a dead host earlier.
TEST_F(SchedulerFailureTest, ASiteIsKeptForAsLongAsItsBlockLasts) {
  AddDomain("long.test");
  AddDomain("short.test");
  internet_->SetRefusing("mx.long.test", true);
  internet_->SetRefusing("mx.short.test", true);
  StreamOptions& impatient = AddStream("impatient");
  impatient.retry = {absl::Milliseconds(1)};
  Start();
  const queue::CampaignId patient = Send("spring", Recipients(2, "long.test"));
  const queue::CampaignId other = Send("summer", Recipients(2, "short.test"), {.stream = "impatient"});
  ASSERT_TRUE(EventuallyTried(patient, 1));
  ASSERT_TRUE(EventuallyTried(other, 1));
  const std::shared_ptr<std::atomic<bool>> first = Pause(patient), second = Pause(other);
  ASSERT_TRUE(Eventually([&] { return first->load() && second->load(); }));
  ASSERT_TRUE(Eventually([&] {
    scheduler().directory().Sweep();
    return scheduler().directory().sites() == 1;
  }));
  OnShard([](Scheduler& scheduler) {
    EXPECT_NE(scheduler.directory().FindSite("long.test"), nullptr);
    EXPECT_EQ(scheduler.directory().FindSite("short.test"), nullptr);
  });
}

}  // namespace
}  // namespace sealift::engine
