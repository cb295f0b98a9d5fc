#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "engine/runtime/check.h"
#include "engine/runtime/frame_pool.h"
#include "engine/runtime/scope.h"

namespace sealift::engine {

template <typename T>
class Task;

// What the promises of all tasks share: pooled frames, the scope, and the transfer back to the awaiting coroutine.
class TaskPromiseBase {
 public:
  static void* operator new(size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* frame, size_t bytes) noexcept { FramePool::Free(frame, bytes); }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }  // nothing of ours throws

  Scope& scope() const { return *scope_; }

 protected:
  // Ends in the awaiting coroutine without growing the stack (symmetric transfer).
  struct Return {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      return ended.promise().awaiter_;
    }
    void await_resume() const noexcept {}
  };

 public:
  Return final_suspend() const noexcept { return {}; }

 private:
  template <typename T>
  friend class Task;

  Scope* scope_ = nullptr;
  std::coroutine_handle<> awaiter_;
};

template <typename T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <typename U = T>
    requires std::constructible_from<T, U&&>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T Take() { return *std::move(value_); }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void Take() const noexcept {}
};

// Task is a coroutine's result to come. It is lazy: nothing runs until it is awaited, and it is awaited once, as a
// temporary or with std::move. A task that is never awaited is freed unrun.
//
// Parameters of a coroutine are values, or references to what the awaiting frame owns.
//
// Owned by:  the frame that awaits it, or a TaskGroup.
// Threads:   it runs on the thread of the ring that resumes it; it may be made on another before that.
// Errors:    an exception that leaves the coroutine ends the process.
template <typename T = void>
class [[nodiscard]] Task {
  static_assert(!std::is_reference_v<T>, "return a pointer or a value");

 public:
  using promise_type = TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle frame) noexcept : frame_(frame) {}
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      Free();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~Task() { Free(); }

  class [[nodiscard]] Awaiter {
   public:
    explicit Awaiter(Handle frame) noexcept : frame_(frame) {}
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> awaiter) const noexcept {
      TaskPromiseBase& promise = frame_.promise();
      if (promise.scope_ == nullptr) promise.scope_ = &awaiter.promise().scope();
      promise.awaiter_ = awaiter;
      return frame_;
    }
    T await_resume() const { return frame_.promise().Take(); }

   private:
    Handle frame_;
  };

  Awaiter operator co_await() && {
    CheckUnawaited();
    return Awaiter(frame_);
  }

  // Awaits the task in `scope` instead of the awaiter's own; `scope` outlives the task.
  Awaiter In(Scope& scope) && {
    CheckUnawaited();
    frame_.promise().scope_ = &scope;
    return Awaiter(frame_);
  }

 private:
  void CheckUnawaited() const {
    CHECK(frame_ && !frame_.promise().awaiter_, "a task is awaited once, and not after it was moved from");
  }
  void Free() noexcept {
    if (!frame_) return;
    CHECK(!frame_.promise().awaiter_ || frame_.done(),
          "a frame that is still waiting was destroyed; cancel, then await");
    frame_.destroy();
  }

  Handle frame_;
};

template <typename T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace sealift::engine
