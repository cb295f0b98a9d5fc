#include "tools/sealift/arguments.h"

#include <fmt/format.h>

#include <charconv>

#include "engine/smtp/utf8.h"
#include "engine/units.h"
#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

absl::Status Usage(const std::string& flag, const std::string& text, const std::string& why, const std::string& next) {
  return Fail(engine::ExitCode::kUsage, {fmt::format("--{} cannot be `{}`", flag, text), "", why, next});
}

}  // namespace

absl::StatusOr<absl::Time> ParseTimeArgument(const std::string& flag, const std::string& text, absl::Time now) {
  absl::Time time;
  std::string error;
  if (text == "now") return now;
  // Abseil also reads "infinite-future", which is no time to start at.
  if (text.find("infinite") == std::string::npos && absl::ParseTime(absl::RFC3339_full, text, &time, &error))
    return time;
  if (text.starts_with("now+") || text.starts_with("now-")) {
    const absl::StatusOr<absl::Duration> duration = engine::ParseDuration(text.substr(4));
    if (duration.ok()) return text[3] == '+' ? now + *duration : now - *duration;
  }
  return Usage(flag, text, "It is neither a time nor a distance from now.",
               "Write it as 2026-12-01T09:00:00Z, or as now+30m or now-2h.");
}

absl::StatusOr<absl::Duration> ParseIntervalArgument(const std::string& flag, const std::string& text) {
  const absl::StatusOr<absl::Duration> interval = engine::ParseDuration(text);
  if (!interval.ok()) return Usage(flag, text, std::string(interval.status().message()), "");
  if (*interval < absl::Milliseconds(100)) return Usage(flag, text, "It must be at least 100ms.", "");
  return interval;
}

std::string FormatTimeArgument(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<std::pair<std::string, std::string>> ParsePair(const std::string& flag, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Usage(flag, text, "It has no column and value.", fmt::format("Write it as --{} column=value.", flag));
  }
  if (!engine::IsUtf8(text)) {
    return Fail(engine::ExitCode::kUsage, {fmt::format("--{}: it cannot be used", flag), "", "It is not UTF-8.",
                                           "Give the command in a terminal or a script that writes UTF-8."});
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

absl::StatusOr<int> ParseCount(const std::string& flag, const std::string& text, int min, int max) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    return Usage(flag, text, fmt::format("It must be a whole number from {} to {}.", min, max), "");
  }
  return value;
}

absl::StatusOr<engine::RecipientFormat> ParseFormatArgument(const std::string& text, const std::string& file_name) {
  if (text.empty()) return engine::RecipientFormatOf(file_name);
  const std::optional<engine::RecipientFormat> format = engine::ParseRecipientFormat(text);
  if (format.has_value()) return *format;
  return Fail(engine::ExitCode::kUsage, {"--format: no such format", text, "There are csv, tsv and ndjson.",
                                         "Give one of them; compression needs no word, it is seen in the file."});
}

}  // namespace sealift::tools
