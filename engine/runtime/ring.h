#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/runtime/endpoint.h"
#include "engine/runtime/operation.h"
#include "engine/runtime/patience.h"
#include "engine/runtime/scope.h"
#include "engine/runtime/sleeping.h"
#include "engine/runtime/task.h"
#include "engine/runtime/timer_wheel.h"
#include "engine/runtime/yielding.h"

struct io_uring;
struct io_uring_sqe;

namespace sealift::engine {

class Doorbell;

// Ring is the heart of a shard: one io_uring, the list of coroutines that are ready, and the timers.
//
// It works in turns. A turn collects all completions, fires the timers that are due, answers the doorbells other
// threads have pressed, runs what became ready, calls the end-of-turn hook, and then submits every request of the turn
// and waits for the next completion with one io_uring_enter; where the last ones came soon it looks for a moment before
// it sleeps (patience.h). Completions are never resumed from inside the reap.
//
// Owned by:  a shard (or a tool's main); outlives every coroutine, group, stream, inbox and doorbell on it.
// Threads:   made on any thread; Run binds it to its caller, and everything but a doorbell's Press stays there.
// Time:      Now and NowNanos are read once a turn.
// Errors:    awaitables return OK or a value; Cancelled or DeadlineExceeded when their scope ended them; else what the
//            kernel answered. A failing io_uring_enter ends the process: nothing could be waited for any more.
class Ring {
 public:
  struct Options {
    unsigned entries = 1024;                      // requests a batch; a turn that makes more submits more than once
    std::function<absl::Time()> wall_clock = {};  // what Now reads; null: the machine's
  };

  struct Stats {
    uint64_t turns = 0;
    uint64_t submits = 0;      // calls of io_uring_enter
    uint64_t completions = 0;  // of requests
  };

  // PermissionDenied or Unimplemented when the kernel or the container forbids io_uring; the message says the remedy.
  static absl::StatusOr<std::unique_ptr<Ring>> Create(const Options& options);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  // Runs `main` until it and every child of every TaskGroup on this ring have ended. May be called again on the same
  // thread.
  void Run(Task<void> main);

  absl::Time Now() const { return absl::FromUnixNanos(wall_nanos_); }
  int64_t NowNanos() const { return now_nanos_; }  // monotonic
  TimerWheel& timers() { return timers_; }
  const Stats& stats() const { return stats_; }

  // Sockets. What a span or reference points at must live until the await ends.
  Io<int> Accept(int fd);
  Io<void> Connect(int fd, const Endpoint& to);
  Io<size_t> Recv(int fd, std::span<char> buffer);
  Io<size_t> Send(int fd, std::span<const char> bytes);  // may be short; never raises SIGPIPE
  Io<unsigned> Poll(int fd, short events);               // which of `events` (and POLLERR, POLLHUP) came

  // Closes after the requests made so far in this turn were submitted, so that none can meet a reused descriptor.
  // Does not end a pending request on `fd`.
  void Close(int fd);

  Sleeping Sleep(absl::Duration duration);
  Sleeping SleepUntil(absl::Time time);  // by today's offset: a step of the wall clock meanwhile is not seen
  Yielding Yield();

  // Called in every turn, after all ready coroutines ran and before their requests are submitted: the place to flush
  // what was batched. It may make coroutines ready.
  void SetEndOfTurn(std::function<void()> hook) { end_of_turn_ = std::move(hook); }

  // The monotonic time `duration` from now; the furthest there is when that is beyond it.
  int64_t NanosAfter(absl::Duration duration) const;

  // For awaitables: resumes `coroutine` later in this turn or in the next, in the order of the calls.
  void MakeReady(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }

 private:
  friend class Doorbell;
  friend class Operation;
  friend class Root;
  friend class Yielding;

  Ring(std::unique_ptr<io_uring> uring, int wake_fd, std::function<absl::Time()> wall_clock);

  void Bind();
  void RunReady();
  void OnPress(Doorbell& doorbell);
  void AnswerDoorbells();
  void Forget(Doorbell& doorbell);
  void YieldCore();
  void SubmitAndWait();
  void Submit();
  // Submits, and looks until then for what comes: whether something has.
  bool Look(int64_t until);
  void SubmitAndSleep(int64_t until);
  void Reap();
  void ReadClock();
  void ArmWake();
  void StopWake();

  io_uring_sqe& NextSqe();
  void Start(Operation& operation);
  void Cancel(Operation& operation);
  void CancelRequest(uint64_t user_data);

  std::unique_ptr<io_uring> uring_;
  const std::function<absl::Time()> wall_clock_;
  const int wake_fd_;        // an eventfd other threads write to when the ring sleeps
  uint64_t wake_count_ = 0;  // what the kernel reads from it
  uint16_t recv_hints_ = 0;
  bool wake_armed_ = false;
  bool bound_ = false;
  bool running_ = false;
  std::thread::id thread_;

  int64_t now_nanos_ = 0;
  int64_t wall_nanos_ = 0;
  TimerWheel timers_;
  Patience patience_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> yielded_;  // ready in the next turn
  std::function<void()> end_of_turn_;
  size_t roots_ = 0;      // coroutines started by Run and by groups that have not ended
  size_t in_flight_ = 0;  // operations between Start and their completion
  Stats stats_;

  // Other threads' side, on a cache line of its own.
  alignas(64) std::atomic<Doorbell*> pressed_{nullptr};
  std::atomic<bool> asleep_{false};
};

}  // namespace sealift::engine
