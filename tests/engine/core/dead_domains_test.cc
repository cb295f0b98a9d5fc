// A campaign may meet more dead domains than a shard can keep in memory: what is kept is bounded, and nothing is tried
// earlier, or never, for it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/core/shard_world.h"
#include "tests/engine/core/window_in_hours.h"

namespace sealift::engine {
namespace {

using ::testing::Ge;
using ::testing::Le;
using ::testing::SizeIs;

constexpr int kMore = 500;  // than what is kept

class DeadDomainsTest : public ShardWorld {
 protected:
  DeadDomainsTest() { options_.smtp.connections = 1; }

  // Domains whose hosts, one each, refuse every connection.
  void AddDead(const std::vector<std::string>& domains) {
    for (const std::string& domain : domains) {
      AddDomain(domain);
      internet_->SetRefusing("mx." + domain, true);
    }
  }
  std::vector<std::string> AddDead(int count) {
    std::vector<std::string> domains;
    domains.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) domains.push_back(fmt::format("d{}.test", i));
    AddDead(domains);
    return domains;
  }
  static std::vector<std::string> Rows(const std::vector<std::string>& domains, int each) {
    std::vector<std::string> recipients;
    for (int row = 0; row < each; ++row) {
      for (const std::string& domain : domains) recipients.push_back(fmt::format("row{}@{}", row, domain));
    }
    return recipients;
  }

  // Domains that the other of two shards looks after.
  std::vector<std::string> OfTheOtherShard(size_t count) {
    std::vector<std::string> domains;
    for (int i = 0; domains.size() < count; ++i) {
      std::string domain = fmt::format("d{}.test", i);
      if (static_cast<uint64_t>(store_->DestinationOf(domain)) % 2 == 1) domains.push_back(std::move(domain));
    }
    return domains;
  }
  // As the other shard does that has resolved the domains. Empty: each has a host of its own.
  void Hand(queue::CampaignId id, std::span<const std::string> domains, const std::string& host = "") {
    OnShard([&](Scheduler& scheduler) {
      active_.at(id)->sending = true;
      for (const std::string& domain : domains) {
        const queue::LaneRecord record{.lane = {id, store_->DestinationOf(domain)},
                                       .domain = domain,
                                       .queued = 1,
                                       .next_due = absl::InfinitePast()};
        const std::string mx = host.empty() ? "mx." + domain : host;
        const SiteIdentity site{.key = "10 " + mx, .hosts = {{10, mx}}};
        scheduler.Receive({record, active_.at(id), site, scheduler.services().holds});
      }
    });
  }

