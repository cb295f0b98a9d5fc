#include <benchmark/benchmark.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "engine/runtime/inbox.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/timer_wheel.h"

namespace sealift::engine {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

// What every phase of a session does: a deadline is armed, and disarmed in time, among those of `range` other sessions.
void DeadlineArmedAndDisarmed(benchmark::State& state) {
  TimerWheel wheel(0);
  std::minstd_rand random(1);
  const auto within_five_minutes = [&random] { return static_cast<int64_t>(random() % 300'000) * kMillisecond; };
  std::deque<Timer> others;
  for (int64_t i = 0; i < state.range(0); ++i) {
    wheel.Arm(others.emplace_back([](void*) {}, nullptr), within_five_minutes());
  }
  Timer timer([](void*) {}, nullptr);
  for (auto _ : state) {
    wheel.Arm(timer, within_five_minutes());
    wheel.Disarm(timer);
  }
}
BENCHMARK(DeadlineArmedAndDisarmed)->Arg(100)->Arg(10'000);

// Fires every second.
struct Metronome {
  explicit Metronome(TimerWheel& of) : wheel(of), timer(Timer::Calling<&Metronome::OnTimer>(this)) {}

  void OnTimer() {
    ++fired;
    wheel.Arm(timer, next += 1000 * kMillisecond);
  }

  TimerWheel& wheel;
  Timer timer;
  int64_t next = 0;
  int64_t fired = 0;
};

// Time passes a millisecond at a time, and each timer that fires is armed again.
void TimersThatFire(benchmark::State& state) {
  TimerWheel wheel(0);
  std::deque<Metronome> metronomes;
  for (int64_t i = 0; i < state.range(0); ++i) {
    Metronome& metronome = metronomes.emplace_back(wheel);
    wheel.Arm(metronome.timer, metronome.next = i % 1000 * kMillisecond);
  }
  int64_t now = 0;
  for (auto _ : state) wheel.Advance(now += kMillisecond);
  int64_t fired = 0;
  for (const Metronome& metronome : metronomes) fired += metronome.fired;
  state.counters["CPU_a_timer"] =
      benchmark::Counter(static_cast<double>(fired), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(TimersThatFire)->Arg(10'000);

// A batch of 64 is pushed by the thread that takes it: the queue's own work, with nobody to wake.
void InboxBatch(benchmark::State& state) {
  const auto ring = Ring::Create({}).value();
  Inbox<std::shared_ptr<int>> inbox(*ring, 1024);
  const auto value = std::make_shared<int>(1);
  std::vector<std::shared_ptr<int>> taken;
  for (auto _ : state) {
    for (int i = 0; i < 64; ++i) benchmark::DoNotOptimize(inbox.TryPush(std::shared_ptr<int>(value)));
    taken.clear();
    inbox.TryPopAll(taken);
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(InboxBatch);

Task<void> Take(Inbox<uint64_t>& inbox, uint64_t until) {
  std::vector<uint64_t> taken;
  while (true) {
    taken.clear();
    const absl::Status arrived = co_await inbox.PopAll(taken);
    if (!arrived.ok() || taken.back() == until) co_return;
  }
}

// From another thread to a ring that sleeps when it has nothing to do.
void InboxBetweenThreads(benchmark::State& state) {
  constexpr uint64_t kValues = 100'000;
  for (auto _ : state) {
    const auto ring = Ring::Create({}).value();
    Inbox<uint64_t> inbox(*ring, 1024);
    std::thread sender([&inbox] {
      for (uint64_t i = 1; i <= kValues; ++i) inbox.Push(i);
    });
    ring->Run(Take(inbox, kValues));
    sender.join();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kValues));
}
BENCHMARK(InboxBetweenThreads)->UseRealTime();

}  // namespace
}  // namespace sealift::engine
