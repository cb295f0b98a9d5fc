#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/database.h"
#include "queue/event.h"
#include "queue/key_ring.h"
#include "queue/outcome.h"
#include "queue/pack.h"
#include "queue/row_moves.h"
#include "queue/sealer.h"

namespace sealift::queue {

// A settled row that is kept for a replay: when it was settled (8 bytes, in clear: retention reads it without the key),
// then, sealed, its lane, the outcome and a pack of one. The time is part of the additional data.
absl::Status EncodeParked(Sealer* sealer, const Outcome& outcome, const Row& row, std::string_view key,
                          std::string* value);

absl::StatusOr<ParkedRow> DecodeParkedRow(Unsealer* unsealer, std::string_view key, std::string_view value);

// Nothing: it is not parked.
absl::StatusOr<std::optional<ParkedRow>> FindParkedRow(Database* database, Unsealer* unsealer, CampaignId campaign,
                                                       RowId row);

// A pack as a claim would have it, of a row that is not in the schedule any more.
absl::StatusOr<std::shared_ptr<Pack>> PackOf(const MessageKey& message, const StoredRow& row);

// False: too short to be one.
[[nodiscard]] bool ParkedTime(std::string_view value, absl::Time* settled);

}  // namespace sealift::queue
