#include "engine/runtime/patience.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

constexpr int64_t kQuick = 1'000;

TEST(PatienceTest, LooksOnlyAfterAWaitThatWasShort) {
  Patience patience;
  patience.Yielded(kQuick);
  EXPECT_EQ(patience.nanos(), 0) << "nothing is known yet";
  patience.Waited(Patience::kShortWait);
  EXPECT_EQ(patience.nanos(), Patience::kLook);
  patience.Waited(Patience::kShortWait + 1);
  EXPECT_EQ(patience.nanos(), 0);
}

TEST(PatienceTest, LooksOnlyWhileNobodyElseWantsTheCore) {
  Patience patience;
  patience.Waited(kQuick);
  patience.Yielded(Patience::kAloneYield + 1);
  EXPECT_EQ(patience.nanos(), 0);
  patience.Yielded(Patience::kAloneYield);
  EXPECT_EQ(patience.nanos(), Patience::kLook);
}

}  // namespace
}  // namespace sealift::engine
