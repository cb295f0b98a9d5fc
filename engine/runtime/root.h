#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>

#include "engine/runtime/frame_pool.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

class Ring;

// Root is the coroutine at the bottom of a chain of tasks: nobody awaits it. It gives its task a scope, frees the
// task's whole frame, parameters included, before it reports the end, and then frees itself.
//
// Owned by:  itself, from Start to its end. Ring::Run and TaskGroup are the only ones to start one.
// Threads:   the ring's.
class Root {
 public:
  using OnEnd = void (*)(void* context);

  // Queues `task` to run in a scope of its own below `parent`; `on_end` is called when it is gone.
  static void Start(Ring& ring, Scope& parent, Task<void> task, OnEnd on_end, void* context);

  class promise_type {
   public:
    static void* operator new(size_t bytes) { return FramePool::Allocate(bytes); }
    static void operator delete(void* frame, size_t bytes) noexcept { FramePool::Free(frame, bytes); }

    Root get_return_object() noexcept { return Root(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
    Scope& scope() const { std::terminate(); }  // a root's task is given its scope
  };

 private:
  explicit Root(std::coroutine_handle<> frame) : frame_(frame) {}
  static Root Run(Ring& ring, Scope& parent, Task<void> task, OnEnd on_end, void* context);

  std::coroutine_handle<> frame_;
};

}  // namespace sealift::engine
