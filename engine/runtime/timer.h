#pragma once

#include <cstdint>

namespace sealift::engine {

class TimerWheel;

// Timer calls a function once when its time has come. It is part of what it times, so that arming one allocates
// nothing; destroying it disarms it.
//
//   Timer timer_ = Timer::Calling<&Resolver::OnTimer>(this);
//
// Owned by:  what it times.
// Threads:   its wheel's.
class Timer {
 public:
  using Function = void (*)(void* context);

  Timer(Function function, void* context) : function_(function), context_(context) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  template <auto kMethod, typename Object>
  static Timer Calling(Object* object) {
    return Timer([](void* context) { (static_cast<Object*>(context)->*kMethod)(); }, object);
  }

  bool armed() const { return wheel_ != nullptr; }

 private:
  friend class TimerWheel;

  const Function function_;
  void* const context_;
  TimerWheel* wheel_ = nullptr;
  Timer* previous_ = nullptr;  // neighbours in the slot's ring
  Timer* next_ = nullptr;
  uint64_t tick_ = 0;
  uint8_t level_ = 0;
  uint8_t slot_ = 0;
};

}  // namespace sealift::engine
