#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "queue/claim_epoch.h"
#include "queue/database.h"
#include "queue/due_horizon.h"
#include "queue/event_block.h"
#include "queue/intent.h"
#include "queue/key_ring.h"
#include "queue/lane_value.h"
#include "queue/outcome.h"
#include "queue/sealer.h"
#include "queue/suppression_list.h"
#include "queue/tallies.h"

namespace rocksdb {
class WriteBatch;
}

namespace sealift::queue {

// CommitBatch turns the outcomes of one commit into one batch of writes: packs shrink or go, deferred rows become packs
// at their new due time, lanes and counts follow, and one sealed block of events says what happened. All of it or
// nothing is durable. Intents are written beside them.
//
// A row that was settled aside since its pack was read keeps what was decided then, unless its outcome is a fact: that
// it was delivered, or refused for good. One that is in doubt keeps it with the class that no replay takes. A fact of a
// row that was moved since, or brought back by a replay, is the caller's to settle where the row stands by now.
//
// Owned by:  the committer.
// Threads:   the committer's.
class CommitBatch {
 public:
  CommitBatch(Database* database, KeyRing* ring, Sealer* sealer, Unsealer* unsealer, Tallies* tallies,
              DueHorizon* horizon, ClaimEpoch* epoch, SuppressionList* suppressions, absl::Time* newest_block)
      : database_(database),
        ring_(ring),
        sealer_(sealer),
        unsealer_(unsealer),
        tallies_(tallies),
        horizon_(horizon),
        epoch_(epoch),
        suppressions_(suppressions),
        newest_block_(newest_block) {}

  // Adds everything to `batch`. `sequence` is this commit's own. The caller calls Settled, and horizon->Publish, once
  // it is written.
  absl::Status Build(std::span<const Outcome> outcomes, std::span<const Intent> intents, uint64_t sequence,
                     rocksdb::WriteBatch* batch);

  // The same of rows that have an outcome already, of what really happened to them. `delivered`: those that are not
  // parked count as delivered.
  absl::Status BuildLate(std::span<const Outcome> outcomes, bool delivered, uint64_t sequence,
                         rocksdb::WriteBatch* batch);

  // Marks the rows in the packs, which now lack them.
  void Settled();

  // Facts of rows that are neither where they were claimed nor parked.
  std::vector<Outcome> TakeMoved() { return std::exchange(moved_, {}); }

  // Whom this commit has suppressed.
  const SuppressionNews& news() const { return news_; }

 private:
  // What an outcome changes in its lane.
  struct LaneChange {
    LaneId lane;
    RowId row{};           // that the block of events has, for the trace
    bool counted = false;  // the value is a change
    LaneValue value;
  };
  struct Deferral {
    const Outcome* outcome;
    uint64_t due_ms;
  };

  void Begin();
  // Adds what stands beside the rows: suppressions, packs, lanes, counts and events.
  absl::Status Finish(uint64_t sequence, rocksdb::WriteBatch* batch);
  absl::Status AddOutcome(const Outcome& outcome, uint64_t floor_ms, rocksdb::WriteBatch* batch);
  // Reads again which rows of the pack are settled.
  absl::Status LookAgain(Pack* pack);
  // The row was settled aside, or moved.
  absl::Status AddOvertaken(const Outcome& outcome, const Row& row, Tally* tally, rocksdb::WriteBatch* batch);
  // Of a row that is settled: what really happened to it, or that nobody knows. `delivered`: how it is counted, when it
  // is not parked.
  absl::Status AddFact(const Outcome& outcome, const Row& row, bool delivered, Tally* tally,
                       rocksdb::WriteBatch* batch);
  // What the outcome says of its recipient; `late`: in a report.
  void Learn(const Outcome& outcome, const Row& row, bool late);
  void EndIntent(const Outcome& outcome, const Row& row, rocksdb::WriteBatch* batch);
  // It counts among what its recipient has received.
  void AddReceived(const Outcome& outcome, const Row& row, rocksdb::WriteBatch* batch);
  absl::Status Park(const Outcome& outcome, const Row& row, rocksdb::WriteBatch* batch);
  // It was decided so, and may have arrived.
  absl::Status ParkInDoubt(Outcome outcome, OutcomeKind decided, const Row& row, rocksdb::WriteBatch* batch);
  // Packs the deferred rows.
  absl::Status PackDeferred(uint64_t sequence);
  // All changes of a column in the order of their keys: each is then inserted beside the one before it.
  void AddPacks(rocksdb::WriteBatch* batch);
  void AddLanes(uint64_t sequence, rocksdb::WriteBatch* batch);

  Database* const database_;
  KeyRing* const ring_;
  Sealer* const sealer_;
  Unsealer* const unsealer_;
  Tallies* const tallies_;
  DueHorizon* const horizon_;
  ClaimEpoch* const epoch_;
  SuppressionList* const suppressions_;
  absl::Time* const newest_block_;  // of events

  // Of the commit that is being built.
  std::vector<Pack*> packs_;
  std::vector<Deferral> deferrals_;
  std::vector<std::pair<std::string, std::string>> deferred_packs_;  // keys and values, in the order of the keys
  std::vector<LaneChange> lanes_;
  EventBlock events_;
  std::vector<SuppressionChange> suppressions_learnt_;
  std::vector<Outcome> moved_;
  SuppressionNews news_;
  std::string scratch_;
};

}  // namespace sealift::queue
