#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "queue/claim_epoch.h"
#include "queue/commit_batch.h"
#include "queue/database.h"
#include "queue/due_horizon.h"
#include "queue/failure.h"
#include "queue/intent.h"
#include "queue/key_ring.h"
#include "queue/order.h"
#include "queue/outcome.h"
#include "queue/sealer.h"
#include "queue/suppression_list.h"
#include "queue/tallies.h"

namespace sealift::queue {

// What a piece of work that runs between two commits may use: all of it belongs to the committer's thread.
class CommitContext {
 public:
  struct Callbacks {
    std::function<void(const SuppressionNews&)> on_suppressions;  // may be empty
  };

  CommitContext(Database* database, KeyRing* ring, const CampaignTable* campaigns, SuppressionList* suppressions,
                DueHorizon* horizon, ClaimEpoch* epoch, Failure* failure, Callbacks callbacks)
      : database(database),
        ring(ring),
        suppressions(suppressions),
        horizon(horizon),
        epoch(epoch),
        failure(failure),
        sealer(ring),
        unsealer(ring),
        tallies(database, campaigns, &sealer),
        callbacks_(std::move(callbacks)),
        batch_(database, ring, &sealer, &unsealer, &tallies, horizon, epoch, suppressions, &newest_block) {}

  // Reads the number of the newest commit, and the time of the newest block of events.
  absl::Status Open();

  // One synced write. While the file system is full it waits (WaitForRoom); a failure is final.
  absl::Status Write(rocksdb::WriteBatch* batch);

  // Commits the outcomes of rows that the caller has claimed, and intents. `bytes`: how many it wrote. `order`: written
  // in the same batch.
  absl::Status Settle(std::span<const Outcome> outcomes, std::span<const Intent> intents, uint64_t* bytes = nullptr,
                      const Order* order = nullptr);
  // The same of rows of one campaign whoever has claimed them; their packs were read since the commit before.
  absl::Status SettleAside(CampaignId campaign, std::span<const Outcome> outcomes, const Order* order = nullptr);
  // Commits what really happened to rows that have another outcome already; see CommitBatch::BuildLate.
  absl::Status SettleLate(std::span<const Outcome> outcomes, bool delivered);

  // Shows that a write becomes durable.
  absl::Status Probe();

  uint64_t NextSequence() { return ++sequence_; }

  Database* const database;
  KeyRing* const ring;
  SuppressionList* const suppressions;
  DueHorizon* const horizon;
  ClaimEpoch* const epoch;
  Failure* const failure;
  Sealer sealer;
  Unsealer unsealer;
  Tallies tallies;
  absl::Time newest_block;  // of events; see AddEventBlock

 private:
  // Commits facts of rows that were moved since they were claimed: where they stand by now.
  absl::Status SettleMoved(const std::vector<Outcome>& moved);
  absl::Status CommitLate(std::span<const Outcome> outcomes, bool delivered);
  // Writes what batch_ has built, unless `built` says why it could not, and tells who has to hear of it.
  absl::Status Commit(const absl::Status& built, rocksdb::WriteBatch* batch);

  const Callbacks callbacks_;
  CommitBatch batch_;
  uint64_t sequence_ = 0;
};

// Committer is the one thread that settles: it takes what every shard has handed over, merges it into one batch, and
// syncs once. A shard hears of it by number, and no session waits for a disk.
//
// Owned by:  Store.
// Threads:   Settle and Do from any; callbacks on the committer's own.
// Errors:    see Failure. When the file system was found full it looks four times a second whether there is room for
// the
//            reserve again; only then is anything new accepted. Any other failure ends it.
class Committer {
 public:
  struct Options {
    int shards = 1;
    size_t inbox_outcomes_max = 4096;  // a shard
    absl::Duration interval;           // between commits, while few outcomes wait
    std::function<void(int shard, uint64_t durable)> on_durable;
    std::function<void(const SuppressionNews&)> on_suppressions;  // before the on_durable of the same commit
  };

  struct Stats {
    uint64_t commits = 0, rows = 0, bytes = 0;
    std::array<uint64_t, 11> seconds_buckets{};
    double seconds_sum = 0;
  };

  Committer(Database* database, KeyRing* ring, const CampaignTable* campaigns, SuppressionList* suppressions,
            DueHorizon* horizon, ClaimEpoch* epoch, Failure* failure, Options options);
  ~Committer();  // commits what waits

  // Holds what is in doubt since the last run, then begins. ResourceExhausted: there was no room for that.
  absl::Status Start(CampaignTable* campaigns, const KeyFieldOf& key_field);

  bool Settle(int shard, uint64_t last, std::vector<Outcome>& batch, std::vector<Intent>& intents);

  // Runs `work` on the committer's thread, between commits and after what was handed over before.
  void Do(std::move_only_function<void(CommitContext&)> work);

  Stats stats() const;

 private:
  struct Inbox {
    std::vector<Outcome> outcomes;
    std::vector<Intent> intents;
    uint64_t last = 0;
    bool touched = false;
  };

  void Run();
  // Waits for something to do; false: there is nothing and there will be nothing.
  struct Taken {
    std::vector<Outcome> outcomes;
    std::vector<Intent> intents;
    std::vector<std::pair<int, uint64_t>> numbers;  // the newest of each shard that has handed something over
    std::vector<std::move_only_function<void(CommitContext&)>> works;
  };
  bool Take(Taken* taken);
  void Commit(const Taken& taken);
  void GoOn();

  const Options options_;
  Failure* const failure_;
  CommitContext context_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Inbox> inboxes_;
  std::vector<std::move_only_function<void(CommitContext&)>> works_;
  size_t waiting_ = 0;  // outcomes
  bool stop_ = false;
  Stats stats_;

  std::thread thread_;
};

}  // namespace sealift::queue
