#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

#include "absl/status/status.h"

namespace sealift::queue {

// Failure remembers that a write or sync failed, and of which kind it was.
//
// A *full* file system is waited out: the write that found no room waits for it (WaitForRoom), and nothing new is
// accepted until it has.
//
// Anything else is *final*. What is in memory may be ahead of the disk, and after a failed sync the kernel may have
// dropped what it could not write and call the next sync a success: nothing is acknowledged from that moment until the
// store is opened again. A sync that failed for want of space is final too.
//
// Threads: any.
class Failure {
 public:
  // `report` hears of each stop, with the reason, and with Ok of the end of one.
  explicit Failure(std::function<void(absl::Status)> report) : report_(std::move(report)) {}

  // Called whenever the file system is found full, after the stop was reported; set before there are other threads.
  void OnFull(std::function<void()> wake) { wake_ = std::move(wake); }

  bool stopped() const { return state_.load(std::memory_order_acquire) != State::kNone; }
  bool full() const { return state_.load(std::memory_order_acquire) == State::kFull; }
  bool final() const { return state_.load(std::memory_order_acquire) == State::kFinal; }

  absl::Status status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

  // A write failed. ResourceExhausted: the file system is full.
  void Note(const absl::Status& status) {
    const bool full = absl::IsResourceExhausted(status);
    Stop(status, full ? State::kFull : State::kFinal);
    if (full && wake_) wake_();
  }

  // A sync failed, or a write in a way that no room mends.
  void Fail(const absl::Status& status) { Stop(status, State::kFinal); }

  // There is room again, and a write has shown it.
  void Clear() {
    {
      const std::lock_guard lock(mutex_);
      if (state_.load(std::memory_order_relaxed) != State::kFull) return;
      status_ = absl::OkStatus();
      state_.store(State::kNone, std::memory_order_release);
    }
    if (report_) report_(absl::OkStatus());
  }

 private:
  enum class State { kNone, kFull, kFinal };

  void Stop(const absl::Status& status, State state) {
    {
      const std::lock_guard lock(mutex_);
      if (state_.load(std::memory_order_relaxed) >= state) return;
      status_ = status;
      state_.store(state, std::memory_order_release);
    }
    if (report_) report_(status);
  }

  const std::function<void(absl::Status)> report_;
  std::function<void()> wake_;
  std::atomic<State> state_ = State::kNone;
  mutable std::mutex mutex_;
  absl::Status status_;
};

}  // namespace sealift::queue
