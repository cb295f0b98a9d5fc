#pragma once

#include <cstdint>

namespace sealift::engine {

// How many rows a filter means.
struct RowCount {
  uint64_t rows = 0;
  uint64_t unplaced = 0;  // not among them: what may be meant, to domains of which nobody knows whose hosts they have
};

}  // namespace sealift::engine
