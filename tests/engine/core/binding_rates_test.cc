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

TEST_F(BindingRatesTest, BlocksThatBeginWithTheSameDomainAreTwo) {
  options_.destinations = {Block({"d1.test", "d2.test"}), Block({"d1.test", "d3.test"})};
  const std::vector<std::string> of_both = Identities("d1.test");
  ASSERT_EQ(of_both.size(), 2u);
  EXPECT_NE(of_both[0], of_both[1]);
  EXPECT_THAT(of_both, Contains(Identities("d2.test").at(0)));
  EXPECT_THAT(of_both, Contains(Identities("d3.test").at(0)));
  EXPECT_THAT(Identities("d2.test"), Not(Contains(Identities("d3.test").at(0))));
}

TEST_F(BindingRatesTest, ConnectionsAreOpenedAtTheRatesOfAllWhomTheyAreOf) {
  const RateLimit one{.rate = {.count = 1, .period = absl::Seconds(1)}};
  options_.node.hostname = "mta1.sender.test";
  options_.node.connection_rate = options_.sources[0].connection_rate = options_.pools[0].connection_rate = one;
  stream_.connection_rate = one;
  options_.pools.push_back({.name = "other", .connection_rate = one});
  std::vector<std::string> names;
  for (const BindingRate& rate : ConnectionRates(options_, stream_, options_.sources[0], kSite,
                                                 options_.DestinationFor("d1.test", "mx.d1.test"))) {
    names.push_back(rate.name);
  }
  EXPECT_THAT(names, ElementsAre("source ip1", "pool main", "stream news", "node mta1.sender.test"));
}

}  // namespace
}  // namespace sealift::engine
