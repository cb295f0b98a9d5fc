// The policy that a domain's web server gives, and the TXT record that leads to it: whatever the bytes, there is a
// bounded policy that names hosts, or none.
#include "dns/mta_sts.h"

#include <string>
#include <vector>

#include "dns/name.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const absl::StatusOr<dns::StsPolicy> policy = dns::StsPolicy::Parse(text);
  if (policy.ok()) {
    Holds(policy->mx.size() <= dns::StsPolicy::kPatternsMax, "a policy names a bounded number of hosts");
    Holds(policy->mode == dns::StsPolicy::Mode::kNone || !policy->mx.empty(), "what binds names a host");
    Holds(policy->max_age >= absl::ZeroDuration() && policy->max_age <= dns::StsPolicy::kMaxAgeMax,
          "no policy is kept for longer than a year");
    for (const std::string& pattern : policy->mx) {
      const bool wildcard = pattern.starts_with("*.");
      const std::string host = wildcard ? pattern.substr(2) : pattern;
      Holds(dns::HostName(host) == host, "a pattern is a name that may be asked for");
      Holds(policy->Admits(wildcard ? "a." + host : host), "a pattern admits what it names");
    }
    Holds(!policy->Admits(""), "nothing is no host");
    Holds(*dns::StsPolicy::Parse(policy->text) == *policy, "what is kept is read as it was");
  }
  const std::optional<std::string> id = dns::StsId(std::vector<std::string>{text});
  Holds(!id.has_value() || (!id->empty() && id->size() <= 32), "an id has 1 to 32 characters");
  return 0;
}

}  // namespace sealift::fuzz
