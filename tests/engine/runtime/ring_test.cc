#include "engine/runtime/ring.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "engine/runtime/task_group.h"
#include "tests/engine/runtime/on_ring.h"
#include "tests/engine/runtime/socket_pair.h"

namespace sealift::engine {
namespace {

using RingTest = OnRing;

Task<void> SendAndRecv(Ring& ring) {
  SocketPair pair;
  const absl::StatusOr<size_t> sent = co_await ring.Send(pair.left, std::string_view("hello"));
  EXPECT_TRUE(sent.ok()) << sent.status();
  EXPECT_EQ(*sent, 5u);
  char buffer[16];
  const absl::StatusOr<size_t> received = co_await ring.Recv(pair.right, buffer);
  EXPECT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(std::string_view(buffer, *received), "hello");
  shutdown(pair.left, SHUT_WR);
  const absl::StatusOr<size_t> end = co_await ring.Recv(pair.right, buffer);
  EXPECT_TRUE(end.ok());
  EXPECT_EQ(*end, 0u);
}
TEST_F(RingTest, SendsAndReceives) { Run(SendAndRecv(ring())); }

Task<void> KernelErrors(Ring& ring) {
  char buffer[16];
  const absl::StatusOr<size_t> bad = co_await ring.Recv(-1, buffer);
  EXPECT_FALSE(bad.ok());
  SocketPair pair;
  shutdown(pair.left, SHUT_WR);
  const absl::StatusOr<size_t> broken = co_await ring.Send(pair.left, std::string_view("x"));
  EXPECT_EQ(broken.status().code(), absl::StatusCode::kUnavailable) << broken.status();
}
TEST_F(RingTest, KernelErrorsAreStatusesAndNeverASignal) { Run(KernelErrors(ring())); }

Task<void> PollsFor(Ring& ring) {
  SocketPair pair;
  EXPECT_EQ(write(pair.left, "x", 1), 1);
  const absl::StatusOr<unsigned> events = co_await ring.Poll(pair.right, POLLIN | POLLOUT);
  EXPECT_TRUE(events.ok());
  EXPECT_EQ(*events & (POLLIN | POLLOUT), static_cast<unsigned>(POLLIN | POLLOUT));
}
TEST_F(RingTest, PollSaysWhatCame) { Run(PollsFor(ring())); }

Task<void> SleepsInOrder(Ring& ring, absl::Duration duration, std::vector<int>* order, int id) {
  const int64_t before = ring.NowNanos();
  const absl::Status status = co_await ring.Sleep(duration);
  EXPECT_TRUE(status.ok());
  EXPECT_GE(ring.NowNanos() - before, absl::ToInt64Nanoseconds(duration));
  order->push_back(id);
}
Task<void> SleepTogether(Ring& ring) {
  std::vector<int> order;
  TaskGroup group(co_await CurrentScope());
  group.Start(SleepsInOrder(ring, absl::Milliseconds(12), &order, 3));
  group.Start(SleepsInOrder(ring, absl::Milliseconds(3), &order, 2));
  group.Start(SleepsInOrder(ring, absl::ZeroDuration(), &order, 1));
  co_await group.Join();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  const absl::Time wake = ring.Now() + absl::Milliseconds(2);
  EXPECT_TRUE((co_await ring.SleepUntil(wake)).ok());
  EXPECT_GE(ring.Now(), wake - absl::Milliseconds(1));
  EXPECT_TRUE((co_await ring.SleepUntil(absl::InfinitePast())).ok());
}
TEST_F(RingTest, SleepsAreNeverShortAndEndInTheirOrder) { Run(SleepTogether(ring())); }

Task<void> Record(std::vector<int>* order, int id) {
  order->push_back(id);
  co_return;
}
Task<void> YieldsToAll(Ring& ring) {
  std::vector<int> order;
  TaskGroup group(co_await CurrentScope());
  for (int i = 0; i < 3; ++i) group.Start(Record(&order, i));
  const absl::Status status = co_await ring.Yield();
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  co_await group.Join();
}
TEST_F(RingTest, YieldLetsAllThatIsReadyGoFirst) { Run(YieldsToAll(ring())); }

Task<void> SpinUntil(Ring& ring, const bool* done) {
  while (!*done) {
    const absl::Status status = co_await ring.Yield();
    EXPECT_TRUE(status.ok());
  }
}
Task<void> ReceiveThenSet(Ring& ring, int fd, bool* done) {
  char byte;
  const absl::StatusOr<size_t> received = co_await ring.Recv(fd, std::span(&byte, 1));
  EXPECT_TRUE(received.ok());
  const absl::Status slept = co_await ring.Sleep(absl::Milliseconds(2));
  EXPECT_TRUE(slept.ok());
  *done = true;
}
Task<void> SpinBesideIo(Ring& ring) {
  SocketPair pair;
  bool done = false;
  TaskGroup group(co_await CurrentScope());
  group.Start(SpinUntil(ring, &done));
  group.Start(ReceiveThenSet(ring, pair.right, &done));
  const absl::StatusOr<size_t> sent = co_await ring.Send(pair.left, std::string_view("x"));
  EXPECT_TRUE(sent.ok());
  co_await group.Join();
}
TEST_F(RingTest, ACoroutineThatAlwaysYieldsStarvesNeitherIoNorTimers) { Run(SpinBesideIo(ring())); }

Task<void> ReceiveOne(Ring& ring, int fd, absl::StatusOr<size_t>* result) {
  char byte;
  *result = co_await ring.Recv(fd, std::span(&byte, 1));
}
Task<void> MoreThanTheQueueHolds(Ring& ring) {
  // A queue of four requests, and two hundred in one turn: to receive, and then to cancel.
  constexpr size_t kCount = 200;
  std::vector<SocketPair> pairs(kCount);
  std::vector<absl::StatusOr<size_t>> results(kCount, absl::UnknownError("not ended"));
  TaskGroup group(co_await CurrentScope());
  for (size_t i = 0; i < kCount; ++i) group.Start(ReceiveOne(ring, pairs[i].right, &results[i]));
  EXPECT_TRUE((co_await ring.Yield()).ok());
  for (size_t i = 0; i < kCount; i += 2) EXPECT_EQ(write(pairs[i].left, "x", 1), 1);
  for (int turns = 0; group.size() > kCount / 2 && turns < 10'000; ++turns) {
    EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(1))).ok());
  }
  EXPECT_EQ(group.size(), kCount / 2);
  group.Cancel();
  co_await group.Join();
  for (size_t i = 0; i < kCount; ++i) {
    if (i % 2 == 0) {
      EXPECT_TRUE(results[i].ok()) << results[i].status();
    } else {
      EXPECT_EQ(results[i].status().code(), absl::StatusCode::kCancelled) << results[i].status();
    }
  }
}
TEST(RingSizeTest, ATurnMayMakeMoreRequestsThanTheQueueHolds) {
  const std::unique_ptr<Ring> ring = MakeRing(4);
  ring->Run(MoreThanTheQueueHolds(*ring));
}

