#include "engine/runtime/sleeping.h"

#include "engine/runtime/ring.h"

namespace sealift::engine {

bool Sleeping::Begin(Scope& scope, std::coroutine_handle<> awaiter) {
  scope_ = &scope;
  ended_ = scope.ended();
  if (ended_) return false;
  awaiter_ = awaiter;
  scope.Add(*this);
  ring_.timers().Arm(timer_, deadline_nanos_);
  return true;
}

void Sleeping::OnTimer() {
  scope_->Remove(*this);
  ring_.MakeReady(awaiter_);
}

void Sleeping::OnEnd() {
  ended_ = true;
  ring_.timers().Disarm(timer_);
  ring_.MakeReady(awaiter_);
}

}  // namespace sealift::engine
