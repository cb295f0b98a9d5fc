#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/campaign.h"
#include "queue/database.h"
#include "queue/failure.h"
#include "queue/key_ring.h"
#include "queue/roll.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Snapshot;
class WriteBatch;
}  // namespace rocksdb

namespace sealift::queue {

// What a load and a cancellation of one campaign agree on.
struct CampaignGate {
  std::mutex mutex;        // held while a chunk is committed, and while the campaign is cancelled
  bool cancelled = false;  // under mutex
  bool loading = false;    // under the table's mutex: one load at a time
};

// The counts of every campaign that a database has, whether it is the one in use or a copy of it.
absl::StatusOr<std::vector<Counters>> CountCampaigns(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* campaigns,
                                                     KeyRing* ring);

// CampaignTable is the directory of campaigns: heads in memory (names are sealed on disk and cannot be looked up
// there), and the reading of whole records from one snapshot.
//
// Owned by:  Store.
// Threads:   any. Heads are changed one at a time, each with a synced write, which lasts as long as RocksDB stops
//            writes; who only reads waits for none of them.
class CampaignTable {
 public:
  CampaignTable(Database* database, KeyRing* ring, Failure* failure)
      : database_(database), ring_(ring), failure_(failure) {}
  ~CampaignTable();  // no load is under way any more
  CampaignTable(const CampaignTable&) = delete;
  CampaignTable& operator=(const CampaignTable&) = delete;

  // Reads every head.
  absl::Status Open();

  // `id`: of another node's campaign; none: one that nobody has.
  absl::StatusOr<Campaign> Create(CampaignSpec spec, absl::Time now, std::optional<CampaignId> id = std::nullopt);
  absl::StatusOr<CampaignId> Find(std::string_view name) const;
  absl::StatusOr<Campaign> Get(CampaignId id) const;
  absl::StatusOr<std::vector<Campaign>> List() const;
  absl::Status SetState(CampaignId id, CampaignState state, absl::Time now);
  absl::Status SetEnded(CampaignId id, absl::Time ended);

  // The head alone; from memory.
  absl::StatusOr<Campaign> Head(CampaignId id) const;
  absl::StatusOr<std::shared_ptr<CampaignGate>> Gate(CampaignId id) const;
  // False: a load is under way already.
  bool BeginLoading(CampaignGate* gate);
  void EndLoading(CampaignGate* gate);

  // Writes `batch` and the changed head in one synced write, then shows the head.
  absl::Status WriteHead(const Campaign& campaign, rocksdb::WriteBatch* batch);

  // Adds the counts and the load's progress, as of the snapshot, to *campaign.
  absl::Status ReadCounts(const rocksdb::Snapshot* snapshot, Campaign* campaign, Roll* roll = nullptr) const;

 private:
  struct Entry {
    Campaign head;
    std::shared_ptr<CampaignGate> gate;
  };

  // Under changing_.
  absl::Status WriteHeadAlone(const Campaign& campaign, rocksdb::WriteBatch* batch);

  Database* const database_;
  KeyRing* const ring_;
  Failure* const failure_;

  std::mutex changing_;       // held while a head is changed, its write included; before mutex_
  mutable std::mutex mutex_;  // of what is in memory
  std::map<CampaignId, Entry> campaigns_;
  std::unordered_map<std::string, CampaignId> names_;
};

}  // namespace sealift::queue
