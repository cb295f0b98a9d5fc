// What changes while rows are under way: the options, the rows' time, the shard that a lane belongs to.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class SchedulerChangeTest : public ShardWorld {};

TEST_F(SchedulerChangeTest, ASourceThatAReloadTakesAwayBeforeItsSessionBeginsSendsNothing) {
  options_.smtp.connections = 0;
  options_.sources.push_back(
      {.name = "ip2", .address = "127.0.0.2", .family = AF_INET, .hostname = "mail2.sender.test"});
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 3; }));

  Options open = options_;
  open.smtp.connections = 1;
  Options moved = open;
  moved.sources.erase(moved.sources.begin());
  moved.pools[0].sources = {"ip2"};
  OnShard([&](Scheduler& scheduler) {
    scheduler.Adopt(std::make_shared<const Options>(open), scheduler.services().signing_keys);
    EXPECT_EQ(PathTo(scheduler, "d1.test").sessions, 1);
    scheduler.Adopt(std::make_shared<const Options>(moved), scheduler.services().signing_keys);
  });
  ASSERT_TRUE(EventuallyDelivered(id, 3));
  Stop();
  EXPECT_THAT(mx.contents, SizeIs(3));
  for (const queue::Event& event : EventsOf(id)) EXPECT_EQ(event.evidence.source, "ip2");
}

// Whichever domain's lane made the queue that both had.
TEST_F(SchedulerChangeTest, AReloadThatGivesOneDomainOfASiteItsOwnSettingsBindsItsRowsAlone) {
  options_.smtp.connections = 0;
  AddDomain("d1.test");
  internet_->SetMx("d2.test", {{10, "mx.d1.test"}});
  Start();
  std::vector<std::string> recipients = Recipients(3, "d1.test");
  for (const std::string& other : Recipients(3, "d2.test")) recipients.push_back(other);
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 6; }));
  const auto lane = [&](const std::string& domain) -> Lane& {
    return *scheduler().lanes().Find({id, store_->DestinationOf(domain)});
  };
  OnShard([&](Scheduler&) { EXPECT_EQ(lane("d1.test").queue, lane("d2.test").queue); });

  for (const auto& [bound, other] : {std::pair("d2.test", "d1.test"), std::pair("d1.test", "d2.test")}) {
    Options changed = options_;
    changed.destinations = {{.domains = {bound}, .tls = TlsPolicy::kRequire}};
    OnShard([&](Scheduler& scheduler) {
      Path& path = PathTo(scheduler, "d1.test", lane(bound).queue->requirement.policy);
      Refusal refusal;
      std::vector<Assignment> taken;
      while (taken.empty() || taken.back().lane != &lane(bound)) {
        std::optional<Assignment> next = NextFor(scheduler, path, refusal);
        ASSERT_TRUE(next.has_value());
        taken.push_back(*std::move(next));
      }
      for (; taken.size() > 1; taken.erase(taken.begin())) scheduler.Return(taken.front());
      scheduler.Adopt(std::make_shared<const Options>(changed), scheduler.services().signing_keys);
      // While a row is under way as before nothing more of its lane begins, unless the queue is bound as the lane is.
      EXPECT_TRUE(lane(bound).window.empty() || lane(bound).queue->requirement.policy == tls::Policy::kRequire);
      EXPECT_TRUE(lane(other).window.empty() || lane(other).queue->requirement.policy == tls::Policy::kOpportunistic);
      scheduler.Return(taken.front());
    });
    ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 6; }));
    OnShard([&](Scheduler&) {
      EXPECT_EQ(lane(bound).queue->requirement.policy, tls::Policy::kRequire) << bound;
      EXPECT_EQ(lane(bound).queue->rows_ready, 3u);
      EXPECT_EQ(lane(other).queue->requirement.policy, tls::Policy::kOpportunistic) << other;
      EXPECT_EQ(lane(other).queue->rows_ready, 3u);
    });
  }
  Stop(absl::ZeroDuration());
}

