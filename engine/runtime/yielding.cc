#include "engine/runtime/yielding.h"

#include "engine/runtime/ring.h"

namespace sealift::engine {

bool Yielding::Begin(Scope& scope, std::coroutine_handle<> awaiter) {
  scope_ = &scope;
  if (scope.ended()) return false;
  ring_.yielded_.push_back(awaiter);
  return true;
}

}  // namespace sealift::engine
