#pragma once

#include <cstdio>
#include <cstdlib>

namespace sealift::engine {

// Prints where and why to stderr and aborts.
[[noreturn]] inline void CheckFailed(const char* file, int line, const char* condition, const char* sentence) {
  std::fprintf(stderr, "%s:%d: check failed: %s: %s\n", file, line, condition, sentence);
  std::fflush(stderr);
  std::abort();
}

}  // namespace sealift::engine

// CHECK(condition, "sentence") ends the process when a programmer broke a promise; the sentence says which. It is on in
// every build. What the outside world can cause is a status, never a CHECK.
#define CHECK(condition, sentence)                                              \
  do {                                                                          \
    if (!(condition)) [[unlikely]] {                                            \
      ::sealift::engine::CheckFailed(__FILE__, __LINE__, #condition, sentence); \
    }                                                                           \
  } while (false)