TEST_F(SchedulerChangeTest, ALaneWhoseRowsAreBeingMovedGoesToItsShardOnceTheyAre) {
  shards_ = 2;
  std::vector<std::string> domains, recipients;  // those that this shard looks after until their site is known
  for (int n = 1; n <= 40; ++n) {
    const std::string domain = fmt::format("d{}.test", n);
    if (static_cast<uint64_t>(store_->DestinationOf(domain)) % 2 != 0) continue;
    internet_->SetVerdict(domain, dns::Verdict::kServFail);
    domains.push_back(domain);
    recipients.push_back("jane@" + domain);
  }
  queue::CampaignId id{};
  std::set<std::string> gone, early;  // domains: handed over, and among them those whose row had not been moved
  on_handover_ = [&](LaneHandover lane) {
    EXPECT_TRUE(gone.insert(lane.record.domain).second) << "a lane goes once";
    for (const queue::StoredRow& row : RowsOf(id)) {
      if (row.recipient == "jane@" + lane.record.domain && row.due > absl::Now() + absl::Minutes(30))
        early.insert(lane.record.domain);
    }
  };
  Start();
  id = Send("spring", recipients);
  ASSERT_TRUE(EventuallyTried(id, recipients.size()));
  const std::shared_ptr<std::atomic<bool>> stopped = Pause(id);
  ASSERT_TRUE(Eventually([&] { return stopped->load(); }));

  size_t moved = 0;
  OnShard([&](Scheduler& scheduler) {
    active_.at(id)->sending = true;
    for (const std::string& domain : domains) {
      AddDomain(domain);
      const queue::LaneRecord record{
          .lane = {id, store_->DestinationOf(domain)}, .domain = domain, .queued = 1, .retrying = 1};
      scheduler.MakeDue(record, active_.at(id), absl::Now(), [&](const absl::StatusOr<uint64_t>& rows) {
        EXPECT_EQ(rows.value_or(0), 1u);
        ++moved;
      });
    }
  });
  ASSERT_TRUE(Eventually([&] { return moved == domains.size(); }));
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).delivered + gone.size() == domains.size(); }));
  Stop();
  EXPECT_THAT(gone, Not(IsEmpty()));
  EXPECT_THAT(early, IsEmpty());
}

TEST_F(SchedulerChangeTest, ALaneGoesToItsShardOnceWhatItHasBegunIsDurable) {
  shards_ = 2;
  std::vector<std::string> domains, recipients;  // that this shard looks after until their site is known
  for (int n = 1; n <= 40; ++n) {
    std::string domain = fmt::format("d{}.test", n);
    if (static_cast<uint64_t>(store_->DestinationOf(domain)) % 2 != 0) continue;
    internet_->SetVerdict(domain, dns::Verdict::kServFail);
    for (int row = 1; row <= 2; ++row) recipients.push_back(fmt::format("a{}@{}", row, domain));
    domains.push_back(std::move(domain));
  }
  std::set<std::string> gone;
  on_handover_ = [&](LaneHandover lane) {
    EXPECT_TRUE(gone.insert(lane.record.domain).second) << "a lane goes once";
    EXPECT_TRUE(store_->writable()) << lane.record.domain << " has an outcome that is not durable";
    EXPECT_EQ(lane.record.queued, 2u);
  };
  Start();
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(false); });
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(Eventually([&] {
    size_t ready = 0;
    scheduler().lanes().ForEach([&](const Lane& lane) { ready += lane.window.size(); });
    return ready == recipients.size();
  }));
  disk_->Arm(queue::FaultFileSystem::Fault::kNoSpace, 1, /*syncs_only=*/false);
  OnShard([&](Scheduler& scheduler) {
    scheduler.AllowSending(true);
    EXPECT_EQ(scheduler.settler().begun(), static_cast<int>(domains.size())) << "a row each";
  });
  while (store_->writable()) OnShard([](Scheduler&) {});

  SetClock(absl::Hours(2));
  OnShard([&](Scheduler& scheduler) {
    for (const std::string& domain : domains) AddDomain(domain);
    scheduler.OnClockSet();
  });
  const auto is_resolving = [&](const std::string& domain) { return scheduler().directory().Resolving(domain); };
  ASSERT_TRUE(Eventually(
      [&] { return internet_->lookups.size() == 2 * domains.size() && std::ranges::none_of(domains, is_resolving); }));
  disk_->Heal();
  EXPECT_TRUE(Eventually([&] { return CountersOf(id).delivered + 2 * gone.size() == recipients.size(); }));
  Stop();
  EXPECT_THAT(gone, Not(IsEmpty()));
}

