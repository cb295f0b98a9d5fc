#include "engine/runtime/scope.h"

#include "engine/runtime/check.h"

namespace sealift::engine {

Scope::Scope(Ring& ring, Scope* parent) : ring_(ring), parent_(parent) {
  if (parent_ == nullptr) return;
  CHECK(&parent_->ring_ == &ring_, "a scope and its parent belong to one ring");
  end_ = parent_->end_;
  next_sibling_ = parent_->first_child_;
  if (next_sibling_ != nullptr) next_sibling_->previous_sibling_ = this;
  parent_->first_child_ = this;
}

Scope::~Scope() {
  CHECK(first_child_ == nullptr, "a scope outlives the scopes below it");
  CHECK(first_waiter_ == nullptr, "a scope outlives what waits in it");
  if (next_sibling_ != nullptr) next_sibling_->previous_sibling_ = previous_sibling_;
  if (previous_sibling_ != nullptr) {
    previous_sibling_->next_sibling_ = next_sibling_;
  } else if (parent_ != nullptr) {
    parent_->first_child_ = next_sibling_;
  }
}

absl::Status Scope::status() const {
  switch (end_) {
    case End::kNot:
      return absl::OkStatus();
    case End::kCancelled:
      return absl::CancelledError("the work it belonged to was cancelled");
    case End::kExpired:
      return absl::DeadlineExceededError("its deadline passed");
  }
  __builtin_unreachable();
}

void Scope::Add(Waiter& waiter) {
  CHECK(!ended() && !waiter.waiting_, "a wait begins once, in a scope that has not ended");
  waiter.waiting_ = true;
  waiter.previous_ = nullptr;
  waiter.next_ = first_waiter_;
  if (first_waiter_ != nullptr) first_waiter_->previous_ = &waiter;
  first_waiter_ = &waiter;
}

void Scope::Remove(Waiter& waiter) {
  if (!waiter.waiting_) return;
  waiter.waiting_ = false;
  if (waiter.next_ != nullptr) waiter.next_->previous_ = waiter.previous_;
  if (waiter.previous_ != nullptr) {
    waiter.previous_->next_ = waiter.next_;
  } else {
    first_waiter_ = waiter.next_;
  }
}

void Scope::Finish(End end) {
  if (ended() || end == End::kNot) return;
  end_ = end;
  // Nothing is resumed from in here, so that neither list changes but by this loop.
  while (Waiter* waiter = first_waiter_) {
    Remove(*waiter);
    waiter->OnEnd();
  }
  for (Scope* child = first_child_; child != nullptr; child = child->next_sibling_) child->Finish(end);
}

}  // namespace sealift::engine
