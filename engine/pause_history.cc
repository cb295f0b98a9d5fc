#include "engine/pause_history.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace sealift::engine {
namespace {

using nlohmann::json;

PauseCause ParseCause(const json& read) {
  return PauseCause{
      .by = read.at("by"), .reason = read.at("reason"), .time = absl::FromUnixNanos(read.at("time").get<int64_t>())};
}

}  // namespace

std::string PauseCause::Describe() const {
  const std::string who = by == kBreaker ? fmt::format("the {}", by) : by;
  return reason.empty() ? fmt::format("by {}", who) : fmt::format("by {}: {}", who, reason);
}

void PauseHistory::Add(bool paused, PauseCause cause) {
  if (entries.size() == kEntriesMax) entries.erase(entries.begin());
  entries.push_back({.paused = paused, .cause = std::move(cause)});
}

std::optional<PauseCause> PauseHistory::cause() const {
  if (entries.empty() || !entries.back().paused) return std::nullopt;
  return entries.back().cause;
}

std::string PauseHistory::ToText() const {
  json text = {{"history", json::array()}};
  for (const Entry& entry : entries) {
    text["history"].push_back({{"paused", entry.paused},
                               {"by", entry.cause.by},
                               {"reason", entry.cause.reason},
                               {"time", absl::ToUnixNanos(entry.cause.time)}});
  }
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<PauseHistory> PauseHistory::Parse(std::string_view text) {
  const json read = json::parse(text, nullptr, /*allow_exceptions=*/false);
  PauseHistory history;
  try {
    if (!read.contains("history")) {
      history.Add(true, ParseCause(read));
      return history;
    }
    for (const json& entry : read.at("history")) history.Add(entry.at("paused"), ParseCause(entry));
    return history;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

}  // namespace sealift::engine
