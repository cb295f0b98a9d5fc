// Which rates bind a message and a connection, and what of them stays the same over a reload.
#include "engine/binding_rates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace sealift::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr char kSite[] = "10 mx.d1.test";

class BindingRatesTest : public testing::Test {
 protected:
  BindingRatesTest() {
    options_.sources = {{.name = "ip1", .address = "127.0.0.2"}};
    options_.pools = {{.name = "main", .sources = {"ip1"}, .source_indexes = {0}}};
  }

  std::vector<std::string> Identities(std::string_view domain) {
    const DestinationSettings settings = options_.DestinationFor(domain, "mx.d1.test");
    std::vector<std::string> identities;
    for (const BindingRate& rate :
         BindingRates(options_, {stream_, "spring", {}}, options_.sources[0], kSite, settings)) {
      if (rate.kind == "destination") identities.push_back(rate.identity);
    }
    std::ranges::sort(identities);
    return identities;
  }

  static DestinationOptions Block(std::vector<std::string> domains) {
    return {.domains = std::move(domains), .message_rate = {.rate = {.count = 1, .period = absl::Hours(1)}}};
  }

  Options options_;
  StreamOptions stream_{.name = "news", .pool = "main"};
};

TEST_F(BindingRatesTest, ABlockThatGetsAnotherDomainIsTheSame) {
  options_.destinations = {Block({"d1.test"})};
  const std::vector<std::string> before = Identities("d1.test");
  options_.destinations = {Block({"d1.test", "d2.test"})};
  EXPECT_EQ(Identities("d1.test"), before);
  EXPECT_EQ(Identities("d2.test"), before);
}

TEST_F(BindingRatesTest, AReloadKeepsWhatABlockHasCountedWhateverStandsFirstInIt) {
  const auto reload = [this](std::vector<DestinationOptions> blocks) {
    const Options before = options_;
    options_.destinations = std::move(blocks);
    KeepCounts(before, options_);
  };
  options_.destinations = {Block({"d1.test"})};
  const std::vector<std::string> before = Identities("d1.test");
  reload({Block({"d0.test", "d1.test"})});
  EXPECT_EQ(Identities("d1.test"), before);
  reload({Block({"d0.test"})});
  EXPECT_EQ(Identities("d0.test"), before) << "it has been of that domain too";
  reload({Block({"d3.test"}), Block({"d2.test", "d0.test"})});
  EXPECT_EQ(Identities("d0.test"), before);
  EXPECT_NE(Identities("d3.test"), before) << "another block counts for itself";
}

TEST_F(BindingRatesTest, AReloadKeepsWhatAProviderHasCountedWhateverItsGroupIsCalled) {
  const auto reload = [this](std::vector<ProviderOptions> groups, std::vector<DestinationOptions> blocks) {
    const Options before = options_;
    options_.providers = std::move(groups);
    options_.destinations = std::move(blocks);
    KeepCounts(before, options_);
  };
  const auto of = [](std::string provider) {
    return DestinationOptions{.provider = std::move(provider),
                              .message_rate = {.rate = {.count = 1, .period = absl::Minutes(1)}}};
  };
  const auto counted = [this](size_t block) { return ProviderCountedAs(options_, options_.destinations[block]); };
  reload({{.name = "old", .mx = {"*.a.test"}}}, {of("old")});
  EXPECT_EQ(counted(0), "old");
  reload({{.name = "new", .mx = {"*.a.test"}}, {.name = "old", .mx = {"*.b.test"}}}, {of("old"), of("new")});
  EXPECT_EQ(counted(1), "old");
  const std::string other = counted(0);
  EXPECT_NE(other, "old") << "that one is another";
  reload({{.name = "old", .mx = {"*.a.test"}}, {.name = "b", .mx = {"*.b.test"}}}, {of("old"), of("b")});
  EXPECT_EQ(counted(0), "old");
  EXPECT_EQ(counted(1), other) << "as before";
}

TEST_F(BindingRatesTest, AReloadThatPutsABlockBeforeItsNamesakeOrTakesOneAwayKeepsWhatTheOthersCount) {
  const auto reload = [this](std::vector<DestinationOptions> blocks) {
    const Options before = options_;
    options_.destinations = std::move(blocks);
    KeepCounts(before, options_);
  };
  const DestinationOptions secured{.provider = "group", .tls = TlsPolicy::kVerify};
  const DestinationOptions hourly{.provider = "group",
                                  .message_rate = {.rate = {.count = 1, .period = absl::Hours(1)}}};
  const DestinationOptions daily{.provider = "group", .messages_per_day = {.count = 1}};
  const auto counted = [this](size_t block) { return ProviderCountedAs(options_, options_.destinations[block]); };
  options_.providers = {{.name = "group", .mx = {"mx.d1.test"}}};
  options_.destinations = {hourly};
  EXPECT_EQ(counted(0), "group");
  reload({secured, hourly});
  EXPECT_EQ(counted(1), "group");
  reload({secured, daily, hourly});
  EXPECT_EQ(counted(2), "group");
  const std::string of_the_day = counted(1);
  EXPECT_NE(of_the_day, "group");
  reload({daily});
  EXPECT_EQ(counted(0), of_the_day);

  options_.destinations = {Block({"d1.test", "d2.test"}), Block({"d1.test", "d3.test"})};
  const std::vector<std::string> second = Identities("d3.test");
  reload({Block({"d1.test", "d3.test"})});
  EXPECT_EQ(Identities("d3.test"), second);
  reload({Block({"d1.test", "d2.test"}), Block({"d1.test", "d3.test"})});
  EXPECT_EQ(Identities("d3.test"), second);
  EXPECT_THAT(Identities("d2.test"), Not(Contains(second.at(0))));
}

