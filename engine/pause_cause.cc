#include "engine/pause_cause.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace sealift::engine {

using nlohmann::json;

std::string PauseCause::Describe() const {
  const std::string who = by == kBreaker ? fmt::format("the {}", by) : by;
  return reason.empty() ? fmt::format("by {}", who) : fmt::format("by {}: {}", who, reason);
}

std::string PauseCause::ToText() const {
  return json({{"by", by}, {"reason", reason}, {"time", absl::ToUnixNanos(time)}})
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<PauseCause> PauseCause::Parse(std::string_view text) {
  const json read = json::parse(text, nullptr, /*allow_exceptions=*/false);
  try {
    return PauseCause{
        .by = read.at("by"), .reason = read.at("reason"), .time = absl::FromUnixNanos(read.at("time").get<int64_t>())};
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

}  // namespace sealift::engine
