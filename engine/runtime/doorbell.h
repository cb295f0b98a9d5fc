#pragma once

#include <atomic>

namespace sealift::engine {

class Ring;

// Doorbell is how another thread calls a function on a ring's thread: pressed any number of times, it is answered at
// least once after the last press. A press wakes the ring by its eventfd only if the ring sleeps.
//
// Owned by:  what the answer belongs to; destroyed on the ring's thread (or when the ring does not run), after the last
//            press.
// Threads:   Press from any; the answer runs on the ring's, before ready coroutines do.
// Errors:    none.
class Doorbell {
 public:
  using Function = void (*)(void* context);

  Doorbell(Ring& ring, Function answer, void* context) : ring_(ring), answer_(answer), context_(context) {}
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;
  ~Doorbell();

  // Everything the caller did before is visible to the answer.
  void Press();

 private:
  friend class Ring;

  Ring& ring_;
  const Function answer_;
  void* const context_;
  std::atomic<bool> pressed_{false};
  Doorbell* next_ = nullptr;  // in the ring's list, while pressed
};

}  // namespace sealift::engine
