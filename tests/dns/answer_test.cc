#include "dns/answer.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace sealift::dns {
namespace {

TEST(VerdictTest, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int i = 0; i < kVerdicts; ++i) names.insert(ToString(static_cast<Verdict>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(kVerdicts));
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(VerdictTest, OnlyWhatAnotherTryCanChangeIsTemporary) {
  for (const Verdict verdict : {Verdict::kServFail, Verdict::kTimeout, Verdict::kRefused, Verdict::kBadAnswer}) {
    EXPECT_TRUE(IsTemporary(verdict)) << ToString(verdict);
  }
  for (const Verdict verdict : {Verdict::kNxDomain, Verdict::kBadName, Verdict::kNoData, Verdict::kUnusable}) {
    EXPECT_FALSE(IsTemporary(verdict)) << ToString(verdict);
  }
}

TEST(ShuffleTiesTest, PreferencesStayAndEveryOrderOfATieComesUp) {
  std::mt19937 random(5);
  std::map<std::string, int> orders;
  for (int i = 0; i < 6000; ++i) {
    std::vector<MxHost> hosts = {{10, "a"}, {20, "b"}, {20, "c"}, {20, "d"}, {30, "e"}};
    ShuffleTies(hosts, [&](size_t n) { return random() % n; });
    EXPECT_EQ(hosts.front().name, "a");
    EXPECT_EQ(hosts.back().name, "e");
    ++orders[hosts[1].name + hosts[2].name + hosts[3].name];
  }
  ASSERT_EQ(orders.size(), 6u);
  for (const auto& [order, count] : orders) EXPECT_NEAR(count, 1000, 150) << order;
}

TEST(ShuffleTiesTest, NothingAndOneAreLeftAlone) {
  std::vector<MxHost> none, one = {{10, "a"}};
  const auto never = [](size_t) -> size_t {
    ADD_FAILURE();
    return 0;
  };
  ShuffleTies(none, never);
  ShuffleTies(one, never);
  EXPECT_EQ(one[0].name, "a");
}

}  // namespace
}  // namespace sealift::dns
