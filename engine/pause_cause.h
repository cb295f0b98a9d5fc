#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace sealift::engine {

// Who paused a campaign, when and why: kept with the queue, so that it is known for as long as the pause lasts.
struct PauseCause {
  static constexpr std::string_view kBreaker = "circuit breaker";

  std::string by;      // an operator's user name, or kBreaker
  std::string reason;  // what the operator gave, if anything; what the breaker has counted
  absl::Time time;

  // "by the circuit breaker: 6 of 100 messages bounced hard"
  std::string Describe() const;

  std::string ToText() const;
  // Nothing: it is not what ToText wrote.
  static std::optional<PauseCause> Parse(std::string_view text);
};

}  // namespace sealift::engine
