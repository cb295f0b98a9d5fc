// What campaigns of the same standing have of what is scarce, where they compete at different sites.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sealift::engine
