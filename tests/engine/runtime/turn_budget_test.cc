#include "engine/runtime/turn_budget.h"

#include <gmock/gmock.h>

#include <functional>
#include <utility>
#include <vector>

#include "engine/runtime/run_messages.h"
#include "tests/engine/runtime/on_ring.h"

namespace sealift::engine {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

using TurnBudgetTest = OnRing;

Task<void> SpendTwice(Ring& ring) {
  TurnBudget budget(ring, absl::ZeroDuration());
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_FALSE(budget.IsSpent()) << "something is done in every turn";
    budget.Spend([] {});
    EXPECT_TRUE(budget.IsSpent());
    EXPECT_TRUE((co_await ring.Yield()).ok());
  }
}
TEST_F(TurnBudgetTest, WhatIsSpentIsThereAgainInTheNextTurn) { Run(SpendTwice(ring())); }

// The turn that each of three messages is run in, counted from the first one's.
std::vector<uint64_t> TurnsOf(Ring& ring, const std::function<void(Task<void>)>& run, absl::Duration a_turn) {
  Inbox<std::function<void()>> inbox(ring, 8);
  std::vector<uint64_t> turns;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(inbox.TryPush([&, i] {
      turns.push_back(ring.stats().turns);
      order.push_back(i);
    }));
  }
  inbox.Close();
  run(RunMessages(ring, inbox, a_turn));
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
  const uint64_t first = turns.at(0);
  for (uint64_t& turn : turns) turn -= first;
  return turns;
}
TEST_F(TurnBudgetTest, MessagesBeyondItWaitForTheNextTurnAndKeepTheirOrder) {
  const auto run = [this](Task<void> body) { Run(std::move(body)); };
  EXPECT_THAT(TurnsOf(ring(), run, absl::ZeroDuration()), ElementsAre(0, 1, 2));
  EXPECT_THAT(TurnsOf(ring(), run, absl::Hours(1)), Each(0));
}

}  // namespace
}  // namespace sealift::engine
