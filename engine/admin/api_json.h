#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/node.h"
#include "engine/queue_filter.h"

namespace sealift::engine {

// What the API says, as JSON. The member names of an event are a contract; everything else only grows.

// "2026-11-21T21:44:41.123Z"; null for a time that never was or never will be.
nlohmann::json TimeJson(absl::Time time);
// RFC 3339. Errors: exit 64.
absl::StatusOr<absl::Time> ParseTime(std::string_view text);

// How long rows live that are accepted: a second at least, as the configuration has it.
absl::StatusOr<absl::Duration> ParseExpiresIn(std::string_view text);

// "delivered", "deferred", ...: an outcome of events. Errors: exit 64.
absl::StatusOr<queue::OutcomeKind> ParseOutcome(std::string_view text);

nlohmann::json ToJson(const CampaignStatus& status, absl::Time now);
nlohmann::json ToJson(const ShapeRow& row);
nlohmann::json ToJson(const QueueRow& row, bool reveal);
nlohmann::json ToJson(const DomainExplanation& explanation);
nlohmann::json ToJson(const QueueFilter& filter, bool reveal);

// Rows of which nobody can say whether a filter by provider means them; nothing where there are none.
void AddUnplaced(uint64_t rows, nlohmann::json& answer);

// What an event does not know itself: its campaign's name, and its Message-ID.
nlohmann::json ToJson(const queue::Event& event, std::string_view id, std::string_view campaign, bool reveal);

// Null unless the node was restored and everything is in doubt.
nlohmann::json RestoredJson(const std::optional<queue::Restored>& restored);

// {"error": {what, where, why, next, exit_code}}
nlohmann::json ErrorJson(const absl::Status& status, std::string_view what);
int HttpStatusOf(const absl::Status& status);

// Compact; bytes that are no UTF-8 are replaced, never a reason to fail.
std::string Dump(const nlohmann::json& value);

}  // namespace sealift::engine
