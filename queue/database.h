#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/failure.h"
#include "queue/reserve.h"
#include "queue/wait_for_room.h"
#include "rocksdb/cache.h"
#include "rocksdb/compaction_filter.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/write_batch.h"
#include "rocksdb/write_buffer_manager.h"

namespace sealift::queue {

// The column families, in the order of their handles.
enum class Column : size_t {
  kMeta = 0,
  kCampaigns,
  kRows,
  kLanes,
  kEvents,
  kParked,
  kSeen,
  kSuppressions,
  kBodies,
  kIntents,
  kDestinations,
  kReceived
};
inline constexpr size_t kColumns = 12;
std::string_view NameOf(Column column);

enum class Stall { kNone, kSlowed, kStopped };

// Events of commits before this one are past their retention; the compactions of the events' index drop them.
struct EventsCut {
  std::atomic<uint64_t> first_kept = 0;
};

// Database is RocksDB with the queue's column families, options and file modes; all that is asked of RocksDB's settings
// stands in database.cc.
//
// Owned by:  Store; outlives its threads.
// Threads:   any.
// Errors:    FailedPrecondition: the directory is readable by others, in use, or of a newer format. DataLoss: damaged.
class Database {
 public:
  static constexpr uint32_t kFormatVersion = 2, kOldestFormat = 1;

  struct Options {
    std::string path;
    size_t memory_bytes = 128 << 20;
    uint64_t reserve_bytes = 0;
    std::shared_ptr<rocksdb::FileSystem> file_system;  // null: the system's
    Failure* failure = nullptr;                        // hears of failed syncs and of RocksDB's own writes
  };

  static absl::StatusOr<std::unique_ptr<Database>> Open(Options options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB* operator->() const { return db_.get(); }
  rocksdb::DB* get() const { return db_.get(); }
  rocksdb::ColumnFamilyHandle* handle(Column column) const { return handles_[static_cast<size_t>(column)]; }

  absl::Status Ingest(const std::vector<rocksdb::IngestExternalFileArg>& files);
  Reserve& reserve() { return reserve_; }
  WaitForRoom& room() { return *room_; }
  // Whether RocksDB slows or stops what is written to it, because the disk does not keep up with flushing and
  // compacting what was written before. Asked and not listened to: RocksDB tells of a stop only after the write that it
  // stopped.
  Stall stall() const;
  // Waits until it does no more than `tolerable`. ResourceExhausted: not within `patience`. A load, which would only
  // add to it, tolerates nothing; what an operator asks for is small, and has to wait while writes are stopped only.
  absl::Status AwaitEndOfStall(absl::Duration patience, Stall tolerable = Stall::kNone) const;

  // For files that are ingested into `column`.
  rocksdb::Options FileOptions(Column column) const;
  // A new path for such a file, on the same file system; leftovers of an earlier run were removed by Open.
  std::string NextFilePath();

  const std::string& path() const { return options_.path; }
  // Where a backup has its checkpoint: hard links, which keep what is erased from the database. Removed by Open; by
  // whom else, holds what keeps two backups apart.
  std::string checkpoint_path() const { return options_.path + "/checkpoint"; }
  absl::Status RemoveCheckpoint() const;
  // It is of kOldestFormat: whoever has brought what it holds up to this one's commits that, synced, by TakeFormat.
  bool is_oldest() const { return is_oldest_; }
  absl::Status TakeFormat(rocksdb::WriteBatch* batch);
  EventsCut& events_cut() { return *events_cut_; }
  uint64_t BlockCacheBytes() const { return cache_->GetUsage() + rows_cache_->GetUsage() + seen_cache_->GetUsage(); }

 private:
  explicit Database(Options options);

  absl::Status OpenFiles();
  absl::Status CheckFormat();
  rocksdb::DBOptions RocksOptions() const;
  rocksdb::ColumnFamilyOptions ColumnOptions(Column column) const;

  const Options options_;
  const std::unique_ptr<EventsCut> events_cut_;
  const std::unique_ptr<rocksdb::CompactionFilter> empty_lanes_, old_traces_, old_receipts_;
  const std::shared_ptr<rocksdb::Cache> seen_cache_, rows_cache_, cache_;
  const std::shared_ptr<rocksdb::WriteBufferManager> write_buffers_;
  Reserve reserve_;
  const std::shared_ptr<WaitForRoom> room_;
  const std::shared_ptr<rocksdb::FileSystem> file_system_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kColumns> handles_{};
  std::atomic<uint64_t> files_ = 0;
  bool is_oldest_ = false;
};

}  // namespace sealift::queue
