#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdio>
#include <cstdlib>

namespace sealift::fuzz {

// What must hold of every input. A fuzzer keeps the input of a run that ends here.
inline void Holds(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "this does not hold: %s\n", what);
  std::abort();
}

}  // namespace sealift::fuzz
