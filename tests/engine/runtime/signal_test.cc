#include "engine/runtime/signal.h"

#include <vector>

#include "engine/runtime/deadline.h"
#include "engine/runtime/task_group.h"
#include "tests/engine/runtime/on_ring.h"

namespace sealift::engine {
namespace {

using SignalTest = OnRing;

Task<void> WaitAndRecord(Signal& signal, std::vector<int>* order, int id) {
  const absl::Status status = co_await signal.Wait();
  order->push_back(status.ok() ? id : -id);
}

Task<void> OneByOne(Ring& ring) {
  Signal signal;
  std::vector<int> order;
  TaskGroup group(ring);
  for (int id = 1; id <= 4; ++id) group.Start(WaitAndRecord(signal, &order, id));
  EXPECT_TRUE((co_await ring.Yield()).ok());
  EXPECT_EQ(signal.waiting(), 4u);
  signal.NotifyOne();
  EXPECT_EQ(signal.waiting(), 3u);
  EXPECT_TRUE(order.empty());  // never resumed from inside
  EXPECT_TRUE((co_await ring.Yield()).ok());
  EXPECT_EQ(order, (std::vector<int>{1}));
  signal.NotifyAll();
  co_await group.Join();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
}
TEST_F(SignalTest, NotifiesInTheOrderOfWaiting) { Run(OneByOne(ring())); }

Task<void> Forgets(Ring& ring) {
  Signal signal;
  std::vector<int> order;
  signal.NotifyAll();
  signal.NotifyOne();
  co_await WithDeadline(ring, absl::Milliseconds(2), WaitAndRecord(signal, &order, 1));
  EXPECT_EQ(order, (std::vector<int>{-1}));
}
TEST_F(SignalTest, RemembersNoNotification) { Run(Forgets(ring())); }

Task<void> CancelMiddle(Ring& ring) {
  Signal signal;
  std::vector<int> order;
  TaskGroup first(ring);
  TaskGroup second(ring);
  TaskGroup third(ring);
  first.Start(WaitAndRecord(signal, &order, 1));
  second.Start(WaitAndRecord(signal, &order, 2));
  third.Start(WaitAndRecord(signal, &order, 3));
  EXPECT_TRUE((co_await ring.Yield()).ok());
  second.Cancel();
  EXPECT_EQ(signal.waiting(), 2u);
  co_await second.Join();
  signal.NotifyOne();
  signal.NotifyOne();
  co_await first.Join();
  co_await third.Join();
  EXPECT_EQ(order, (std::vector<int>{-2, 1, 3}));
}
TEST_F(SignalTest, OneThatIsCancelledTakesNoNotification) { Run(CancelMiddle(ring())); }

Task<void> NotifyThenCancel(Ring& ring) {
  Signal signal;
  std::vector<int> order;
  TaskGroup group(ring);
  group.Start(WaitAndRecord(signal, &order, 1));
  EXPECT_TRUE((co_await ring.Yield()).ok());
  signal.NotifyOne();
  group.Cancel();
  co_await group.Join();
  EXPECT_EQ(order, (std::vector<int>{1}));
}
TEST_F(SignalTest, ANotificationBeforeACancelStands) { Run(NotifyThenCancel(ring())); }

}  // namespace
}  // namespace sealift::engine
