#pragma once

#include <coroutine>
#include <cstdint>

#include "absl/status/status.h"

namespace sealift::engine {

class Ring;

// Scope is what may end a wait early: cancellation or a deadline. Every coroutine runs in one; a Task inherits that of
// the coroutine that awaits it, and ending a scope ends all scopes below it.
//
// Ending never destroys a frame. Each wait in the scope returns the scope's status (I/O first cancels itself in the
// kernel and awaits its own completion; when that won the race, its result stands), the coroutines run to their ends,
// and a wait begun afterwards returns at once without starting anything.
//
// Owned by:  a TaskGroup, one of its children, or a WithDeadline frame; outlives all that runs in it.
// Threads:   the ring's.
// Errors:    the first end stands: a scope past its deadline stays so when it is cancelled later.
class Scope {
 public:
  // Waiter is one suspended wait, in the frame that awaits. Between Add and Remove (or OnEnd) the scope may end it.
  class Waiter {
   public:
    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   protected:
    ~Waiter() = default;

   private:
    friend class Scope;
    // The scope has ended and has forgotten this waiter. It may queue its coroutine; it must not resume it.
    virtual void OnEnd() = 0;

    Waiter* previous_ = nullptr;
    Waiter* next_ = nullptr;
    bool waiting_ = false;
  };

  // Below `parent`, and ended from the start if that has; without one it has nothing above it.
  explicit Scope(Ring& ring, Scope* parent = nullptr);
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope();

  bool ended() const { return end_ != End::kNot; }
  absl::Status status() const;  // OK, Cancelled or DeadlineExceeded
  Ring& ring() const { return ring_; }

  void Cancel() { Finish(End::kCancelled); }
  void Expire() { Finish(End::kExpired); }  // as a deadline does
  void EndLike(const Scope& other) { Finish(other.end_); }

  // For awaitables. Add must not be called in an ended scope; Remove is without effect after OnEnd.
  void Add(Waiter& waiter);
  void Remove(Waiter& waiter);

 private:
  enum class End : uint8_t { kNot, kCancelled, kExpired };

  void Finish(End end);

  Ring& ring_;
  Scope* const parent_;
  Scope* first_child_ = nullptr;
  Scope* previous_sibling_ = nullptr;
  Scope* next_sibling_ = nullptr;
  Waiter* first_waiter_ = nullptr;
  End end_ = End::kNot;
};

// `Scope& scope = co_await CurrentScope();` never suspends.
class [[nodiscard]] CurrentScope {
 public:
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> awaiter) noexcept {
    scope_ = &awaiter.promise().scope();
    return false;
  }
  Scope& await_resume() const noexcept { return *scope_; }

 private:
  Scope* scope_ = nullptr;
};

}  // namespace sealift::engine
