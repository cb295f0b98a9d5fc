#include "engine/runtime/scope.h"

#include <sys/socket.h>

#include <memory>
#include <string_view>
#include <vector>

#include "engine/runtime/signal.h"
#include "engine/runtime/task_group.h"
#include "tests/engine/runtime/on_ring.h"
#include "tests/engine/runtime/socket_pair.h"

namespace sealift::engine {
namespace {

using ScopeTest = OnRing;

TEST_F(ScopeTest, EndingReachesAllBelowAndTheFirstEndStands) {
  Scope top(ring());
  Scope middle(ring(), &top);
  Scope other(ring(), &top);
  Scope low(ring(), &middle);
  middle.Expire();
  EXPECT_FALSE(top.ended());
  EXPECT_FALSE(other.ended());
  EXPECT_EQ(low.status().code(), absl::StatusCode::kDeadlineExceeded);
  top.Cancel();
  EXPECT_EQ(other.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(low.status().code(), absl::StatusCode::kDeadlineExceeded);
  const Scope late(ring(), &low);
  EXPECT_EQ(late.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ScopeTest, AScopeThatDiesIsForgottenByItsParent) {
  Scope top(ring());
  auto first = std::make_unique<Scope>(ring(), &top);
  auto second = std::make_unique<Scope>(ring(), &top);
  auto third = std::make_unique<Scope>(ring(), &top);
  second.reset();
  third.reset();
  top.Cancel();
  EXPECT_TRUE(first->ended());
  first.reset();
}

Task<Scope*> ScopeBelow() { co_return &co_await CurrentScope(); }
Task<void> Inherits() {
  Scope& scope = co_await CurrentScope();
  EXPECT_EQ(co_await ScopeBelow(), &scope);
  Scope own(scope.ring(), &scope);
  EXPECT_EQ(co_await ScopeBelow().In(own), &own);
}
TEST_F(ScopeTest, ATaskRunsInTheScopeOfItsAwaiter) { Run(Inherits()); }

Task<void> WaitAll(Ring& ring, SocketPair* pair, Signal* signal, int kind, absl::Status* status) {
  char buffer[8];
  switch (kind) {
    case 0:
      *status = (co_await ring.Recv(pair->right, buffer)).status();
      break;
    case 1:
      *status = (co_await ring.Poll(pair->right, 1 /* POLLIN */)).status();
      break;
    case 2:
      *status = co_await ring.Sleep(absl::Hours(1));
      break;
    case 3:
      *status = co_await signal->Wait();
      break;
    case 4:
      while (status->ok()) *status = co_await ring.Yield();
      break;
    default:
      break;
  }
}
constexpr int kKinds = 5;

Task<void> CancelEveryKind(Ring& ring) {
  SocketPair pair;
  Signal signal;
  std::vector<absl::Status> statuses(kKinds);
  TaskGroup group(co_await CurrentScope());
  for (int kind = 0; kind < kKinds; ++kind) group.Start(WaitAll(ring, &pair, &signal, kind, &statuses[kind]));
  EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(1))).ok());
  EXPECT_EQ(group.size(), size_t{kKinds});
  group.Cancel();
  co_await group.Join();
  for (const absl::Status& status : statuses) EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_EQ(ring.timers().size(), 0u);
  EXPECT_EQ(signal.waiting(), 0u);
}
TEST_F(ScopeTest, CancellingEndsEveryKindOfWait) { Run(CancelEveryKind(ring())); }

Task<void> BeginEnded(Ring& ring) {
  SocketPair pair;
  Signal signal;
  EXPECT_EQ(write(pair.left, "data", 4), 4);
  Scope ended(ring, &co_await CurrentScope());
  ended.Cancel();
  const uint64_t turns = ring.stats().turns;
  const uint64_t completions = ring.stats().completions;
  for (int kind = 0; kind < kKinds; ++kind) {
    absl::Status status;
    co_await WaitAll(ring, &pair, &signal, kind, &status).In(ended);
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << kind;
  }
  EXPECT_EQ(ring.stats().turns, turns);
  EXPECT_EQ(ring.stats().completions, completions);
  char buffer[8];
  EXPECT_EQ(recv(pair.right, buffer, sizeof(buffer), MSG_DONTWAIT), 4);  // nothing was started
}
TEST_F(ScopeTest, AWaitBegunInAnEndedScopeStartsNothing) { Run(BeginEnded(ring())); }

Task<void> Receive(Ring& ring, int fd, absl::StatusOr<size_t>* result) {
  char buffer[8];
  *result = co_await ring.Recv(fd, buffer);
}
Task<void> RaceOnce(Ring& ring, bool data_first) {
  SocketPair pair;
  absl::StatusOr<size_t> result = absl::UnknownError("not ended");
  TaskGroup group(co_await CurrentScope());
  group.Start(Receive(ring, pair.right, &result));
  EXPECT_TRUE((co_await ring.Yield()).ok());
  EXPECT_TRUE((co_await ring.Yield()).ok());  // the request is with the kernel
  if (data_first) EXPECT_EQ(write(pair.left, "data", 4), 4);
  group.Cancel();
  if (!data_first) EXPECT_EQ(write(pair.left, "data", 4), 4);
  co_await group.Join();
  char buffer[8];
  const ssize_t left = recv(pair.right, buffer, sizeof(buffer), MSG_DONTWAIT);
  // Never both and never neither: bytes that were taken are reported.
  if (result.ok()) {
    EXPECT_EQ(*result, 4u);
    EXPECT_EQ(left, -1);
  } else {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled) << result.status();
    EXPECT_EQ(left, 4);
  }
}
Task<void> Race(Ring& ring) {
  for (int i = 0; i < 300; ++i) co_await RaceOnce(ring, i % 2 == 0);
}
TEST_F(ScopeTest, ACompletionThatWinsTheRaceAgainstACancelKeepsItsResult) { Run(Race(ring())); }

