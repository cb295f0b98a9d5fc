#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/scenario/harness/json.h"

namespace sealift::scenario {

// Events by the domain of their recipient, in their order.
std::map<std::string, std::vector<Json>> ByDomain(const std::vector<Json>& events);

}  // namespace sealift::scenario
