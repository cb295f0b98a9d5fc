#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "queue/event.h"
#include "queue/order.h"
#include "queue/outcome.h"
#include "queue/suppression.h"
#include "queue/types.h"

namespace sealift::queue {

// Moves of rows that an operator ordered, a bounded number a commit. The order's record is written with them: what it
// counts is exact after a crash, and what was moved is not found again.

// Settles queued rows of one lane, which nobody may have claimed.
struct SettleStep {
  LaneId lane;
  std::string after;  // what the last step returned; empty: the lane's beginning
  // The outcome that a row is to have; nothing: it stays. On the committer's thread.
  std::function<std::optional<Outcome>(const Pack& pack, const Row& row)> judge;
  std::function<Order(uint64_t settled)> record;
};
struct SettledRows {
  uint64_t rows = 0, retrying = 0;  // settled, and how many of them waited for another try
  std::string after;
  bool done = false;  // the lane has no more
};

// A row that was settled and is kept until retention.
struct ParkedRow {
  StoredRow row;
  OutcomeKind kind = OutcomeKind::kBounced;
  std::string reason_class;
  int code = 0;
  absl::Time settled;
};
struct ParkedPage {
  std::vector<ParkedRow> rows;
  RowId after{};
  bool done = false;
};

// A part of a cancelled campaign's rows, once they are parked.
struct ParkedSome {
  std::string after;  // where the next part begins
  bool done = false;  // all are
};

// Accepts parked rows of one campaign anew, each to be sent at its own time: never tried, with an expiry of its own.
// One that is not parked any more, or is not meant as it is parked now, or is still under way (Intent), or whose
// recipient is suppressed, stays as it is.
struct ReplayStep {
  struct Row {
    RowId row{};
    absl::Time due, expires;
  };
  CampaignId campaign{};
  std::optional<Mailing> mailing;  // what suppressions are asked for; nothing: whoever is suppressed too
  absl::Time accepted;
  std::vector<Row> rows;
  std::function<bool(const ParkedRow&)> meant;  // on the committer's thread; null: all of them are
  std::function<Order(uint64_t replayed, uint64_t suppressed)> record;  // null: it is of no order
};
struct ReplayedRows {
  struct Lane {
    LaneId lane;
    uint64_t rows = 0;
    absl::Time due;  // of the first
  };
  uint64_t rows = 0, suppressed = 0;
  std::vector<Lane> lanes;
};

}  // namespace sealift::queue