Task<void> SendFour(Ring& ring, int fd, absl::StatusOr<size_t>* result) {
  *result = co_await ring.Send(fd, std::string_view("data"));
}
Task<void> CancelGroup(TaskGroup& group) {
  group.Cancel();
  co_return;
}
Task<void> SendAndCancelTogether(Ring& ring) {
  SocketPair pair;
  absl::StatusOr<size_t> result = absl::UnknownError("not ended");
  TaskGroup group(co_await CurrentScope());
  TaskGroup cancelling(co_await CurrentScope());
  group.Start(SendFour(ring, pair.left, &result));
  cancelling.Start(CancelGroup(group));
  co_await group.Join();
  co_await cancelling.Join();
  EXPECT_TRUE(group.scope().ended());
  EXPECT_TRUE(result.ok()) << result.status();
  char buffer[8];
  EXPECT_EQ(recv(pair.right, buffer, sizeof(buffer), MSG_DONTWAIT), 4);
}
TEST_F(ScopeTest, WhatTheKernelDidBeforeItSawTheCancelIsReported) { Run(SendAndCancelTogether(ring())); }

Task<void> CompleteThenCancel(Ring& ring) {
  // The completion has been collected and its coroutine is ready when the scope ends.
  SocketPair pair;
  absl::StatusOr<size_t> result = absl::UnknownError("not ended");
  TaskGroup group(co_await CurrentScope());
  EXPECT_EQ(write(pair.left, "data", 4), 4);
  group.Start(Receive(ring, pair.right, &result));
  EXPECT_TRUE((co_await ring.Yield()).ok());
  while (group.size() > 0) {
    EXPECT_TRUE((co_await ring.Yield()).ok());
  }
  group.Cancel();
  EXPECT_TRUE(result.ok());
}
TEST_F(ScopeTest, CancellingAfterTheCompletionChangesNothing) { Run(CompleteThenCancel(ring())); }

using ScopeDeathTest = OnRing;
TEST_F(ScopeDeathTest, AScopeDoesNotDieBeforeThoseBelowIt) {
  EXPECT_DEATH(
      {
        auto top = std::make_unique<Scope>(ring());
        const Scope low(ring(), top.get());
        top.reset();
      },
      "outlives the scopes below");
}

}  // namespace
}  // namespace sealift::engine
