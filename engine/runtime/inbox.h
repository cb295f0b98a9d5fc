#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/runtime/check.h"
#include "engine/runtime/doorbell.h"
#include "engine/runtime/signal.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// Inbox brings values from any thread to coroutines of one ring, in the order of their arrival. It is bounded: a full
// inbox is the backpressure between threads.
//
// The queue is Vyukov's bounded array queue (a sequence number a cell), with one consumer; no lock on either side.
//
// Owned by:  the shard that reads it; destroyed on its thread (or when its ring does not run), after the last push.
// Threads:   TryPush, Push and Close from any; popping on the ring's, by one coroutine at a time.
// Errors:    a full inbox is an answer. After Close pushing answers false; popping drains what is left, then returns
//            OutOfRange. A push that races with Close may be answered true and never be read.
// T:         movable, and cheap when default-constructed: what an empty cell holds.
template <typename T>
class Inbox {
 public:
  // Holds at least `capacity` values; rounded up to a power of two.
  Inbox(Ring& ring, size_t capacity)
      : mask_(std::bit_ceil(capacity < 2 ? size_t{2} : capacity) - 1),
        cells_(std::make_unique<Cell[]>(mask_ + 1)),
        doorbell_(ring, [](void* inbox) { static_cast<Inbox*>(inbox)->arrived_.NotifyOne(); }, this) {
    for (size_t i = 0; i <= mask_; ++i) cells_[i].sequence.store(i, std::memory_order_relaxed);
  }

  // False: full or closed, and `value` is untouched.
  [[nodiscard]] bool TryPush(T&& value) {
    if (!Put(value)) return false;
    doorbell_.Press();
    return true;
  }

  // Waits while the inbox is full; for threads that may block, never a ring's. False: closed, and the value is gone.
  bool Push(T value) {
    while (true) {
      const uint32_t seen = pops_.load(std::memory_order_seq_cst);
      if (Put(value)) {
        doorbell_.Press();
        return true;
      }
      if (closed()) return false;
      blocked_.fetch_add(1, std::memory_order_seq_cst);
      // Looked at again after announcing the wait: a pop in between would not have known to wake anyone.
      if (pops_.load(std::memory_order_seq_cst) == seen && !closed()) pops_.wait(seen, std::memory_order_seq_cst);
      blocked_.fetch_sub(1, std::memory_order_seq_cst);
    }
  }

  void Close() {
    closed_.store(true, std::memory_order_seq_cst);
    Popped();
    doorbell_.Press();
  }
  bool closed() const { return closed_.load(std::memory_order_seq_cst); }

  // Appends what is there to `out`, at most one capacity of it; returns how many. Never waits.
  size_t TryPopAll(std::vector<T>& out) {
    size_t count = 0;
    for (; count <= mask_; ++count, ++head_) {
      Cell& cell = cells_[head_ & mask_];
      if (cell.sequence.load(std::memory_order_acquire) != head_ + 1) break;
      out.push_back(std::move(cell.value));
      cell.value = T();
      cell.sequence.store(head_ + mask_ + 1, std::memory_order_release);
    }
    if (count > 0) Popped();
    return count;
  }

  // Waits until something is there and appends all of it to `out`.
  Task<absl::Status> PopAll(std::vector<T>& out) {
    while (true) {
      // Read before the cells: what was pushed before the close is then found.
      const bool was_closed = closed();
      if (TryPopAll(out) > 0) co_return absl::OkStatus();
      if (was_closed) co_return absl::OutOfRangeError("the inbox is closed and empty");
      const absl::Status arrived = co_await arrived_.Wait();
      if (!arrived.ok()) co_return arrived;
    }
  }

  size_t capacity() const { return mask_ + 1; }

 private:
  struct Cell {
    std::atomic<size_t> sequence;  // == position: free for it; == position + 1: holds its value
    T value;
  };

  bool Put(T& value) {
    if (closed()) return false;
    size_t tail = tail_.load(std::memory_order_relaxed);
    while (true) {
      Cell& cell = cells_[tail & mask_];
      const auto lag = static_cast<intptr_t>(cell.sequence.load(std::memory_order_acquire) - tail);
      if (lag < 0) return false;  // still holds the value of one round ago
      if (lag == 0 && tail_.compare_exchange_weak(tail, tail + 1, std::memory_order_relaxed)) {
        cell.value = std::move(value);
        cell.sequence.store(tail + 1, std::memory_order_release);
        return true;
      }
      if (lag > 0) tail = tail_.load(std::memory_order_relaxed);
    }
  }

  void Popped() {
    pops_.fetch_add(1, std::memory_order_seq_cst);
    if (blocked_.load(std::memory_order_seq_cst) > 0) pops_.notify_all();
  }

  const size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  alignas(64) std::atomic<size_t> tail_{0};
  std::atomic<bool> closed_{false};
  alignas(64) size_t head_ = 0;
  std::atomic<uint32_t> pops_{0};  // what a blocked Push waits on
  std::atomic<uint32_t> blocked_{0};
  Signal arrived_;
  Doorbell doorbell_;
};

}  // namespace sealift::engine