  size_t Connects() {
    size_t connects = 0;
    OnShard([&](Scheduler&) { connects = internet_->connects.size(); });
    return connects;
  }
};

TEST_F(DeadDomainsTest, LanesAndSitesThatWaitAreBoundedAndEachIsTriedOnce) {
  constexpr int kDomains = static_cast<int>(LaneTable::kWaitingMax) + static_cast<int>(Directory::kUnusedMax) + kMore;
  const std::vector<std::string> domains = AddDead(kDomains);
  Start();
  const queue::CampaignId id = Send("spring", Rows(domains, 2));
  ASSERT_TRUE(EventuallyTried(id, kDomains));
  EXPECT_TRUE(Eventually([&] {
    return scheduler().lanes().size() <= LaneTable::kWaitingMax &&
           scheduler().directory().sites() <= LaneTable::kWaitingMax + Directory::kUnusedMax;
  })) << scheduler().lanes().size();
  EXPECT_EQ(Connects(), static_cast<size_t>(kDomains));
  EXPECT_EQ(CountersOf(id).queued(), 2u * kDomains);
  EXPECT_EQ(CountersOf(id).deferrals, static_cast<uint64_t>(kDomains)) << "one row a domain";
}

// Of a domain that does not resolve either, whatever else makes a pass over the lanes.
TEST_F(DeadDomainsTest, LanesThatWaitForALookUpAreBoundedAndOneRowOfEachIsTried) {
  constexpr int kDomains = static_cast<int>(LaneTable::kWaitingMax) + kMore;
  std::vector<std::string> domains;
  domains.reserve(kDomains);
  for (int i = 0; i < kDomains; ++i) {
    domains.push_back(fmt::format("d{}.test", i));
    internet_->SetVerdict(domains.back(), dns::Verdict::kServFail);
  }
  internet_->SetVerdict("last.test", dns::Verdict::kServFail);
  Start();
  const queue::CampaignId id = Send("spring", Rows(domains, 2));
  ASSERT_TRUE(EventuallyTried(id, kDomains));
  const auto bounded = [&] { return scheduler().lanes().size() <= LaneTable::kWaitingMax; };
  EXPECT_TRUE(Eventually(bounded)) << scheduler().lanes().size();
  // Another pass, which finds a lane more.
  LoadMore(id, 2 * kDomains + 1, {"a1@last.test"});
  OnShard([](Scheduler& scheduler) { scheduler.lanes().LookAgain(); });
  ASSERT_TRUE(EventuallyTried(id, kDomains + 1));
  EXPECT_TRUE(Eventually(bounded));
  EXPECT_EQ(CountersOf(id).deferrals, static_cast<uint64_t>(kDomains) + 1) << "one row a domain";
  OnShard([&](Scheduler&) { EXPECT_EQ(internet_->lookups.size(), static_cast<size_t>(kDomains) + 1); });
}

// A shard looks at its sockets in between.
TEST_F(DeadDomainsTest, LanesWhoseDomainsAreKnownAtOnceAreTakenUpInSeveralTurns) {
  constexpr size_t kDomains = Directory::kLookupsMax;
  options_.smtp.connections = 0;
  for (int i = 0; i < 5000; ++i) {  // which take their time to be looked through
    options_.destinations.push_back({.domains = {fmt::format("other{}.test", i)}, .pipeline_depth = 1});
  }
  internet_->AddHost("mx.test");
  std::vector<std::string> domains;
  for (size_t i = 0; i < kDomains; ++i) {
    domains.push_back(fmt::format("d{}.test", i));
    internet_->SetMx(domains.back(), {{10, "mx.test"}});
  }
  size_t placed = 0, most = 0;
  at_end_of_turn_ = [&] {
    size_t now = 0;
    scheduler().lanes().ForEach([&](const Lane& lane) { now += lane.queue != nullptr ? 1 : 0; });
    most = std::max(most, now - std::exchange(placed, now));
  };
  Start();
  Send("spring", Rows(domains, 1));
  EXPECT_TRUE(Eventually([&] { return placed == kDomains; }));
  Stop(absl::ZeroDuration());
  EXPECT_LT(most, kDomains / 2);
}

// Those that wait half a minute would keep those out that are due meanwhile.
TEST_F(DeadDomainsTest, WhatIsDueWithinAMinuteLeavesRoomForWhatIsDue) {
  constexpr int kDomains = static_cast<int>(LaneTable::kWaitingMax) + kMore;
  options_.streams[0].retry = {absl::Seconds(50)};
  options_.smtp.connections = 10;
  AddDomain("busy.test").script = [](const MailServer::Conversation&,
                                     std::string_view command) -> std::optional<MailServer::Answer> {
    if (command.starts_with("RCPT")) return MailServer::Answer{"450 4.2.0 try again later"};
    return std::nullopt;
  };
  std::vector<std::string> domains;
  domains.reserve(kDomains);
  for (int i = 0; i < kDomains; ++i) {
    domains.push_back(fmt::format("d{}.test", i));
    internet_->SetMx(domains.back(), {{10, "mx.busy.test"}});
  }
  Start();
  const queue::CampaignId id = Send("spring", Rows(domains, 1));
  ASSERT_TRUE(EventuallyTried(id, kDomains));
  EXPECT_TRUE(Eventually([&] { return scheduler().lanes().size() <= LaneTable::kWaitingMax; }));
  Stop(absl::ZeroDuration());
}

TEST_F(DeadDomainsTest, AHostIsNotTriedEarlierBecauseItsSiteWasForgotten) {
  constexpr int kDomains = static_cast<int>(Directory::kUnusedMax) + kMore;
  const std::vector<std::string> domains = AddDead(kDomains);
  Start();
  const queue::CampaignId id = Send("spring", Rows(domains, 1));
  ASSERT_TRUE(EventuallyTried(id, kDomains));
  const std::shared_ptr<std::atomic<bool>> paused = Pause(id);
  ASSERT_TRUE(Eventually([&] { return paused->load() && scheduler().directory().sites() <= Directory::kUnusedMax; }));
  OnShard([](Scheduler& scheduler) { EXPECT_THAT(scheduler.paths().blocks().size(), Ge(kMore)); });

  // Fresh rows of the same domains find them blocked.
  const queue::CampaignId other = Send("summer", Rows(domains, 1));
  ASSERT_TRUE(Eventually([&] {
    size_t ready = 0;
    scheduler().lanes().ForEach([&](Lane& lane) { ready += lane.window.size(); });
    return ready == static_cast<size_t>(kDomains);
  }));
  EXPECT_EQ(Connects(), static_cast<size_t>(kDomains));
  EXPECT_EQ(CountersOf(other).deferrals, 0u);
  OnShard([&](Scheduler& scheduler) {
    for (const std::string& domain : domains) {
      const Path& path = PathTo(scheduler, domain);
      EXPECT_GT(path.block.until, absl::Now()) << domain;
      EXPECT_EQ(path.block.failures, 1) << domain;
      EXPECT_EQ(path.block.attempt.verdict.reason_class, ReasonClass::kConnection) << domain;
    }
    EXPECT_EQ(scheduler.paths().blocks().size(), 0u) << "they are the paths' again";
  });
}

// The shard that looks after a lane's destination is told when to find it again: it cannot see that it is here no more.
TEST_F(DeadDomainsTest, LanesOfAnotherShardAreHandedBackWithTheTimeAtWhichTheyAreDue) {
  constexpr size_t kDomains = LaneTable::kWaitingMax + kMore;
  shards_ = 2;
  size_t handed_back = 0;
  absl::Time first = absl::InfiniteFuture(), last = absl::InfinitePast();
  on_handed_back_ = [&](queue::CampaignId, absl::Time when) {
    ++handed_back;
    first = std::min(first, when);
    last = std::max(last, when);
  };
  const std::vector<std::string> domains = OfTheOtherShard(kDomains);
  AddDead(domains);
  Start();
  const queue::CampaignId id = Load("spring", Rows(domains, 1));
  const absl::Time began = absl::Now();
  Hand(id, domains);
  ASSERT_TRUE(EventuallyTried(id, kDomains));
  EXPECT_TRUE(Eventually([&] { return scheduler().lanes().size() <= LaneTable::kWaitingMax; }));
  OnShard([&](Scheduler& scheduler) {
    EXPECT_EQ(scheduler.lanes().size() + handed_back, kDomains);
    EXPECT_THAT(first, Ge(began + LaneTable::kAWhile));
    EXPECT_THAT(last, Le(absl::Now() + absl::Hours(2))) << "the stream's retry is an hour, and a part of it";
  });
}

TEST_F(DeadDomainsTest, AFullShardHandsBackWhatItIsGiven) {
  shards_ = 2;
  options_.smtp.connections = 0;
  std::vector<absl::Time> handed_back;
  on_handed_back_ = [&](queue::CampaignId, absl::Time when) { handed_back.push_back(when); };
  AddDomain("d.test");
  Start();
  const queue::CampaignId id = Load("spring", {"jane@d.test"});
  constexpr size_t kBeyond = 3;
  OnShard([&](Scheduler& scheduler) {
    active_.at(id)->sending = true;
    for (size_t i = 0; i < LaneTable::kLanesMax + kBeyond; ++i) {
      const queue::LaneRecord record{.lane = {id, queue::DestinationId{2 * i + 1}},
                                     .domain = "d.test",
                                     .queued = 1,
                                     .next_due = absl::InfinitePast()};
      scheduler.Receive(
          {record, active_.at(id), {.key = "10 mx.d.test", .hosts = {{10, "mx.d.test"}}}, scheduler.services().holds});
    }
    EXPECT_EQ(scheduler.lanes().size(), LaneTable::kLanesMax);
    EXPECT_THAT(handed_back, SizeIs(kBeyond));
  });
}

// Its own pages are read to the end, so that none of them waits for room.
TEST_F(DeadDomainsTest, AFullShardMakesRoomForWhatItIsGiven) {
  shards_ = 2;
  options_.smtp.connections = 0;
  bool handed_back = false;
  on_handed_back_ = [&](queue::CampaignId, absl::Time) { handed_back = true; };
  AddDomain("d.test");
  const std::vector<std::string> domains = OfTheOtherShard(LaneTable::kLanesMax + 1);
  Start();
  const queue::CampaignId id = Load("spring", Rows(domains, 1));
  Hand(id, std::span(domains).first(LaneTable::kLanesMax), "mx.d.test");
  ASSERT_TRUE(Eventually([&] { return RowsReady(domains.front()) == LaneTable::kLanesMax; }));
  OnShard([&](Scheduler& scheduler) {
    options_.streams[0].opens = WindowInHours(6, 12);
    scheduler.Adopt(std::make_shared<const Options>(options_), scheduler.services().signing_keys);
    EXPECT_EQ(scheduler.lanes().size(), LaneTable::kLanesMax);
    EXPECT_FALSE(handed_back);
  });
  Hand(id, std::span(domains).last(1), "mx.d.test");
  EXPECT_TRUE(Eventually([&] { return scheduler().lanes().size() <= LaneTable::kWaitingMax; }));
}

}  // namespace
}  // namespace sealift::engine