TEST_F(SchedulerChangeTest, ALaneThatGoesToAnotherShardIsNotForgottenWhileItsRetriesAreDue) {
  constexpr int kDomains = 16;  // half of them are found here, and half of those belong to the other shard
  shards_ = 2;
  options_.streams[0].retry = {absl::Milliseconds(1)};
  std::vector<std::string> recipients;
  uint64_t found_here = 0;
  for (int i = 0; i < kDomains; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    AddDomain(domain);
    internet_->SetRefusing("mx." + domain, true);
    recipients.push_back("jane@" + domain);
    found_here += static_cast<uint64_t>(store_->DestinationOf(domain)) % 2 == 0;
  }
  Start();
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).retrying == found_here; }));
  const std::shared_ptr<std::atomic<bool>> paused = Pause(id);
  ASSERT_TRUE(Eventually([&] { return paused->load(); }));
  const auto any_waits = [&] {
    const absl::Time now = absl::Now();
    return std::ranges::any_of(RowsOf(id), [now](const queue::StoredRow& row) { return row.due > now; });
  };
  while (any_waits()) {
  }
  OnShard([&](Scheduler&) {
    for (int i = 0; i < kDomains; ++i) internet_->SetRefusing("mx.d" + std::to_string(i) + ".test", false);
  });
  Run(id);
  EXPECT_TRUE(EventuallyDelivered(id, found_here)) << CountersOf(id).delivered << " of " << found_here;
}

TEST_F(SchedulerChangeTest, ALaneThatWaitsForARetryHearsOfRowsThatAreLoadedLater) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const MailServer::Conversation&, std::string_view command) -> std::optional<MailServer::Answer> {
    if (command.starts_with("RCPT TO:<a1@")) return MailServer::Answer{"450 4.2.1 later"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"a1@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  const queue::LaneId lane{id, store_->DestinationOf("d1.test")};
  ASSERT_TRUE(Eventually([&] { return scheduler().lanes().Find(lane)->Idle(); }));
  LoadMore(id, 2, {"a2@d1.test", "a3@d1.test"});
  Run(id);
  EXPECT_TRUE(EventuallyDelivered(id, 2));
  OnShard([&](Scheduler& scheduler) { EXPECT_EQ(scheduler.lanes().Find(lane)->queued, 1) << "the retry"; });
}

TEST_F(SchedulerChangeTest, ALaneThatIsFoundWithRetriesOnlyIsNotSearchedForFreshRows) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const MailServer::Conversation&, std::string_view command) -> std::optional<MailServer::Answer> {
    if (command.starts_with("RCPT")) return MailServer::Answer{"450 4.2.1 later"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"a1@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  const queue::LaneId lane{id, store_->DestinationOf("d1.test")};
  const std::shared_ptr<std::atomic<bool>> paused = Pause(id);
  ASSERT_TRUE(Eventually([&] { return paused->load(); }));
  Run(id);
  ASSERT_TRUE(Eventually([&] { return scheduler().lanes().Find(lane) != nullptr; }));
  OnShard([&](Scheduler& scheduler) { EXPECT_FALSE(scheduler.lanes().Find(lane)->fresh); });
  LoadMore(id, 2, {"a2@d1.test"});
  Run(id);
  EXPECT_TRUE(EventuallyTried(id, 2));
}

}  // namespace
}  // namespace sealift::engine
