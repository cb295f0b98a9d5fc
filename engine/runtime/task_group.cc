#include "engine/runtime/task_group.h"

#include <utility>

#include "engine/runtime/check.h"
#include "engine/runtime/root.h"

namespace sealift::engine {

bool TaskGroup::Empty::Begin(Scope& scope, std::coroutine_handle<> awaiter) {
  CHECK(group_.joiner_ == nullptr, "a group is joined by one coroutine at a time");
  awaiter_ = awaiter;
  scope_ = &scope;
  group_.joiner_ = this;
  if (scope.ended()) {
    OnEnd();
  } else {
    scope.Add(*this);
  }
  return true;
}

void TaskGroup::Empty::OnEnd() { group_.scope_.EndLike(*scope_); }

void TaskGroup::Empty::Resume() {
  scope_->Remove(*this);
  scope_->ring().MakeReady(awaiter_);
}

TaskGroup::~TaskGroup() { CHECK(size_ == 0, "a group is joined before it is destroyed"); }

void TaskGroup::Start(Task<void> child) {
  ++size_;
  Root::Start(
      scope_.ring(), scope_, std::move(child), [](void* group) { static_cast<TaskGroup*>(group)->OnChildEnd(); }, this);
}

void TaskGroup::OnChildEnd() {
  --size_;
  if (size_ == 0 && joiner_ != nullptr) std::exchange(joiner_, nullptr)->Resume();
}

Task<void> TaskGroup::Join() {
  // Again, because others may have started children between the last one's end and this coroutine's turn.
  while (size_ > 0) co_await Empty(*this);
}

}  // namespace sealift::engine
