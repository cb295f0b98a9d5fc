#pragma once

#include <string>
#include <vector>

#include "dns/answer.h"
#include "engine/tls_requirement.h"

namespace sealift::engine {

// What makes a site: domains with the same hosts at the same preferences are one. `security` is the domain's own that
// led to it.
struct SiteIdentity {
  std::string key;
  std::vector<dns::MxHost> hosts;
  DomainSecurity security = {};
};

}  // namespace sealift::engine
