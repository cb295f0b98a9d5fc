#pragma once

#include <algorithm>
#include <string_view>

#include "absl/status/status.h"
#include "engine/exit_code.h"
#include "engine/failure_parts.h"

namespace sealift::engine {

// What a campaign may be called: its name stands in paths of the API and of operators' scripts.
inline absl::Status CheckCampaignName(std::string_view name) {
  constexpr size_t kMax = 64;
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const auto may_follow = [&](char c) { return is_plain(c) || c == '.' || c == '-' || c == '_'; };
  if (!name.empty() && name.size() <= kMax && is_plain(name.front()) && std::ranges::all_of(name, may_follow)) {
    return absl::OkStatus();
  }
  return WithNext(
      WithExit(absl::InvalidArgumentError("a campaign's name has up to 64 letters, digits, dots, dashes and "
                                          "underscores, and begins with a letter or digit"),
               ExitCode::kUsage),
      "Give it another NAME.");
}

}  // namespace sealift::engine
