#include "tests/scenario/harness/by_domain.h"

namespace sealift::scenario {

std::map<std::string, std::vector<Json>> ByDomain(const std::vector<Json>& events) {
  std::map<std::string, std::vector<Json>> by_domain;
  for (const Json& event : events) {
    const std::string recipient = event["recipient"].Text();
    by_domain[recipient.substr(recipient.find('@') + 1)].push_back(event);
  }
  return by_domain;
}

}  // namespace sealift::scenario