Task<void> PingPong(Ring& ring, int fd, int rounds, bool first) {
  char byte = 'x';
  for (int i = 0; i < rounds; ++i) {
    for (const bool send : {first, !first}) {
      const absl::StatusOr<size_t> count =
          send ? co_await ring.Send(fd, std::span(&byte, 1)) : co_await ring.Recv(fd, std::span(&byte, 1));
      EXPECT_TRUE(count.ok() && *count == 1);
    }
  }
}
Task<void> ManyPingPongs(Ring& ring, int pairs_count, int rounds) {
  std::vector<SocketPair> pairs(static_cast<size_t>(pairs_count));
  TaskGroup group(co_await CurrentScope());
  for (const SocketPair& pair : pairs) {
    group.Start(PingPong(ring, pair.left, rounds, true));
    group.Start(PingPong(ring, pair.right, rounds, false));
  }
  co_await group.Join();
}
TEST_F(RingTest, ATurnCostsOneEnterHoweverManyRequestsItMakes) {
  Run(ManyPingPongs(ring(), 16, 100));
  const Ring::Stats& stats = ring().stats();
  EXPECT_EQ(stats.completions, 16u * 100 * 4);
  EXPECT_LE(stats.submits, stats.turns + 2);        // those of the end
  EXPECT_LE(stats.submits, stats.completions / 4);  // batched
}

