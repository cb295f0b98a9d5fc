#include "engine/campaign_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sealift::engine {

std::string CampaignSettings::ToText() const {
  nlohmann::json json = nlohmann::json::object();
  if (!limits.rate.unlimited()) json["rate"] = engine::ToText(limits.rate);
  if (!limits.a_day.unlimited()) json["a_day"] = engine::ToText(limits.a_day);
  if (limits.connections > 0) json["connections"] = limits.connections;
  if (!limits.connection_rate.unlimited()) json["connection_rate"] = engine::ToText(limits.connection_rate);
  if (limits.messages_per_connection > 0) json["messages_per_connection"] = limits.messages_per_connection;
  if (weight != 1) json["weight"] = weight;
  if (start_at.has_value()) json["start_at"] = absl::ToUnixMillis(*start_at);
  if (start) json["start"] = true;
  if (erase_after > absl::ZeroDuration()) json["erase_after"] = absl::ToInt64Milliseconds(erase_after);
  if (tls_report) json["tls_report"] = true;
  if (!test_of.empty()) json["test_of"] = test_of;
  if (names == Template::Names::kPaths) json["paths"] = true;
  if (!key_column.empty()) json["key_column"] = key_column;
  if (format != RecipientFormat::kCsv) json["format"] = engine::ToString(format);
  if (!require.empty()) json["require"] = require;
  return json.dump();
}

absl::StatusOr<CampaignSettings> CampaignSettings::Parse(std::string_view text) {
  CampaignSettings settings;
  if (text.empty()) return settings;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const absl::Status unreadable = absl::DataLossError("the campaign's settings are not readable");
  if (!json.is_object()) return unreadable;
  CampaignLimits& limits = settings.limits;
  for (const auto& [name, into] :
       {std::pair{"rate", &limits.rate}, {"a_day", &limits.a_day}, {"connection_rate", &limits.connection_rate}}) {
    const auto found = json.find(name);
    if (found == json.end()) continue;
    if (!found->is_string()) return unreadable;
    const absl::StatusOr<Rate> rate = ParseRate(found->get<std::string>());
    if (!rate.ok()) return rate.status();
    *into = *rate;
  }
  for (const auto& [name, into] :
       {std::pair{"connections", &limits.connections}, {"messages_per_connection", &limits.messages_per_connection}}) {
    const auto found = json.find(name);
    if (found == json.end()) continue;
    if (!found->is_number_unsigned()) return unreadable;
    *into = found->get<int>();
  }
  if (const auto found = json.find("weight"); found != json.end()) {
    if (!found->is_number_integer()) return unreadable;
    settings.weight = std::clamp(found->get<int>(), 1, kWeightMax);
  }
  if (const auto found = json.find("start_at"); found != json.end()) {
    if (!found->is_number_integer()) return unreadable;
    settings.start_at = absl::FromUnixMillis(found->get<int64_t>());
  }
  if (const auto found = json.find("start"); found != json.end()) {
    if (!found->is_boolean()) return unreadable;
    settings.start = found->get<bool>();
  }
  if (const auto found = json.find("erase_after"); found != json.end()) {
    if (!found->is_number_integer()) return unreadable;
    settings.erase_after = absl::Milliseconds(found->get<int64_t>());
  }
  if (const auto found = json.find("tls_report"); found != json.end()) {
    if (!found->is_boolean()) return unreadable;
    settings.tls_report = found->get<bool>();
  }
  if (const auto found = json.find("paths"); found != json.end()) {
    if (!found->is_boolean()) return unreadable;
    if (found->get<bool>()) settings.names = Template::Names::kPaths;
  }
  for (const auto& [name, into] : {std::pair{"key_column", &settings.key_column}, {"test_of", &settings.test_of}}) {
    const auto found = json.find(name);
    if (found == json.end()) continue;
    if (!found->is_string()) return unreadable;
    *into = found->get<std::string>();
  }
  if (const auto found = json.find("format"); found != json.end()) {
    const auto format = ParseRecipientFormat(found->is_string() ? found->get<std::string>() : "");
    if (!format.has_value()) return unreadable;
    settings.format = *format;
  }
  if (const auto found = json.find("require"); found != json.end()) {
    if (!found->is_array()) return unreadable;
    for (const nlohmann::json& pair : *found) {
      if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) return unreadable;
      settings.require.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
    }
  }
  return settings;
}

std::optional<size_t> CampaignSettings::KeyField(const std::vector<std::string>& columns) const {
  const auto found = key_column.empty() ? columns.end() : std::ranges::find(columns, key_column);
  if (found == columns.end()) return std::nullopt;
  return static_cast<size_t>(found - columns.begin());
}

std::optional<size_t> KeyFieldOf(const queue::Campaign& campaign) {
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(campaign.spec.settings_json);
  return settings.ok() ? settings->KeyField(campaign.spec.columns) : std::nullopt;
}

}  // namespace sealift::engine
