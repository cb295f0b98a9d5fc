#include "tls/policy.h"

#include <algorithm>

namespace sealift::tls {

std::string_view ToString(Policy policy) {
  switch (policy) {
    case Policy::kOpportunistic:
      return "opportunistic";
    case Policy::kRequire:
      return "require";
    case Policy::kVerify:
      return "verify";
    case Policy::kDane:
      return "dane";
  }
  return "unknown";
}

std::optional<Policy> ParsePolicy(std::string_view name) {
  for (const Policy policy : {Policy::kOpportunistic, Policy::kRequire, Policy::kVerify, Policy::kDane}) {
    if (name == ToString(policy)) return policy;
  }
  return std::nullopt;
}

Policy Stricter(Policy a, Policy b) { return std::max(a, b); }

}  // namespace sealift::tls
