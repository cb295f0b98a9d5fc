#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/queue_filter.h"
#include "queue/store.h"

namespace sealift::engine {

// Hold is a standing order of an operator about rows, those that arrive later included, until it is ended or its time
// is over. It only ever adds a reason to wait or another way out: backoff, limits, suppressions and expiry bind as
// before.
struct Hold {
  enum class Kind : uint8_t {
    kHold,        // queue hold: rows wait; with a source: they do not leave from it
    kSuspension,  // source suspend: nothing leaves from a source, or nothing to one provider
    kRoute,       // queue route: rows leave from the sources of another pool than their stream's
    kJob,         // rows wait while a job moves them
  };
  struct Entry {
    absl::Time time;
    std::string what, by, reason;  // placed, ended
  };

  uint32_t number = 0;
  Kind kind = Kind::kHold;
  QueueFilter filter;
  std::string to_pool;             // kRoute
  std::string address;             // of the filter's source, whatever that is called by now; empty: it was not known
  std::vector<std::string> hosts;  // the same of the filter's provider, if it is a group of the configuration
  absl::Time until = absl::InfiniteFuture();
  std::vector<Entry> history;  // oldest first
  bool ended = false;

  std::string Id() const;  // "h12"
  const Entry& placed() const { return history.front(); }

  std::string ToText() const;
  // DataLoss: not what ToText wrote.
  static absl::StatusOr<Hold> Parse(uint32_t number, std::string_view text);
};

std::string_view ToString(Hold::Kind kind);  // hold, suspension, route, job

// HoldSet is all that is in force at one time. Each shard has the same one and asks it wherever rows become claimable:
// of a lane when it is taken up and when its site is known, of a row when it is claimed and just before MAIL.
//
// Owned by:  shared; immutable.
// Threads:   any.
class HoldSet {
 public:
  // How the rows of a lane may leave.
  struct Placement {
    std::string pool;                 // empty: their stream's
    std::vector<std::string> barred;  // sources, each named once
    bool operator==(const Placement&) const = default;
  };

  HoldSet() = default;
  HoldSet(std::vector<std::shared_ptr<const Hold>> holds, const queue::Store& store, uint64_t generation = 0);

  // A later set has a higher one.
  uint64_t generation() const { return generation_; }

  // The first that keeps the whole lane. Null: none.
  std::shared_ptr<const Hold> OnLane(const LaneFacts& lane) const;
  // The first that keeps some rows of the lane, which must be asked about one by one. Null: none.
  std::shared_ptr<const Hold> OfRows(const LaneFacts& lane) const;
  std::shared_ptr<const Hold> OnRow(const LaneFacts& lane, const RowFacts& row, absl::Time now) const;
  // When the last of those that keep the lane, or this row of it (null: no row is asked about), ends. InfinitePast:
  // none keeps it.
  absl::Time KeptUntil(const LaneFacts& lane, const RowFacts* row, absl::Time now) const;
  Placement PlacementOf(const LaneFacts& lane) const;

  bool empty() const { return orders_.empty(); }
  const std::vector<std::shared_ptr<const Hold>>& holds() const { return holds_; }

 private:
  struct Order {
    std::shared_ptr<const Hold> hold;
    RowMatcher matcher;
  };
  std::vector<std::shared_ptr<const Hold>> holds_;
  std::vector<Order> orders_;
  uint64_t generation_ = 0;
};

}  // namespace sealift::engine
