#include "engine/runtime/task.h"

#include <memory>
#include <string>

#include "tests/engine/runtime/on_ring.h"

namespace sealift::engine {
namespace {

using TaskTest = OnRing;
using TaskDeathTest = OnRing;

Task<int> Add(int a, int b) { co_return a + b; }

Task<std::unique_ptr<std::string>> MoveOnly() { co_return std::make_unique<std::string>("moved"); }

Task<void> SetTo(int* target, int value) {
  *target = value;
  co_return;
}

Task<void> ResultsComeBack() {
  EXPECT_EQ(co_await Add(2, 3), 5);
  const std::unique_ptr<std::string> text = co_await MoveOnly();
  EXPECT_EQ(*text, "moved");
  int value = 0;
  Task<void> lazy = SetTo(&value, 7);
  EXPECT_EQ(value, 0);
  co_await std::move(lazy);
  EXPECT_EQ(value, 7);
}
TEST_F(TaskTest, ResultsComeBackAndNothingRunsBeforeItIsAwaited) { Run(ResultsComeBack()); }

Task<int> Down(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await Down(depth - 1);
}

Task<void> AwaitsManyInARow() {
  // Neither awaits that end at once nor a deep chain grow the thread's stack.
  int sum = 0;
  for (int i = 0; i < 1'000'000; ++i) sum += co_await Add(1, 0);
  EXPECT_EQ(sum, 1'000'000);
  EXPECT_EQ(co_await Down(100'000), 100'000);
}
TEST_F(TaskTest, AwaitingDoesNotGrowTheStack) { Run(AwaitsManyInARow()); }

Task<void> Hold(std::shared_ptr<int> held) {
  EXPECT_EQ(*held, 1);
  co_return;
}

TEST_F(TaskTest, ATaskThatIsNeverAwaitedIsFreed) {
  const auto held = std::make_shared<int>(1);
  {
    const Task<void> unused = Hold(held);
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

Task<void> RunMany(size_t* idle, int count) {
  for (int i = 0; i < count; ++i) co_await Add(i, i);
  *idle = FramePool::IdleBlocks();
}
TEST_F(TaskTest, FramesAreUsedAgain) {
  size_t after_few = 0;
  size_t after_many = 0;
  Run(RunMany(&after_few, 10));
  Run(RunMany(&after_many, 10'000));
  EXPECT_EQ(after_few, after_many);
}

Task<void> AwaitTwice() {
  Task<int> task = Add(1, 1);
  co_await std::move(task);
  co_await std::move(task);  // NOLINT(bugprone-use-after-move): what the test is about
}
TEST_F(TaskDeathTest, AwaitingTwiceEndsTheProcess) { EXPECT_DEATH(Run(AwaitTwice()), "awaited once"); }

}  // namespace
}  // namespace sealift::engine
