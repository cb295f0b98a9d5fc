#include "queue/seen_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sealift::queue {
namespace {

constexpr BodyId kNone{};

class SeenFilterTest : public testing::Test {
 protected:
  AddressHash Random() {
    return {static_cast<uint32_t>(random_()), static_cast<uint32_t>(random_()), static_cast<uint32_t>(random_())};
  }

  std::mt19937 random_{7};
  SeenFilter filter_;
};

TEST_F(SeenFilterTest, AnEmptyOneHasNothing) { EXPECT_FALSE(filter_.MayHave(Random(), kNone)); }

TEST_F(SeenFilterTest, WhatWasAddedIsNeverNewHoweverMuchFollows) {
  std::vector<AddressHash> added;
  for (int i = 0; i < 600'000; ++i) {  // of two parts
    added.push_back(Random());
    filter_.Add(added.back(), kNone);
  }
  for (const AddressHash& address : added) ASSERT_TRUE(filter_.MayHave(address, kNone));
  int mistaken = 0;
  for (int i = 0; i < 100'000; ++i) mistaken += filter_.MayHave(Random(), kNone) ? 1 : 0;
  EXPECT_LT(mistaken, 4'000);
  EXPECT_LT(filter_.bytes(), 2u << 20);
}

TEST_F(SeenFilterTest, AnAddressIsNewForAnotherMessage) {
  const AddressHash address = Random();
  filter_.Add(address, BodyId{1});
  EXPECT_TRUE(filter_.MayHave(address, BodyId{1}));
  EXPECT_FALSE(filter_.MayHave(address, BodyId{2}));
}

TEST_F(SeenFilterTest, WhatDoesNotFitEndsIt) {
  const AddressHash first = Random();
  filter_.Add(first, kNone);
  size_t most = 0;
  for (uint32_t i = 0; i < 18'000'000; ++i) {
    filter_.Add({i * 0x9e3779b1, i * 0x85ebca6b, i * 0xc2b2ae35}, kNone);
    most = std::max(most, filter_.bytes());
  }
  EXPECT_LE(most, SeenFilter::kBytesMax);
  EXPECT_GT(most, SeenFilter::kBytesMax * 9 / 10);
  EXPECT_EQ(filter_.bytes(), 0u);
  EXPECT_TRUE(filter_.MayHave(first, kNone));
  EXPECT_TRUE(filter_.MayHave(Random(), kNone)) << "it knows nothing any more";
}

}  // namespace
}  // namespace sealift::queue
