#include "engine/preflight/projection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace sealift::engine {
namespace {

Rate PerSecond(int64_t count) { return {.count = count, .period = absl::Seconds(1)}; }

// Two sources in one pool, a stream, and a provider with a rate of its own.
class ProjectionTest : public testing::Test {
 protected:
  ProjectionTest() {
    for (const char* name : {"ip1", "ip2"}) {
      options.sources.push_back({.name = name, .address = "127.0.0.1", .family = AF_INET});
    }
    options.pools = {{.name = "main", .sources = {"ip1", "ip2"}, .source_indexes = {0, 1}}};
    options.streams = {{.name = "news", .pool = "main", .pool_index = 0}};
    options.destinations = {{.domains = {"slow.test"}}, {.provider = "google"}};
  }
  ProjectedRows Group(const std::string& domain, const std::string& host, uint64_t rows) {
    ProjectedRows group{.rows = rows};
    const DestinationSettings settings = options.DestinationFor(domain, host);
    for (const SourceOptions& source : options.sources) {
      group.by_source.push_back(BindingRates(options,
                                             {options.streams[0], "spring", {.rate = campaign_rate, .a_day = {}}},
                                             source, "10 " + host, settings));
    }
    return group;
  }
  Options options;
  Rate campaign_rate;
};

TEST_F(ProjectionTest, NothingBindsWhereNoRateIsSet) {
  EXPECT_FALSE(Project({Group("d1.test", "mx.d1.test", 1'000'000)}).has_value());
  EXPECT_FALSE(Project({}).has_value());
}

TEST_F(ProjectionTest, SourcesOfAPoolShareTheWork) {
  options.sources[0].rate = {PerSecond(10), "conf:1"};
  // The other has no limit, so that it can take all of it.
  EXPECT_FALSE(Project({Group("d1.test", "mx.d1.test", 600)}).has_value());
  options.sources[1].rate = {PerSecond(20), "conf:2"};
  const auto projection = Project({Group("d1.test", "mx.d1.test", 600), Group("d2.test", "mx.d2.test", 300)});
  ASSERT_TRUE(projection.has_value());
  EXPECT_EQ(projection->kind, "source");
  EXPECT_EQ(projection->name, "ip1, ip2");
  EXPECT_EQ(projection->takes, absl::Seconds(30));
}

TEST_F(ProjectionTest, TheSlowestRateBinds) {
  options.streams[0].rate = {PerSecond(100), "conf:3"};
  campaign_rate = PerSecond(50);
  options.destinations[0].message_rate = {PerSecond(1), "conf:4"};
  options.destinations[0].per = Per::kNode;
  const auto few = Project({Group("d1.test", "mx.d1.test", 1000), Group("slow.test", "mx.slow.test", 10)});
  EXPECT_EQ(few->kind, "campaign");
  EXPECT_EQ(few->takes, absl::Seconds(1010) / 50);
  const auto many = Project({Group("d1.test", "mx.d1.test", 1000), Group("slow.test", "mx.slow.test", 100)});
  EXPECT_EQ(many->kind, "destination");
  EXPECT_EQ(many->set_by, "conf:4");
  EXPECT_EQ(many->rows, 100u);
  EXPECT_EQ(many->takes, absl::Seconds(100));
}

TEST_F(ProjectionTest, APerSourceRateIsEachSourcesOwn) {
  options.destinations[0].message_rate = {PerSecond(1), "conf:4"};
  EXPECT_EQ(Project({Group("slow.test", "mx.slow.test", 100)})->takes, absl::Seconds(50));
  options.destinations[0].per = Per::kPool;
  EXPECT_EQ(Project({Group("slow.test", "mx.slow.test", 100)})->takes, absl::Seconds(100));
}

TEST_F(ProjectionTest, SitesOfAProviderShareItsRate) {
  options.providers = {{.name = "google", .mx = {"*.google.test"}}};
  options.destinations[1].message_rate = {PerSecond(10), "conf:5"};
  options.destinations[1].per = Per::kNode;
  const auto projection = Project({Group("d1.test", "a.google.test", 100), Group("d2.test", "b.google.test", 200)});
  ASSERT_TRUE(projection.has_value());
  EXPECT_EQ(projection->name, "google");
  EXPECT_EQ(projection->takes, absl::Seconds(30));
}

absl::Time At(int day, int hour) { return absl::FromCivil(absl::CivilHour(2026, 12, day, hour), absl::UTCTimeZone()); }

// A source on the first day of a plan, of which so much was sent.
Warmup Warming(std::vector<int> per_day, int64_t sent, bool repeats_last = false) {
  const absl::CivilDay first(2026, 12, 1);
  return Warmup(
      {.first = first, .zone = absl::UTCTimeZone(), .per_day = std::move(per_day), .repeats_last = repeats_last},
      {.day = 1, .date = first, .sent = sent});
}

TEST(WarmupProjectionTest, WhatOneDayDoesNotAllowLeavesOnTheNext) {
  const absl::Time never = absl::InfiniteFuture();
  EXPECT_EQ(ProjectWarmup(24, {Warming({48, 96}, 0)}, At(1, 0), never).finish, At(1, 12));
  EXPECT_EQ(ProjectWarmup(48 - 24 + 48, {Warming({48, 96}, 24)}, At(1, 12), never).finish, At(2, 12));
  EXPECT_EQ(ProjectWarmup(48 + 96 + 1'000'000, {Warming({48, 96}, 0)}, At(1, 0), never).finish, At(3, 0)) << "no limit";
  EXPECT_EQ(ProjectWarmup(48 + 3 * 96, {Warming({48, 96}, 0, true)}, At(1, 0), never).finish, At(5, 0));
}

TEST(WarmupProjectionTest, SourcesThatWarmUpShareTheWorkUntilOneIsWarm) {
  const WarmupProjection both =
      ProjectWarmup(72, {Warming({24, 48}, 0), Warming({48, 96}, 0)}, At(1, 0), absl::InfiniteFuture());
  EXPECT_EQ(both.finish, At(2, 0));
  EXPECT_EQ(ProjectWarmup(1000, {Warming({24}, 0), Warming({48, 96}, 0)}, At(1, 0), At(1, 12)).finish, At(2, 0));
}

TEST(WarmupProjectionTest, RowsThatHaveNotLeftWhenTheyExpireAreCounted) {
  EXPECT_EQ(ProjectWarmup(1000, {Warming({48, 96}, 0)}, At(1, 0), At(2, 12)).late, 1000u - 48 - 48);
  EXPECT_EQ(ProjectWarmup(40, {Warming({48, 96}, 0)}, At(1, 0), At(2, 12)).late, 0u);
  EXPECT_EQ(ProjectWarmup(40, {Warming({48, 96}, 0)}, At(1, 0), At(1, 0)).late, 40u);
}

TEST(WarmupProjectionTest, ItBeginsOnTheDayOnWhichTheCampaignDoes) {
  const Warmup used = Warming({48, 96, 200}, 48), unused = Warming({48, 96, 200}, 0);
  EXPECT_EQ(ProjectWarmup(96, {used}, At(4, 0), absl::InfiniteFuture()).finish, At(5, 0)) << "its second day";
  EXPECT_EQ(ProjectWarmup(48, {unused}, At(4, 0), absl::InfiniteFuture()).finish, At(5, 0)) << "its first again";
  const Warmup later({.first = absl::CivilDay(2026, 12, 3), .zone = absl::UTCTimeZone(), .per_day = {24}});
  EXPECT_EQ(ProjectWarmup(24, {later}, At(1, 0), absl::InfiniteFuture()).finish, At(4, 0));
}

}  // namespace
}  // namespace sealift::engine
