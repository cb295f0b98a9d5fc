#include "engine/runtime/deadline.h"

#include <string>

#include "engine/runtime/signal.h"
#include "tests/engine/runtime/on_ring.h"
#include "tests/engine/runtime/socket_pair.h"

namespace sealift::engine {
namespace {

using DeadlineTest = OnRing;

Task<absl::Status> Receive(Ring& ring, int fd) {
  char buffer[8];
  const absl::StatusOr<size_t> received = co_await ring.Recv(fd, buffer);
  co_return received.status();
}

Task<void> SilentPeer(Ring& ring) {
  SocketPair pair;
  const int64_t before = ring.NowNanos();
  const absl::Status status = co_await WithDeadline(ring, absl::Milliseconds(10), Receive(ring, pair.right));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_GE(ring.NowNanos() - before, 10'000'000);
  // Only what was beneath it has ended.
  EXPECT_TRUE((co_await ring.Send(pair.right, std::string_view("still here"))).ok());
}
TEST_F(DeadlineTest, EndsAReceiveFromASilentPeer) { Run(SilentPeer(ring())); }

Task<int> Answer(Ring& ring) {
  EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(1))).ok());
  co_return 42;
}
Task<void> InTime(Ring& ring) {
  EXPECT_EQ(co_await WithDeadline(ring, absl::Minutes(1), Answer(ring)), 42);
  EXPECT_EQ(co_await WithDeadline(ring, absl::InfiniteDuration(), Answer(ring)), 42);
  EXPECT_EQ(ring.timers().size(), 0u);
}
TEST_F(DeadlineTest, IsDisarmedWhenTheTaskIsInTime) { Run(InTime(ring())); }

Task<absl::Status> SleepAnHour(Ring& ring) { co_return co_await ring.Sleep(absl::Hours(1)); }
Task<absl::Status> WaitFor(Signal& signal) { co_return co_await signal.Wait(); }
Task<absl::Status> PollFor(Ring& ring, int fd) {
  const absl::StatusOr<unsigned> events = co_await ring.Poll(fd, 1 /* POLLIN */);
  co_return events.status();
}

Task<void> OtherWaits(Ring& ring) {
  SocketPair pair;
  Signal signal;
  const absl::Duration limit = absl::Milliseconds(2);
  EXPECT_EQ((co_await WithDeadline(ring, limit, SleepAnHour(ring))).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ((co_await WithDeadline(ring, limit, WaitFor(signal))).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ((co_await WithDeadline(ring, limit, PollFor(ring, pair.left))).code(), absl::StatusCode::kDeadlineExceeded);
}
TEST_F(DeadlineTest, EndsSleepsSignalsAndPolls) { Run(OtherWaits(ring())); }

struct Nested {
  absl::Status inner, outer;
  int64_t nanos = 0;
};
Task<absl::Status> InnerThenOuter(Ring& ring, absl::Duration inner, Nested* nested) {
  const int64_t before = ring.NowNanos();
  nested->inner = co_await WithDeadline(ring, inner, SleepAnHour(ring));
  nested->nanos = ring.NowNanos() - before;
  co_return co_await ring.Sleep(absl::Milliseconds(1));
}
Task<void> InnerFirst(Ring& ring) {
  Nested nested;
  nested.outer = co_await WithDeadline(ring, absl::Minutes(1), InnerThenOuter(ring, absl::Milliseconds(3), &nested));
  EXPECT_EQ(nested.inner.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(nested.outer.ok()) << nested.outer;
}
Task<void> OuterFirst(Ring& ring) {
  Nested nested;
  nested.outer = co_await WithDeadline(ring, absl::Milliseconds(3), InnerThenOuter(ring, absl::Hours(1), &nested));
  EXPECT_EQ(nested.inner.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(nested.outer.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(nested.nanos, int64_t{60} * 1'000'000'000);
}
TEST_F(DeadlineTest, OfTwoNestedTheInnerEndsOnlyItsOwn) { Run(InnerFirst(ring())); }
TEST_F(DeadlineTest, OfTwoNestedTheEarliestWins) { Run(OuterFirst(ring())); }

Task<std::string> CleanUp(Ring& ring, int fd) {
  const absl::Status status = co_await Receive(ring, fd);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE((co_await ring.Sleep(absl::Hours(1))).ok());  // at once
  co_return "ran to its end";
}
Task<void> RunsToItsEnd(Ring& ring) {
  SocketPair pair;
  EXPECT_EQ(co_await WithDeadline(ring, absl::Milliseconds(2), CleanUp(ring, pair.left)), "ran to its end");
}
TEST_F(DeadlineTest, TheTaskRunsToItsEndAndItsResultIsTheResult) { Run(RunsToItsEnd(ring())); }

Task<absl::Status> Slept(Ring& ring, absl::Duration duration) { co_return co_await ring.Sleep(duration); }
Task<void> SameTick(Ring& ring) {
  // Both are due in one turn; whichever is first, the sleep ends once.
  const absl::Duration limit = absl::Milliseconds(2);
  const absl::Status status = co_await WithDeadline(ring, limit, Slept(ring, limit));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_TRUE((co_await ring.Sleep(limit)).ok());
}
TEST_F(DeadlineTest, AWaitThatIsDueTogetherWithItsDeadlineEndsOnce) { Run(SameTick(ring())); }

Task<void> AlreadyOver(Ring& ring) {
  const uint64_t turns = ring.stats().turns;
  EXPECT_EQ((co_await WithDeadline(ring, absl::ZeroDuration(), SleepAnHour(ring))).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ((co_await WithDeadline(ring, -absl::InfiniteDuration(), SleepAnHour(ring))).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ring.stats().turns, turns);
}
TEST_F(DeadlineTest, NoTimeLeftStartsNothing) { Run(AlreadyOver(ring())); }

}  // namespace
}  // namespace sealift::engine