TEST_F(BindingRatesTest, BlocksThatBeginWithTheSameDomainAreTwo) {
  options_.destinations = {Block({"d1.test", "d2.test"}), Block({"d1.test", "d3.test"})};
  const std::vector<std::string> of_both = Identities("d1.test");
  ASSERT_EQ(of_both.size(), 2u);
  EXPECT_NE(of_both[0], of_both[1]);
  EXPECT_THAT(of_both, Contains(Identities("d2.test").at(0)));
  EXPECT_THAT(of_both, Contains(Identities("d3.test").at(0)));
  EXPECT_THAT(Identities("d2.test"), Not(Contains(Identities("d3.test").at(0))));
}

TEST_F(BindingRatesTest, NoTwoBlocksCountTheSame) {
  const auto provider = [] {
    return DestinationOptions{.provider = "group", .message_rate = {.rate = {.count = 1, .period = absl::Hours(1)}}};
  };
  options_.providers = {{.name = "group", .mx = {"mx.d1.test"}}};
  options_.destinations = {Block({"d1.test", "d2.test"}),
                           Block({"d1.test"}),
                           Block({"d1.test"}),
                           Block({"*"}),
                           Block({"*"}),
                           provider(),
                           provider()};
  const Options before = options_;
  KeepCounts(before, options_);
  std::vector<std::string> all = Identities("d1.test");
  EXPECT_EQ(all.size(), 7u);
  EXPECT_TRUE(std::ranges::unique(all).empty())
      << "one value would bind all of those, and a permit be taken of it twice";
}

TEST_F(BindingRatesTest, ConnectionsAreOpenedAtTheRatesOfAllWhomTheyAreOf) {
  const RateLimit one{.rate = {.count = 1, .period = absl::Seconds(1)}};
  options_.node.hostname = "mta1.sender.test";
  options_.node.connection_rate = options_.sources[0].connection_rate = options_.pools[0].connection_rate = one;
  stream_.connection_rate = one;
  options_.pools.push_back({.name = "other", .connection_rate = one});
  std::vector<std::string> names;
  const Sending sending{stream_, "spring", {.connection_rate = one.rate}};
  for (const BindingRate& rate : ConnectionRates(options_, sending, options_.sources[0], kSite,
                                                 options_.DestinationFor("d1.test", "mx.d1.test"))) {
    names.push_back(rate.name);
  }
  EXPECT_THAT(names, ElementsAre("source ip1", "pool main", "stream news", "campaign spring", "node mta1.sender.test"));
}

TEST_F(BindingRatesTest, AConnectionCarriesTheLeastThatAnyOfThoseAllows) {
  CampaignLimits limits;
  const auto of = [&] {
    return MessagesPerConnection(options_, {stream_, "spring", limits}, options_.sources[0],
                                 options_.DestinationFor("d1.test", "mx.d1.test"));
  };
  EXPECT_EQ(of(), options_.smtp.messages_per_connection);
  options_.pools.push_back({.name = "other", .messages_per_connection = 1});  // it has not that source
  int* const each[] = {&options_.node.messages_per_connection, &options_.pools[0].messages_per_connection,
                       &options_.sources[0].messages_per_connection, &stream_.messages_per_connection,
                       &limits.messages_per_connection};
  int least = 100;
  for (int* const one : each) {
    *one = --least;
    EXPECT_EQ(of(), least);
  }
  options_.destinations = {{.domains = {"d1.test"}, .messages_per_connection = 7}};
  EXPECT_EQ(of(), 7);
}

TEST_F(BindingRatesTest, ConnectionsAreCountedForTheStreamAndTheCampaignThatSaySo) {
  EXPECT_TRUE(CarryingCounts({stream_, "spring", {}}).empty());
  stream_.connections = {.count = 3, .origin = "t:1"};
  const std::vector<BindingCount> counts = CarryingCounts({stream_, "spring", {.connections = 2}});
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].name, "stream news");
  EXPECT_EQ(counts[0].limit.origin, "t:1");
  EXPECT_EQ(counts[1].name, "campaign spring");
  EXPECT_EQ(counts[1].limit.count, 2);
}

}  // namespace
}  // namespace sealift::engine
