#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/cache.h"
#include "rocksdb/compaction_filter.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/write_buffer_manager.h"

namespace sealift::queue {

// The column families, in the order of their handles.
enum class Column : size_t { kMeta = 0, kCampaigns, kRows, kLanes, kEvents, kParked, kSeen, kSuppressions };
inline constexpr size_t kColumns = 8;

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
  static constexpr uint32_t kFormatVersion = 1;

  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, size_t memory_bytes);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB* operator->() const { return db_.get(); }
  rocksdb::DB* get() const { return db_.get(); }
  rocksdb::ColumnFamilyHandle* handle(Column column) const { return handles_[static_cast<size_t>(column)]; }

  // For files that are ingested into `column`.
  rocksdb::Options FileOptions(Column column) const;
  // A new path for such a file, on the same file system; leftovers of an earlier run were removed by Open.
  std::string NextFilePath();

  const std::string& path() const { return path_; }
  EventsCut& events_cut() { return *events_cut_; }
  uint64_t BlockCacheBytes() const { return cache_->GetUsage(); }

 private:
  Database(std::string path, size_t memory_bytes);

  absl::Status OpenFiles();
  absl::Status CheckFormat();
  rocksdb::DBOptions Options() const;
  rocksdb::ColumnFamilyOptions ColumnOptions(Column column) const;

  const std::string path_;
  const size_t memory_bytes_;
  const std::unique_ptr<EventsCut> events_cut_;
  const std::unique_ptr<rocksdb::CompactionFilter> empty_lanes_, old_traces_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const std::shared_ptr<rocksdb::WriteBufferManager> write_buffers_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kColumns> handles_{};
  std::atomic<uint64_t> files_ = 0;
};

}  // namespace sealift::queue