Task<void> CountTurns(Ring& ring, int* turns, const std::vector<int>* seen) {
  EXPECT_TRUE((co_await ring.Yield()).ok());
  const int before = *turns;
  EXPECT_TRUE((co_await ring.Yield()).ok());
  EXPECT_EQ(*turns, before + 1);
  EXPECT_TRUE(seen->empty());
}
TEST_F(RingTest, TheHookRunsOnceAtTheEndOfEachTurn) {
  int turns = 0;
  const std::vector<int> seen;
  ring().SetEndOfTurn([&turns] { ++turns; });
  Run(CountTurns(ring(), &turns, &seen));
  EXPECT_EQ(static_cast<uint64_t>(turns), ring().stats().turns);
}

Task<void> ClockStandsStill(Ring& ring) {
  const int64_t now = ring.NowNanos();
  const absl::Time wall = ring.Now();
  timespec start{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  timespec time = start;
  while (time.tv_sec == start.tv_sec && time.tv_nsec == start.tv_nsec) clock_gettime(CLOCK_MONOTONIC, &time);
  EXPECT_EQ(ring.NowNanos(), now);
  EXPECT_EQ(ring.Now(), wall);
  EXPECT_TRUE((co_await ring.Yield()).ok());
  EXPECT_GT(ring.NowNanos(), now);
}
TEST_F(RingTest, TheClockIsReadOnceATurn) { Run(ClockStandsStill(ring())); }

Task<void> CloseAndReuse(Ring& ring) {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  ring.Close(fds[0]);
  char byte;
  const absl::StatusOr<size_t> end = co_await ring.Recv(fds[1], std::span(&byte, 1));
  EXPECT_TRUE(end.ok() && *end == 0);
  ring.Close(fds[1]);
}
TEST_F(RingTest, CloseReachesThePeer) { Run(CloseAndReuse(ring())); }

Task<void> LastWords(Ring& ring, int fd) {
  ring.Close(fd);
  co_return;
}
TEST_F(RingTest, WhatMainClosedLastIsClosedWhenRunReturns) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  Run(LastWords(ring(), fds[0]));
  char byte;
  EXPECT_EQ(recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);
  ring().Close(fds[1]);  // at once, as the ring does not run
  EXPECT_EQ(fcntl(fds[1], F_GETFD), -1);
}

TEST(RingThreadTest, ARingMadeHereRunsThere) {
  const std::unique_ptr<Ring> ring = MakeRing();
  Task<void> main = SendAndRecv(*ring);
  std::thread thread([&] { ring->Run(std::move(main)); });
  thread.join();
}

Task<void> DestroyOther(Ring& ring, std::unique_ptr<Ring> other) {
  co_await SendAndRecv(ring);
  other.reset();
  co_await SendAndRecv(ring);
}
TEST(RingThreadTest, ARingThatRanElsewhereMayBeDestroyedHere) {
  std::unique_ptr<Ring> other = MakeRing();
  std::thread thread([&] { other->Run(SendAndRecv(*other)); });
  thread.join();
  const std::unique_ptr<Ring> ring = MakeRing();
  ring->Run(DestroyOther(*ring, std::move(other)));
}

TEST(RingThreadTest, EndingOneRingLeavesTheNextOnesOfItsThreadWorking) {
  for (int i = 0; i < 40; ++i) {
    const std::unique_ptr<Ring> first = MakeRing();
    const std::unique_ptr<Ring> second = MakeRing();
    first->Run(SendAndRecv(*first));
    second->Run(SendAndRecv(*second));
    first->Run(SendAndRecv(*first));
  }
}

}  // namespace
}  // namespace sealift::engine
