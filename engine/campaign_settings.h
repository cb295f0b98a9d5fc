#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/units.h"

namespace sealift::engine {

// What the engine keeps with a campaign beside what the queue knows: the queue stores it sealed and does not read it.
struct CampaignSettings {
  Rate rate;                           // --rate; unlimited by default
  std::optional<absl::Time> start_at;  // --start-at: it starts by itself then
  bool start = false;                  // --start: it starts once it is loaded completely

  std::string ToText() const;
  static absl::StatusOr<CampaignSettings> Parse(std::string_view text);
};

}  // namespace sealift::engine
