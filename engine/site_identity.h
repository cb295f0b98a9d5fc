#pragma once

#include <string>
#include <vector>

#include "dns/answer.h"

namespace sealift::engine {

// What makes a site: domains with the same hosts at the same preferences are one.
struct SiteIdentity {
  std::string key;
  std::vector<dns::MxHost> hosts;
};

}  // namespace sealift::engine
