#include "engine/runtime/task_group.h"

#include <memory>
#include <vector>

#include "engine/runtime/deadline.h"
#include "engine/runtime/signal.h"
#include "tests/engine/runtime/on_ring.h"
#include "tests/engine/runtime/socket_pair.h"

namespace sealift::engine {
namespace {

using TaskGroupTest = OnRing;

Task<void> Count(Ring& ring, int* count, int yields) {
  for (int i = 0; i < yields; ++i) {
    EXPECT_TRUE((co_await ring.Yield()).ok());
  }
  ++*count;
}
Task<void> JoinAll(Ring& ring) {
  int count = 0;
  TaskGroup group(ring);
  for (int i = 0; i < 100; ++i) group.Start(Count(ring, &count, i % 7));
  EXPECT_EQ(count, 0);  // queued, not run
  EXPECT_EQ(group.size(), 100u);
  co_await group.Join();
  EXPECT_EQ(count, 100);
  co_await group.Join();  // at once
}
TEST_F(TaskGroupTest, JoinAwaitsEveryChild) { Run(JoinAll(ring())); }

Task<void> Grow(Ring& ring, TaskGroup& group, int depth, int* count) {
  EXPECT_TRUE((co_await ring.Yield()).ok());
  if (depth > 0) {
    group.Start(Grow(ring, group, depth - 1, count));
    group.Start(Grow(ring, group, depth - 1, count));
  }
  ++*count;
}
Task<void> JoinGrowing(Ring& ring) {
  int count = 0;
  TaskGroup group(ring);
  group.Start(Grow(ring, group, 9, &count));
  co_await group.Join();
  EXPECT_EQ(count, (1 << 10) - 1);
}
TEST_F(TaskGroupTest, JoinAwaitsTheChildrenOfChildren) { Run(JoinGrowing(ring())); }

Task<void> StartAnother(Ring& ring, TaskGroup& group, int* count) {
  EXPECT_EQ(group.size(), 0u);
  group.Start(Count(ring, count, 3));
  co_return;
}
Task<void> JoinLate(Ring& ring) {
  // The group becomes empty and the joiner ready; before its turn comes, another child is started.
  int count = 0;
  TaskGroup group(ring);
  TaskGroup others(ring);
  group.Start(Count(ring, &count, 0));
  others.Start(StartAnother(ring, group, &count));
  co_await group.Join();
  EXPECT_EQ(count, 2);
  co_await others.Join();
}
TEST_F(TaskGroupTest, JoinAwaitsOnesStartedAfterItBecameEmpty) { Run(JoinLate(ring())); }

struct Slow {
  explicit Slow(bool* target) : gone(target) {}
  ~Slow() { *gone = true; }
  bool* gone;
};
Task<void> Holding(std::unique_ptr<Slow> held) {
  EXPECT_FALSE(*held->gone);
  co_return;
}
Task<void> JoinParameters(Ring& ring) {
  bool gone = false;
  TaskGroup group(ring);
  group.Start(Holding(std::make_unique<Slow>(&gone)));
  co_await group.Join();
  EXPECT_TRUE(gone);
}
TEST_F(TaskGroupTest, AJoinedChildHasFreedItsParametersToo) { Run(JoinParameters(ring())); }

Task<void> ReceiveInto(Ring& ring, int fd, absl::Status* status) {
  std::vector<char> buffer(4096);
  const absl::StatusOr<size_t> received = co_await ring.Recv(fd, buffer);
  *status = received.status();
}
Task<void> CancelInFlight(Ring& ring) {
  constexpr size_t kCount = 150;
  std::vector<SocketPair> pairs(kCount);
  std::vector<absl::Status> statuses(kCount);
  TaskGroup group(ring);
  for (size_t i = 0; i < kCount; ++i) group.Start(ReceiveInto(ring, pairs[i].left, &statuses[i]));
  EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(1))).ok());
  group.Cancel();
  EXPECT_EQ(group.size(), kCount);  // cancelled, still to be awaited
  co_await group.Join();
  for (const absl::Status& status : statuses) EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  // A peer that writes now writes into no freed buffer.
  for (const SocketPair& pair : pairs) EXPECT_EQ(write(pair.right, "late", 4), 4);
}
TEST_F(TaskGroupTest, CancellingAwaitsTheIoThatIsInFlight) { Run(CancelInFlight(ring())); }

