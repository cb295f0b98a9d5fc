#include "engine/runtime/operation.h"

#include <cerrno>

#include "engine/runtime/ring.h"

namespace sealift::engine {

bool Operation::Begin(Scope& scope, std::coroutine_handle<> awaiter) {
  scope_ = &scope;
  if (scope.ended()) {
    ended_ = true;
    result_ = -ECANCELED;
    return false;
  }
  awaiter_ = awaiter;
  scope.Add(*this);
  ring_.Start(*this);
  return true;
}

void Operation::OnEnd() {
  ended_ = true;
  ring_.Cancel(*this);
}

void Operation::OnCompletion(int result) {
  result_ = result;
  scope_->Remove(*this);
  ring_.MakeReady(awaiter_);
}

absl::Status Operation::Failure() const {
  const int error = -result_;
  if (ended_ && (error == ECANCELED || error == EINTR)) return scope_->status();
  absl::Status status = absl::ErrnoToStatus(error, request_.verb);
  // Kept apart from what only a scope may answer (DeadlineExceeded) and from misuse (FailedPrecondition).
  if (error == ETIMEDOUT || error == EPIPE) return absl::UnavailableError(status.message());
  return status;
}

}  // namespace sealift::engine
