#pragma once

#include <coroutine>
#include <cstddef>

#include "engine/runtime/ring.h"
#include "engine/runtime/scope.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// TaskGroup is the only way to start concurrent work. Its children are joined before it dies, so none outlives what it
// refers to.
//
//   TaskGroup sessions(co_await CurrentScope());
//   sessions.Start(Serve(std::move(stream)));
//   co_await sessions.Join();
//
// Owned by:  the coroutine or object whose work it is; empty when destroyed (a CHECK).
// Threads:   the ring's.
// Errors:    children return nothing; what they have to say goes through what they refer to.
class TaskGroup {
 public:
  explicit TaskGroup(Ring& ring) : scope_(ring) {}
  explicit TaskGroup(Scope& parent) : scope_(parent.ring(), &parent) {}  // ends with `parent`
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  // Queues `child`: it first runs after the caller suspends, in a scope of its own below the group's. In a cancelled
  // group it still runs, and its first wait returns at once.
  void Start(Task<void> child);

  // Ends the waits of all children. They are still to be joined.
  void Cancel() { scope_.Cancel(); }

  // Returns when no child is left, those that children started included. If the awaiter's scope ends meanwhile, the
  // group's ends like it, and the children are still awaited. One at a time.
  Task<void> Join();

  size_t size() const { return size_; }
  Scope& scope() { return scope_; }

 private:
  // Waits once for the group to become empty. The awaiter's scope cannot end it, only the children.
  class [[nodiscard]] Empty final : private Scope::Waiter {
   public:
    explicit Empty(TaskGroup& group) : group_(group) {}

    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiter) {
      return Begin(awaiter.promise().scope(), awaiter);
    }
    void await_resume() const noexcept {}
    void Resume();

   private:
    bool Begin(Scope& scope, std::coroutine_handle<> awaiter);
    void OnEnd() override;

    TaskGroup& group_;
    Scope* scope_ = nullptr;
    std::coroutine_handle<> awaiter_;
  };

  void OnChildEnd();

  Scope scope_;
  size_t size_ = 0;
  Empty* joiner_ = nullptr;
};

}  // namespace sealift::engine
