#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/message/recipient_format.h"

namespace sealift::tools {

// A time as people give it: 2026-12-01T09:00:00Z, "now", now+30m, now-2h. `flag` names it in the error (exit 64).
absl::StatusOr<absl::Time> ParseTimeArgument(const std::string& flag, const std::string& text, absl::Time now);

// How often something is looked at: 2s, 500ms. At least 100ms. Errors: exit 64.
absl::StatusOr<absl::Duration> ParseIntervalArgument(const std::string& flag, const std::string& text);

// RFC 3339 in UTC, as the daemon reads it.
std::string FormatTimeArgument(absl::Time time);

// "column=value". Errors: exit 64.
absl::StatusOr<std::pair<std::string, std::string>> ParsePair(const std::string& flag, const std::string& text);

// A whole number from `min` to `max`. Errors: exit 64.
absl::StatusOr<int> ParseCount(const std::string& flag, const std::string& text, int min, int max);

// How a recipient file is written: what --format says, else its name. Errors: exit 64.
absl::StatusOr<engine::RecipientFormat> ParseFormatArgument(const std::string& text, const std::string& file_name);

}  // namespace sealift::tools
