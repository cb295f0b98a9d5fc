#include "engine/shaping/warmup.h"

#include <algorithm>

namespace sealift::engine {
namespace {

constexpr int kDensityMax = 4;

}  // namespace

bool Warmup::IsNewDay(absl::Time now) const {
  const absl::CivilDay today = DateOf(now);
  return standing_.day == 0 ? today >= plan_.first : today > standing_.date;
}

void Warmup::Advance(absl::Time now) {
  const bool earned = standing_.day == 0 || (!standing_.slowed && standing_.sent * 2 >= quota());
  const bool repeats = plan_.repeats_last && standing_.day >= last_day();
  const bool goes_on = earned && !standing_.frozen && !over() && !repeats;
  standing_ = {.day = standing_.day + (goes_on ? 1 : 0),
               .date = DateOf(now),
               .frozen = standing_.frozen,
               .day_order = std::move(standing_.day_order),
               .freeze_order = std::move(standing_.freeze_order)};
}

int64_t Warmup::quota() const {
  if (standing_.day == 0 || over()) return 0;
  return plan_.per_day[std::min(static_cast<size_t>(standing_.day), plan_.per_day.size()) - 1];
}

absl::Time Warmup::Ends(absl::Time now) const {
  const absl::CivilDay next = standing_.day == 0 ? plan_.first : std::max(DateOf(now), standing_.date) + 1;
  return absl::FromCivil(next, plan_.zone);
}

absl::Duration Warmup::TimeFor(int64_t messages, absl::Time now) const {
  const int64_t all = std::max<int64_t>(quota(), 1);
  return std::max(Ends(now) - now, absl::Hours(24) / kDensityMax * messages / all);
}

}  // namespace sealift::engine
