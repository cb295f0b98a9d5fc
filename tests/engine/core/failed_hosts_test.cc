#include "engine/failed_hosts.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

using dns::MxHost;
using ::testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
const std::vector<MxHost> kHosts = {{10, "mx1.test"}, {20, "mx2.test"}};

TEST(FailedHostsTest, AHostThatFailedIsPassedOverForAWhile) {
  FailedHosts failed;
  failed.Failed("mx1.test", "ip1", kNow);
  EXPECT_THAT(failed.Without(kHosts, "ip1", kNow), ElementsAre(MxHost{20, "mx2.test"}));
  EXPECT_EQ(failed.Without(kHosts, "ip1", kNow + FailedHosts::kPassedOver), kHosts);
}

TEST(FailedHostsTest, AnotherSourceTriesForItself) {
  FailedHosts failed;
  failed.Failed("mx1.test", "ip1", kNow);
  EXPECT_EQ(failed.Without(kHosts, "ip2", kNow), kHosts);
}

TEST(FailedHostsTest, WhereAllHaveFailedTheOneThatIsDueFirstIsTried) {
  FailedHosts failed;
  failed.Failed("mx2.test", "ip1", kNow);
  failed.Failed("mx1.test", "ip1", kNow + absl::Seconds(1));
  EXPECT_THAT(failed.Without(kHosts, "ip1", kNow + absl::Seconds(2)), ElementsAre(MxHost{20, "mx2.test"}));
}

TEST(FailedHostsTest, WhoAnswersIsTriedAgain) {
  FailedHosts failed;
  failed.Failed("mx1.test", "ip1", kNow);
  failed.Answered("mx1.test", "ip1");
  EXPECT_EQ(failed.Without(kHosts, "ip1", kNow), kHosts);
}

TEST(FailedHostsTest, TheyAreBounded) {
  FailedHosts failed;
  for (size_t i = 0; i < FailedHosts::kHostsMax + 100; ++i) {
    failed.Failed(fmt::format("mx{}.test", i), "ip1", kNow + absl::Milliseconds(i));
  }
  EXPECT_EQ(failed.size(), FailedHosts::kHostsMax);
  EXPECT_EQ(failed.Without({{10, "mx0.test"}, {20, "mx9.other"}}, "ip1", kNow).size(), 2u) << "the oldest is forgotten";
}

TEST(FailedHostsTest, WhoFailsAgainIsNotTheOldest) {
  FailedHosts failed;
  failed.Failed("mx1.test", "ip1", kNow);
  failed.Failed("mx2.test", "ip1", kNow);
  failed.Failed("mx1.test", "ip1", kNow + absl::Seconds(1));
  EXPECT_EQ(failed.size(), 2u);
  for (size_t i = 0; i < FailedHosts::kHostsMax - 1; ++i) {
    failed.Failed(fmt::format("other{}.test", i), "ip1", kNow + absl::Seconds(2));
  }
  EXPECT_THAT(failed.Without(kHosts, "ip1", kNow + absl::Seconds(3)), ElementsAre(MxHost{20, "mx2.test"}));
}

}  // namespace
}  // namespace sealift::engine
