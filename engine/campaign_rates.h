#pragma once

#include "engine/units.h"

namespace sealift::engine {

// What a campaign was loaded with for its pace: both bind. Unlimited by default.
struct CampaignRates {
  Rate rate;   // --rate
  Rate a_day;  // --messages-per-day, spread over any 24 hours
};

}  // namespace sealift::engine
