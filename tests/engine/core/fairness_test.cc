// What campaigns of the same standing have of what is scarce, where they compete at different sites.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using FairnessTest = ShardWorld;

TEST_F(FairnessTest, CampaignsShareALimitOfManySitesByTheirWeight) {
  options_.sources[0].rate = {.rate = {.count = 200, .period = absl::Seconds(1)}, .origin = "sealift.toml:12"};
  std::vector<std::string> everywhere;
  for (const char* const domain : {"d1.test", "d2.test", "d3.test", "d4.test", "d5.test", "d6.test"}) {
    AddDomain(domain);
    for (const std::string& recipient : Recipients(200, domain)) everywhere.push_back(recipient);
  }
  AddDomain("d7.test");
  Start();
  const queue::CampaignId wide = Load("wide", everywhere),
                          narrow = Load("narrow", Recipients(1000, "d7.test"), {.weight = 2});
  Run(wide);
  ASSERT_TRUE(EventuallyDelivered(wide, 100));
  Run(narrow);
  ASSERT_TRUE(EventuallyDelivered(narrow, 1));
  const uint64_t before = CountersOf(wide).delivered;
  ASSERT_TRUE(EventuallyDelivered(narrow, 401));
  const uint64_t meanwhile = CountersOf(wide).delivered - before;
  EXPECT_GT(meanwhile, 130u);
  EXPECT_LT(meanwhile, 260u) << "half of 400";
  Stop(absl::ZeroDuration());
}

// Under a rate that both share. The warm one asks first each time, and would have all of it.
TEST_F(FairnessTest, ASourceThatWarmsUpHasItsPlanBeforeTheWarmOnes) {
  options_.sources.push_back({.name = "ip2", .address = "127.0.0.3", .family = AF_INET, .hostname = "b.sender.test"});
  options_.pools[0].sources.emplace_back("ip2");
  options_.pools[0].source_indexes.push_back(1);
  options_.sources[0].warmup = {.start = "2000-01-01", .tz = "UTC", .per_day = {{"default", {86'400}}}};
  options_.streams[0].rate = {.rate = {.count = 10, .period = absl::Seconds(1)}};
  options_.smtp.connections = 0;  // no session is opened: the test takes the permits
  warmups_.Adopt(options_);
  AddDomain("d1.test");
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") == 2; }));
  OnShard([](Scheduler& scheduler) {
    const SendQueue& queue = *scheduler.directory().FindSite("d1.test")->queues.front();
    ASSERT_EQ(queue.permits.size(), 2u);
    EXPECT_EQ(queue.permits[0]->rates.front().rate->kind(), "warmup") << "what it cannot use it is not to be kept";
    const auto of_stream = [&](size_t source) {
      const std::vector<BoundRate>& rates = queue.permits[source]->rates;
      return *std::ranges::find(rates, "stream", [](const BoundRate& bound) { return bound.rate->kind(); });
    };
    const BoundRate cold = of_stream(0), warm = of_stream(1);
    ASSERT_EQ(cold.rate, warm.rate);
    const absl::Time start = absl::Now();
    bool wants = false;
    int had = 0;
    for (int ms = 0; ms < 10'000; ++ms) {
      const absl::Time now = start + absl::Milliseconds(ms);
      wants = wants || ms % 500 == 0;  // its plan allows two in a second
      warm.rate->Acquire(now, {queue.Standing()}, warm.flow.get());
      if (!wants || cold.rate->Acquire(now, {queue.Standing()}, cold.flow.get()) > absl::ZeroDuration()) continue;
      ++had;
      wants = false;
    }
    EXPECT_GE(had, 19);
  });
}

}  // namespace
}  // namespace sealift::engine
