#include "engine/campaign_settings.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace sealift::engine {

std::string CampaignSettings::ToText() const {
  nlohmann::json json = nlohmann::json::object();
  if (!rate.unlimited()) json["rate"] = engine::ToText(rate);
  if (start_at.has_value()) json["start_at"] = absl::ToUnixMillis(*start_at);
  if (start) json["start"] = true;
  return json.dump();
}

absl::StatusOr<CampaignSettings> CampaignSettings::Parse(std::string_view text) {
  CampaignSettings settings;
  if (text.empty()) return settings;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const absl::Status unreadable = absl::DataLossError("the campaign's settings are not readable");
  if (!json.is_object()) return unreadable;
  if (const auto found = json.find("rate"); found != json.end()) {
    if (!found->is_string()) return unreadable;
    const absl::StatusOr<Rate> rate = ParseRate(found->get<std::string>());
    if (!rate.ok()) return rate.status();
    settings.rate = *rate;
  }
  if (const auto found = json.find("start_at"); found != json.end()) {
    if (!found->is_number_integer()) return unreadable;
    settings.start_at = absl::FromUnixMillis(found->get<int64_t>());
  }
  if (const auto found = json.find("start"); found != json.end()) {
    if (!found->is_boolean()) return unreadable;
    settings.start = found->get<bool>();
  }
  return settings;
}

}  // namespace sealift::engine
