#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sealift::dns {

// What a domain asks of whoever sends it mail (RFC 8461): which hosts may take it, over TLS with a certificate of their
// own. Pure; how a policy is found and kept is the engine's (engine/sts_policies.h).
struct StsPolicy {
  enum class Mode : uint8_t { kNone, kTesting, kEnforce };

  static constexpr size_t kTextBytesMax = size_t{64} * 1024;  // RFC 8461 3.3 suggests it
  static constexpr size_t kPatternsMax = 100;
  static constexpr absl::Duration kMaxAgeMax = absl::Seconds(31'557'600);  // 3.2: a year

  Mode mode = Mode::kNone;
  std::vector<std::string> mx;  // "mx1.example.com", or "*.example.net": one left-most label, not more
  absl::Duration max_age;       // a longer one is taken for the longest
  std::string text;             // as it was published: what a report quotes

  // Whether `host`, as HostName makes it, is one that the domain names (4.1).
  bool Admits(std::string_view host) const;

  // The file at /.well-known/mta-sts.txt (3.2). Of a field that stands twice the first counts, except mx; unknown
  // fields are passed over. InvalidArgument, in words without anything of the text: not a policy.
  static absl::StatusOr<StsPolicy> Parse(std::string_view text);

  friend bool operator==(const StsPolicy&, const StsPolicy&) = default;
};

std::string_view ToString(StsPolicy::Mode mode);  // "none", "testing", "enforce"

// The id of a domain's policy, from the TXT records of `_mta-sts.DOMAIN` (3.1). Nothing when no record, or more than
// one, begins with `v=STSv1`: the domain then has no policy.
std::optional<std::string> StsId(std::span<const std::string> texts);

}  // namespace sealift::dns
