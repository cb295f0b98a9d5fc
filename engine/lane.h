#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "engine/claim.h"
#include "engine/row_window.h"
#include "engine/runtime/timer_wheel.h"
#include "engine/shaping/classification.h"
#include "engine/tls_requirement.h"
#include "queue/types.h"

namespace sealift::engine {

class LaneTable;
struct ActiveCampaign;
struct Hold;
struct SendQueue;

// What is known of a domain that has no site: why, and whether its rows bounce or wait.
struct LaneVerdict {
  Verdict verdict;
  std::string text;
  bool tried = false;  // one row has had this as its outcome

  bool Bounces() const { return verdict.action == Action::kBounce; }
};

// A row that is found unfit to be sent as soon as it is read: its recipient is suppressed, or is sated.
struct WithheldClaim {
  Claim claim;
  std::optional<absl::Time> sated_since;  // the first message of those that recipient_cap counts
};

// Rows that an operator keeps.
struct HeldRows {
  std::shared_ptr<const Hold> hold;
  uint64_t rows = 0, retrying = 0;  // the latter are part of the first
};

// Lane is what one campaign has for one destination, and the bounded window of its rows that is in memory.
//
// A lane is forgotten only when every row that it claimed is settled and durable; before that, reading its rows again
// would send them twice.
//
// Owned by:  the scheduler of the shard that has its site.
// Threads:   that shard's.
struct Lane {
  explicit Lane(LaneTable& in) : table(in), due_timer(Timer::Calling<&Lane::OnDue>(this)) {}
  void OnDue();  // of due_timer

  LaneTable& table;
  queue::LaneId id;
  std::shared_ptr<ActiveCampaign> campaign;
  std::string domain;
  bool transactional = false;  // its stream's kind, when it was taken up
  DomainSecurity security;     // of its domain, as it was resolved
  SendQueue* queue = nullptr;  // null until its domain is resolved

  RowWindow window;
  std::list<WithheldClaim> withheld;       // claimed, and to be settled unsent
  size_t rows_listed = 0;                  // of the window, as its queue has counted them
  size_t ahead = 0;                        // rows in its queue's ready list
  std::string fresh_cursor, retry_cursor;  // where the next read starts
  int packs_next = 1;                      // how many packs the next read asks for; grows while the lane drains
  int unsettled = 0;                       // rows handed out whose outcome is not durable
  int unanswered = 0;                      // of those, rows that have none yet
  bool reading = false;                    // a read is under way
  bool reading_fresh = false;              // and it asks for fresh rows too
  bool fresh = true;                       // the store may have fresh rows behind the cursor
  bool more = true;                        // the store may have rows that are due and not in the window
  // Where it stands in its queue's list of lanes with rows.
  std::optional<std::list<Lane*>::iterator> listed;
  bool frozen = false;                 // an operator's command is moving its rows: no reads
  bool recount = false;                // how many rows it has is to be read again
  std::shared_ptr<const Hold> hold;    // keeps the whole lane: nothing of it is read
  bool holds_rows = false;             // some of its rows may be held: each is asked about
  std::vector<HeldRows> held;          // by hold: read since the last Rewind, and passed over
  bool discarded = false;              // its window was given back: to be forgotten, and found again, once it is idle
  std::optional<LaneVerdict> verdict;  // its domain has no site
  int lookup_failures = 0;             // in a row
  absl::Time lookup_at = absl::InfinitePast();  // the next try, while the verdict is one that waits
  int64_t queued = 0, retrying = 0;             // rows of it in the store, in flight included
  int64_t sated = 0;                            // of retrying, those that wait for their recipient's cap
  absl::Time next_due = absl::InfiniteFuture();
  Timer due_timer;

  // Every row that was read of it has an outcome.
  bool Answered() const { return window.empty() && ahead == 0 && unanswered == 0; }

  // Its domain could not be resolved, and is looked up again at lookup_at.
  bool AwaitsLookUp() const { return verdict.has_value() && verdict->tried && !verdict->Bounces(); }

  // Nothing of it is in use: it can be forgotten and found again in the store.
  bool Idle() const {
    return window.empty() && withheld.empty() && ahead == 0 && unsettled == 0 && !reading && !frozen;
  }
};

}  // namespace sealift::engine
