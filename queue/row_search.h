#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/database.h"
#include "queue/event.h"
#include "queue/pack.h"
#include "queue/sealer.h"
#include "queue/types.h"

namespace sealift::queue {

// Where a queued row is.
struct RowPlace {
  std::shared_ptr<Pack> pack;
  uint8_t index = 0;
};

// RowSearch finds queued rows by their keys, to settle them in one commit; each pack is opened once, so that all that
// is settled of it is settled in the same one.
//
// Threads: the committer's, between two commits.
class RowSearch {
 public:
  RowSearch(Database* database, Unsealer* unsealer) : database_(database), unsealer_(unsealer) {}

  // In the pack at that place of the schedule.
  absl::StatusOr<std::optional<RowPlace>> At(const std::string& rows_key, RowId row);

  // Fresh packs of a lane are in the order of their rows: only the last that does not begin after the row can have it.
  absl::StatusOr<std::optional<RowPlace>> Fresh(const MessageKey& message);

  // Those of the lane's rows that wait for another try or are in doubt, wherever they are: one pass for all that are
  // wanted.
  absl::Status Retrying(LaneId lane, const std::set<RowId>& wanted, std::map<MessageKey, RowPlace>* found);

 private:
  absl::StatusOr<std::shared_ptr<Pack>> Open(const std::string& key, std::string_view value);

  Database* const database_;
  Unsealer* const unsealer_;
  std::map<std::string, std::shared_ptr<Pack>> packs_;
};

}  // namespace sealift::queue
