#include "engine/runtime/signal.h"

#include "engine/runtime/check.h"
#include "engine/runtime/ring.h"

namespace sealift::engine {

Signal::~Signal() { CHECK(waiting_ == 0, "nobody waits for a signal that is destroyed"); }

bool Signal::Waiting::Begin(Scope& scope, std::coroutine_handle<> awaiter) {
  scope_ = &scope;
  ended_ = scope.ended();
  if (ended_) return false;
  awaiter_ = awaiter;
  scope.Add(*this);
  previous_ = signal_.last_;
  (previous_ == nullptr ? signal_.first_ : previous_->next_) = this;
  signal_.last_ = this;
  ++signal_.waiting_;
  return true;
}

void Signal::Waiting::OnEnd() {
  ended_ = true;
  signal_.Remove(*this);
  scope_->ring().MakeReady(awaiter_);
}

void Signal::Remove(Waiting& waiting) {
  (waiting.previous_ == nullptr ? first_ : waiting.previous_->next_) = waiting.next_;
  (waiting.next_ == nullptr ? last_ : waiting.next_->previous_) = waiting.previous_;
  --waiting_;
}

void Signal::NotifyOne() {
  if (first_ == nullptr) return;
  Waiting& waiting = *first_;
  Remove(waiting);
  waiting.scope_->Remove(waiting);
  waiting.scope_->ring().MakeReady(waiting.awaiter_);
}

void Signal::NotifyAll() {
  while (first_ != nullptr) NotifyOne();
}

}  // namespace sealift::engine
