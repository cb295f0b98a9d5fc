#include "engine/runtime/inbox.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/runtime/deadline.h"
#include "engine/runtime/task_group.h"
#include "tests/engine/runtime/on_ring.h"

namespace sealift::engine {
namespace {

using InboxTest = OnRing;
constexpr absl::Duration kHang = absl::Minutes(2);  // a lost wake-up fails the test instead of hanging it

TEST_F(InboxTest, AFullInboxLeavesTheValueUntouched) {
  Inbox<std::unique_ptr<int>> inbox(ring(), 4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(inbox.TryPush(std::make_unique<int>(i)));
  auto fifth = std::make_unique<int>(5);
  EXPECT_FALSE(inbox.TryPush(std::move(fifth)));
  ASSERT_NE(fifth, nullptr);  // NOLINT(bugprone-use-after-move): what the test is about
  EXPECT_EQ(*fifth, 5);
  std::vector<std::unique_ptr<int>> out;
  EXPECT_EQ(inbox.TryPopAll(out), 4u);
  EXPECT_TRUE(inbox.TryPush(std::move(fifth)));
  EXPECT_EQ(inbox.TryPopAll(out), 1u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(*out[i], static_cast<int>(i));
  EXPECT_EQ(*out[4], 5);
}

Task<void> PopClosed(Inbox<int>& inbox) {
  std::vector<int> out;
  EXPECT_TRUE((co_await inbox.PopAll(out)).ok());
  EXPECT_EQ(out, (std::vector<int>{1, 2}));
  EXPECT_EQ((co_await inbox.PopAll(out)).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(out.size(), 2u);
}
TEST_F(InboxTest, AClosedInboxIsDrainedFirst) {
  Inbox<int> inbox(ring(), 8);
  EXPECT_TRUE(inbox.TryPush(1));
  EXPECT_TRUE(inbox.Push(2));
  inbox.Close();
  EXPECT_FALSE(inbox.TryPush(3));
  EXPECT_FALSE(inbox.Push(3));
  Run(PopClosed(inbox));
}

Task<void> PopUntilDeadline(Ring& ring, Inbox<int>& inbox) {
  std::vector<int> out;
  EXPECT_EQ((co_await WithDeadline(ring, absl::Milliseconds(2), inbox.PopAll(out))).code(),
            absl::StatusCode::kDeadlineExceeded);
}
TEST_F(InboxTest, WaitingEndsWithItsScope) {
  Inbox<int> inbox(ring(), 8);
  Run(PopUntilDeadline(ring(), inbox));
}

struct Item {
  int producer = 0;
  int number = 0;
  std::string text;
};
Task<absl::Status> PopCount(Inbox<Item>& inbox, int producers, int each) {
  std::vector<int> next(static_cast<size_t>(producers), 0);
  std::vector<Item> batch;
  for (int count = 0; count < producers * each; count += static_cast<int>(batch.size())) {
    batch.clear();
    const absl::Status popped = co_await inbox.PopAll(batch);
    if (!popped.ok()) co_return popped;
    for (const Item& item : batch) {
      EXPECT_EQ(item.number, next[static_cast<size_t>(item.producer)]++);
      EXPECT_EQ(item.text, std::to_string(item.number));
    }
  }
  co_return absl::OkStatus();
}
Task<void> ExpectAll(Ring& ring, Inbox<Item>& inbox, int producers, int each) {
  const absl::Status status = co_await WithDeadline(ring, kHang, PopCount(inbox, producers, each));
  EXPECT_TRUE(status.ok()) << status;
}
TEST_F(InboxTest, SeveralThreadsLoseNothingAndKeepTheirOrder) {
  constexpr int kProducers = 4;
  constexpr int kEach = 20'000;
  Inbox<Item> inbox(ring(), 64);
  std::vector<std::thread> threads;
  for (int producer = 0; producer < kProducers; ++producer) {
    threads.emplace_back([&inbox, producer] {
      for (int number = 0; number < kEach; ++number) {
        Item item{.producer = producer, .number = number, .text = std::to_string(number)};
        if (number % 2 == 0) {
          EXPECT_TRUE(inbox.Push(std::move(item)));
        } else {
          while (!inbox.TryPush(std::move(item))) std::this_thread::yield();
        }
      }
    });
  }
  Run(ExpectAll(ring(), inbox, kProducers, kEach));
  for (std::thread& thread : threads) thread.join();
}

Task<absl::Status> Bounce(Inbox<int>& in, Inbox<int>& out, int rounds) {
  std::vector<int> batch;
  for (int i = 0; i < rounds; ++i) {
    batch.clear();
    const absl::Status popped = co_await in.PopAll(batch);
    if (!popped.ok()) co_return popped;
    EXPECT_EQ(batch.size(), 1u);
    EXPECT_TRUE(out.TryPush(batch[0] + 1));
  }
  co_return absl::OkStatus();
}
Task<void> ExpectBounces(Ring& ring, Inbox<int>& in, Inbox<int>& out, int rounds) {
  const absl::Status status = co_await WithDeadline(ring, kHang, Bounce(in, out, rounds));
  EXPECT_TRUE(status.ok()) << status;
}
TEST_F(InboxTest, ASleepingRingIsWokenEveryTime) {
  // Two rings, one value: each sleeps until the other has pushed.
  constexpr int kRounds = 20'000;
  const std::unique_ptr<Ring> other = MakeRing();
  Inbox<int> here(ring(), 2);
  Inbox<int> there(*other, 2);
  EXPECT_TRUE(there.TryPush(0));
  std::thread thread([&] { other->Run(ExpectBounces(*other, there, here, kRounds)); });
  Run(ExpectBounces(ring(), here, there, kRounds));
  thread.join();
  std::vector<int> last;
  EXPECT_EQ(there.TryPopAll(last), 1u);
  EXPECT_EQ(last, (std::vector<int>{2 * kRounds}));
}

TEST_F(InboxTest, ABlockedPushIsReleasedByClose) {
  Inbox<int> inbox(ring(), 2);
  std::atomic<bool> refused = false;
  std::thread thread([&] {
    while (inbox.Push(1)) {
    }
    refused = true;
  });
  std::vector<int> out;
  while (out.size() < 100) inbox.TryPopAll(out);
  inbox.Close();
  thread.join();
  EXPECT_TRUE(refused);
}

struct Bell {
  explicit Bell(Ring& ring) : doorbell(ring, [](void* bell) { ++static_cast<Bell*>(bell)->answers; }, this) {}
  int answers = 0;
  Doorbell doorbell;
};
Task<void> PressTwice(Ring& ring, Bell& bell) {
  bell.doorbell.Press();
  bell.doorbell.Press();
  EXPECT_EQ(bell.answers, 0);
  EXPECT_TRUE((co_await ring.Yield()).ok());
  EXPECT_EQ(bell.answers, 1);
  EXPECT_TRUE((co_await ring.Yield()).ok());
  EXPECT_EQ(bell.answers, 1);
}
TEST_F(InboxTest, PressesOfATurnAreAnsweredOnce) {
  Bell bell(ring());
  Run(PressTwice(ring(), bell));
}

Task<void> AwaitAnswer(Ring& ring, Bell& bell) {
  EXPECT_TRUE((co_await ring.Yield()).ok());
  EXPECT_EQ(bell.answers, 1);
}
TEST_F(InboxTest, ADoorbellThatWasPressedMayGoAndTheOthersAreStillAnswered) {
  Bell first(ring());
  auto gone = std::make_unique<Bell>(ring());
  Bell last(ring());
  first.doorbell.Press();
  gone->doorbell.Press();
  last.doorbell.Press();
  gone.reset();
  Run(AwaitAnswer(ring(), first));
  EXPECT_EQ(last.answers, 1);
}

}  // namespace
}  // namespace sealift::engine
