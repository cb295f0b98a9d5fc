#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/campaign_limits.h"
#include "engine/message/recipient_format.h"
#include "engine/message/template.h"
#include "queue/campaign.h"

namespace sealift::engine {

// What the engine keeps with a campaign beside what the queue knows: the queue stores it sealed and does not read it.
struct CampaignSettings {
  static constexpr int kWeightMax = 100;

  CampaignLimits limits;               // --rate, --messages-per-day, ...
  int weight = 1;                      // --weight: so many messages for each of a campaign of weight 1 (to kWeightMax)
  std::optional<absl::Time> start_at;  // --start-at: it starts by itself then
  bool start = false;                  // --start: it starts once it is loaded completely

  absl::Duration erase_after;  // from when it is done; zero: never
  // How the template's names are read. A campaign of before there were paths has none, whatever its format is.
  Template::Names names = Template::Names::kColumns;

  bool tls_report = false;  // of the engine's own reports about TLS
  std::string test_of;      // the campaign that this is a test of; empty: of none

  // What a load that resumes must have been begun with, beside the spec.
  std::string key_column;  // --key-column; "": events name rows by their number
  RecipientFormat format = RecipientFormat::kCsv;
  std::vector<std::pair<std::string, std::string>> require;  // --require

  // Which of a row's fields names it in events, of a campaign with these columns.
  std::optional<size_t> KeyField(const std::vector<std::string>& columns) const;

  std::string ToText() const;
  static absl::StatusOr<CampaignSettings> Parse(std::string_view text);
};

// The same of a campaign as the store has it.
std::optional<size_t> KeyFieldOf(const queue::Campaign& campaign);

}  // namespace sealift::engine