Task<void> CancelBeforeFirstRun(Ring& ring) {
  SocketPair pair;
  absl::Status status;
  TaskGroup group(ring);
  group.Start(ReceiveInto(ring, pair.left, &status));
  group.Cancel();
  co_await group.Join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  group.Start(ReceiveInto(ring, pair.left, &status));
  co_await group.Join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}
TEST_F(TaskGroupTest, AChildOfACancelledGroupStillRuns) { Run(CancelBeforeFirstRun(ring())); }

Task<void> SleepAnHour(Ring& ring, absl::Status* status) { *status = co_await ring.Sleep(absl::Hours(1)); }
Task<void> JoinUnderDeadline(Ring& ring) {
  absl::Status first, second;
  TaskGroup group(ring);  // not below the awaiter's scope: the join is what hands the end on
  group.Start(SleepAnHour(ring, &first));
  group.Start(SleepAnHour(ring, &second));
  co_await WithDeadline(ring, absl::Milliseconds(2), group.Join());
  EXPECT_EQ(group.size(), 0u);
  EXPECT_EQ(first.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(second.code(), absl::StatusCode::kDeadlineExceeded);
}
TEST_F(TaskGroupTest, AJoinWhoseScopeEndsEndsTheChildrenAndAwaitsThem) { Run(JoinUnderDeadline(ring())); }

Task<void> Parent(Ring& ring, absl::Status* below) {
  TaskGroup group(co_await CurrentScope());
  group.Start(SleepAnHour(ring, below));
  co_await group.Join();
}
Task<void> CancelGrandchildren(Ring& ring) {
  std::vector<absl::Status> statuses(3);
  TaskGroup group(ring);
  for (absl::Status& status : statuses) group.Start(Parent(ring, &status));
  EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(1))).ok());
  group.Cancel();
  co_await group.Join();
  for (const absl::Status& status : statuses) EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}
TEST_F(TaskGroupTest, CancellingReachesTheGroupsOfChildren) { Run(CancelGrandchildren(ring())); }

Task<void> CancelOwnScope(Ring& ring, absl::Status* status) {
  Scope& scope = co_await CurrentScope();
  scope.Cancel();
  *status = co_await ring.Sleep(absl::Hours(1));
}
Task<void> SiblingsAreSafe(Ring& ring) {
  absl::Status status;
  int count = 0;
  TaskGroup group(ring);
  group.Start(CancelOwnScope(ring, &status));
  group.Start(Count(ring, &count, 5));
  co_await group.Join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(count, 1);
}
TEST_F(TaskGroupTest, AChildThatCancelsItsScopeEndsOnlyItself) { Run(SiblingsAreSafe(ring())); }

Task<void> StartAndLeave(Ring& ring, TaskGroup& group, int* count) {
  group.Start(Count(ring, count, 20));
  co_return;
}
TEST_F(TaskGroupTest, RunAwaitsGroupsThatOutliveMain) {
  int count = 0;
  TaskGroup group(ring());
  Run(StartAndLeave(ring(), group, &count));
  EXPECT_EQ(count, 1);
  EXPECT_EQ(group.size(), 0u);
}

using TaskGroupDeathTest = OnRing;
Task<void> Leave(Ring& ring) {
  int count = 0;
  TaskGroup group(ring);
  group.Start(Count(ring, &count, 1));
  co_return;
}
TEST_F(TaskGroupDeathTest, AGroupThatIsNotJoinedEndsTheProcess) {
  EXPECT_DEATH(Run(Leave(ring())), "is joined before");
}

}  // namespace
}  // namespace sealift::engine
