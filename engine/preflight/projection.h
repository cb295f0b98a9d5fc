#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "engine/binding_rates.h"
#include "engine/shaping/warmup.h"

namespace sealift::engine {

// The least time in which rows can leave under the rates that bind them.
//
// Each rate is looked at alone: all rows that it binds, at its full speed. What is asked of several sources takes the
// sum of theirs. The slowest answer is the projection. Nothing can be faster; connections, deferrals, other campaigns
// of the same stream and the receivers' own speed may make it slower.

// Rows that the same rates bind, whichever of the pool's sources they leave by.
struct ProjectedRows {
  uint64_t rows = 0;
  std::vector<std::vector<BindingRate>> by_source;  // as BindingRates gives them, one of each source
};

struct Projection {
  absl::Duration takes;
  std::string kind, name, value, set_by;  // of the rate that binds
  uint64_t rows = 0;                      // that it binds
  double per_second = 0;                  // how fast it lets them go
};

// Nothing when no rate binds any of them.
std::optional<Projection> Project(const std::vector<ProjectedRows>& groups);

// When rows have left to one who judges senders, where all sources that may carry them warm up. Each day to come goes
// well.
struct WarmupProjection {
  absl::Time finish;
  uint64_t late = 0;  // rows that have not left when they expire
};
WarmupProjection ProjectWarmup(uint64_t rows, std::vector<Warmup> sources, absl::Time start, absl::Time expires);

}  // namespace sealift::engine
