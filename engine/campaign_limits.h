#pragma once

#include "engine/units.h"

namespace sealift::engine {

// What a campaign was loaded with for its pace: all of it binds, beside what the configuration says. Nothing is limited
// by default.
struct CampaignLimits {
  Rate rate;                        // --rate
  Rate a_day;                       // --messages-per-day, spread over any 24 hours
  int connections = 0;              // --connections: that carry its mail at once; 0: not set
  Rate connection_rate;             // --connection-rate: those that are opened for its mail
  int messages_per_connection = 0;  // --messages-per-connection; 0: not set

  bool operator==(const CampaignLimits&) const = default;
};

}  // namespace sealift::engine
