#include "queue/database.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <vector>

#include "fmt/format.h"
#include "queue/damage.h"
#include "queue/fail_stop.h"
#include "queue/keys.h"
#include "queue/lane_value.h"
#include "queue/log_check.h"
#include "queue/private_file_system.h"
#include "queue/rocks.h"
#include "queue/rows_merge.h"
#include "queue/wire.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"

namespace sealift::queue {
namespace {

constexpr std::array<std::string_view, kColumns> kNames = {"default", "campaigns", "rows",         "lanes",
                                                           "events",  "parked",    "seen",         "suppressions",
                                                           "bodies",  "intents",   "destinations", "received"};

// The filters of `seen` grow with the rows, two bytes each, and RocksDB reads all of a file's into the cache whenever
// it opens one, as every compaction does. In a cache of their own they take no more than this. It is enough for a load:
// it asks in the order of the keys, so that a piece of each file's at a time is in use by each of its two threads.
constexpr size_t kSeenCacheBytes = 4 << 20;
constexpr size_t kSeenFilterPiece = 32 << 10;

// Small lanes are read a few dozen at a time, and one block has those of many such reads: what is here is where the
// readers are, once in each file, and the indexes.
constexpr size_t kRowsCacheBytes = 8 << 20;

// RocksDB's own log repeats options and file names; what matters reaches us as a status, and a file less is a leak
// less.
class NoLog : public rocksdb::Logger {
 public:
  NoLog() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

// Drops the trace keys of events whose blocks are gone.
class OldTraceFilter : public rocksdb::CompactionFilter {
 public:
  explicit OldTraceFilter(const EventsCut* cut) : cut_(cut) {}
  bool Filter(int /*level*/, const rocksdb::Slice& key, const rocksdb::Slice& /*value*/, std::string* /*new_value*/,
              bool* /*value_changed*/) const override {
    return key.size() == kTraceKeySize && key[0] == 'r' && Fixed64(key.data() + kTraceKeySize - 8) < cut_->first_kept;
  }
  const char* Name() const override { return "sealift.traces.1"; }

 private:
  const EventsCut* const cut_;
};

// Drops what a recipient has received longer ago than any cap looks back.
class OldReceiptFilter : public rocksdb::CompactionFilter {
 public:
  bool Filter(int /*level*/, const rocksdb::Slice& key, const rocksdb::Slice& /*value*/, std::string* /*new_value*/,
              bool* /*value_changed*/) const override {
    const std::optional<absl::Time> received = ReceivedAt(std::string_view(key.data(), key.size()));
    return received.has_value() && *received + kReceivedKept < absl::Now();
  }
  const char* Name() const override { return "sealift.received.1"; }
};

// Tells what RocksDB's own threads met.
class BackgroundErrors : public rocksdb::EventListener {
 public:
  explicit BackgroundErrors(Failure* failure) : failure_(failure) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status* error) override {
    if (failure_ != nullptr) failure_->Note(FromRocks(*error, "write its files"));
  }
  // What failed is final; no room is nothing that RocksDB hears of (WaitForRoom).
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status /*error*/,
                            bool* by_itself) override {
    *by_itself = false;
  }

 private:
  Failure* const failure_;
};

std::shared_ptr<rocksdb::FileSystem> StopAtFailure(const std::shared_ptr<rocksdb::FileSystem>& target,
                                                   Failure* failure) {
  return std::make_shared<FailStop>(target, [failure](const rocksdb::IOStatus& status) {
    if (failure == nullptr) return;
    failure->Fail(absl::UnavailableError(
        fmt::format("the queue cannot make its writes durable: a write or sync failed ({}). It is not tried again, "
                    "for what the disk holds now is not known. Check the disk, then restart sealiftd",
                    status.ToString())));
  });
}

// The directory must be ours alone; one that does not exist is made so, and is there after a power cut.
absl::Status PrepareDirectory(rocksdb::FileSystem* file_system, const std::string& path) {
  struct stat found;
  if (::stat(path.c_str(), &found) != 0) {
    if (::stat((path + ".restoring").c_str(), &found) == 0) {
      return absl::FailedPreconditionError(fmt::format(
          "a restore into {0} has not ended. Run `sealift backup restore` again, it begins anew; to begin with "
          "an empty queue in its place remove {0}.restoring",
          path));
    }
    rocksdb::IOStatus made = rocksdb::IOStatus::IOError(std::strerror(errno));
    if (errno == ENOENT) made = file_system->CreateDir(path, {}, nullptr);
    if (made.ok() && ::chmod(path.c_str(), 0700) != 0) made = rocksdb::IOStatus::IOError(std::strerror(errno));
    std::unique_ptr<rocksdb::FSDirectory> parent;
    const std::string parent_path = std::filesystem::path(path).parent_path();
    if (made.ok()) made = file_system->NewDirectory(parent_path.empty() ? "." : parent_path, {}, &parent, nullptr);
    if (made.ok()) made = parent->Fsync({}, nullptr);
    if (made.ok()) return absl::OkStatus();
    if (made.IsNoSpace()) return FromRocks(made, fmt::format("make {}", path));
    return absl::FailedPreconditionError(
        fmt::format("the queue's directory {} cannot be created: {}. Create its parent, "
                    "writable by the daemon's user",
                    path, made.ToString()));
  }
  if (!S_ISDIR(found.st_mode)) {
    return absl::FailedPreconditionError(fmt::format("the queue's path {} is not a directory", path));
  }
  if ((found.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(fmt::format(
        "the queue's directory {} can be read by others (mode {:04o}). chmod 0700 it, after asking who did read it",
        path, found.st_mode & 07777));
  }
  return absl::OkStatus();
}

}  // namespace

Database::Database(Options options)
    : options_(std::move(options)),
      events_cut_(std::make_unique<EventsCut>()),
      empty_lanes_(std::make_unique<EmptyLaneFilter>()),
      old_traces_(std::make_unique<OldTraceFilter>(events_cut_.get())),
      old_receipts_(std::make_unique<OldReceiptFilter>()),
      // In one shard: a sixteenth of it would hold a few pieces only.
      seen_cache_(rocksdb::NewLRUCache(std::min(kSeenCacheBytes, options_.memory_bytes / 2), 0, false, 0.5)),
      rows_cache_(rocksdb::NewLRUCache(std::min(kRowsCacheBytes, options_.memory_bytes / 4), 0, false, 0.5)),
      // Write buffers are charged to the cache: all together stay within memory_bytes.
      cache_(rocksdb::NewLRUCache(options_.memory_bytes - seen_cache_->GetCapacity() - rows_cache_->GetCapacity(), 4,
                                  false, 0.5)),
      write_buffers_(std::make_shared<rocksdb::WriteBufferManager>(options_.memory_bytes / 8 * 3, cache_)),
      reserve_(options_.path + "/reserve", options_.reserve_bytes),
      room_(std::make_shared<WaitForRoom>(options_.file_system ? options_.file_system : rocksdb::FileSystem::Default(),
                                          options_.path, &reserve_, options_.failure)),
      file_system_(std::make_shared<PrivateFileSystem>(StopAtFailure(room_, options_.failure))),
      env_(rocksdb::NewCompositeEnv(file_system_)) {}

Database::~Database() {
  room_->End();
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (handle != nullptr) (void)db_->DestroyColumnFamilyHandle(handle);
  }
  if (db_) (void)db_->Close();
}

rocksdb::DBOptions Database::RocksOptions() const {
  rocksdb::DBOptions options;
  options.env = env_.get();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  // CheckLogs has cut off what a crash tore, which was never acknowledged.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
  options.track_and_verify_wals_in_manifest = true;
  // A failed sync is never tried again as if nothing had happened.
  options.max_bgerror_resume_count = 0;
  options.listeners = {std::make_shared<BackgroundErrors>(options_.failure)};
  options.write_buffer_manager = write_buffers_;
  options.max_open_files = 512;
  options.max_background_jobs = 3;
  options.max_total_wal_size = 256 << 20;
  options.bytes_per_sync = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log = std::make_shared<NoLog>();
  return options;
}

rocksdb::ColumnFamilyOptions Database::ColumnOptions(Column column) const {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache_;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.block_size = 16 << 10;
  table.format_version = 5;
  // Sealed values do not compress, and compressing the rest would mix campaigns in one dictionary.
  options.compression = rocksdb::kNoCompression;
  options.bottommost_compression = rocksdb::kNoCompression;
  // Three columns fill together while a queue drains. The larger their memtables, the fewer files there are to compact,
  // and the less of what is settled is written again on the way.
  options.write_buffer_size = std::min<size_t>(32 << 20, std::max<size_t>(options_.memory_bytes / 8, 1 << 20));
  options.max_write_buffer_number = 4;
  options.target_file_size_base = 32 << 20;
  options.level_compaction_dynamic_level_bytes = true;
  // Every chunk of a load adds a file to the first level: many are a normal sight, and a stall would hold up outcomes.
  // What lies below the first level is rewritten a quarter as often as by default, for each file more that a read asks:
  // one compaction for four million rows of a load.
  options.level0_file_num_compaction_trigger = 16;
  options.level0_slowdown_writes_trigger = 48;
  options.level0_stop_writes_trigger = 96;
  switch (column) {
    case Column::kRows:
      table.block_cache = rows_cache_;
      options.merge_operator = std::make_shared<RowsMerge>();
      break;
    case Column::kLanes:
      options.merge_operator = std::make_shared<LaneMerge>();
      options.compaction_filter = empty_lanes_.get();
      break;
    case Column::kEvents:
      options.compaction_filter = old_traces_.get();
      break;
    case Column::kSuppressions:
      // Asked for every row that is claimed, and almost always in vain.
      options.memtable_whole_key_filtering = true;
      options.memtable_prefix_bloom_size_ratio = 0.1;
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(12));
      break;
    case Column::kSeen:
      // Every row of a load is looked for in every file: at ten bits one in a hundred would be looked for in vain. In
      // pieces, since a filter that is one block is read whole when its file is opened, also where nothing is loaded.
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(16));
      table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
      table.partition_filters = true;
      table.metadata_block_size = kSeenFilterPiece;
      table.block_cache = seen_cache_;
      break;
    case Column::kReceived:
      // Asked for every row of a capped stream, and mostly in vain.
      options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kReceivedPrefixSize));
      options.memtable_prefix_bloom_size_ratio = 0.1;
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(12));
      table.whole_key_filtering = false;
      options.compaction_filter = old_receipts_.get();
      options.ttl = 86'400;  // seconds, until what lies still is looked at again
      break;
    case Column::kParked:
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
      break;
    case Column::kMeta:
    case Column::kCampaigns:
    case Column::kBodies:   // ingested only
    case Column::kIntents:  // a few hundred at a time
    case Column::kDestinations:
      options.write_buffer_size = 1 << 20;
      break;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::Options Database::FileOptions(Column column) const { return {RocksOptions(), ColumnOptions(column)}; }

std::string Database::NextFilePath() { return fmt::format("{}/incoming/{}.sst", options_.path, files_.fetch_add(1)); }

std::string_view NameOf(Column column) { return kNames[static_cast<size_t>(column)]; }

absl::StatusOr<std::unique_ptr<Database>> Database::Open(Options options) {
  std::unique_ptr<Database> database(new Database(std::move(options)));
  const std::string& path = database->path();
  if (absl::Status status = PrepareDirectory(database->file_system_.get(), path); !status.ok()) return status;
  absl::Status opened = database->OpenFiles();
  if (absl::IsResourceExhausted(opened) && database->reserve_.Release()) opened = database->OpenFiles();
  if (!opened.ok()) return opened;
  if (absl::Status status = database->CheckFormat(); !status.ok()) return status;
  // Of a backup that a crash ended.
  if (absl::Status status = database->RemoveCheckpoint(); !status.ok()) return status;
  const std::string incoming = path + "/incoming";
  std::error_code error;
  std::filesystem::remove_all(incoming, error);
  if (error || ::mkdir(incoming.c_str(), 0700) != 0) {
    return absl::UnavailableError(fmt::format("the queue cannot prepare {}: {}. Check the disk", incoming,
                                              error ? error.message() : std::strerror(errno)));
  }
  return database;
}

absl::Status Database::RemoveCheckpoint() const {
  // RocksDB makes it under another name first.
  for (const std::string& left : {checkpoint_path(), checkpoint_path() + ".tmp"}) {
    std::error_code error;
    std::filesystem::remove_all(left, error);
    if (error) {
      return absl::UnavailableError(fmt::format(
          "the queue cannot remove {}, what a backup has left, and it may keep keys that were erased: {}. Remove it",
          left, error.message()));
    }
  }
  return absl::OkStatus();
}

Stall Database::stall() const {
  uint64_t value = 0;
  if (db_->GetIntProperty(rocksdb::DB::Properties::kIsWriteStopped, &value) && value != 0) return Stall::kStopped;
  if (db_->GetIntProperty(rocksdb::DB::Properties::kActualDelayedWriteRate, &value) && value != 0) {
    return Stall::kSlowed;
  }
  return Stall::kNone;
}

absl::Status Database::AwaitEndOfStall(absl::Duration patience, Stall tolerable) const {
  constexpr absl::Duration kLookAgain = absl::Milliseconds(100);
  const absl::Time deadline = absl::Now() + patience;
  while (stall() > tolerable) {
    if (absl::Now() >= deadline) {
      return absl::ResourceExhaustedError(fmt::format(
          "the queue's disk does not keep up with what is written: RocksDB has slowed or stopped writes for "
          "{}, and takes {} before it has caught up (sealift_queue_stalled). Run the same command "
          "again in a while",
          absl::FormatDuration(patience), tolerable == Stall::kNone ? "no load" : "no change"));
    }
    absl::SleepFor(std::min(patience, kLookAgain));
  }
  return absl::OkStatus();
}

absl::Status Database::Ingest(const std::vector<rocksdb::IngestExternalFileArg>& files) {
  return FromRocks(db_->IngestExternalFiles(files), "commit a load");
}

absl::Status Database::OpenFiles() {
  if (absl::Status status = CheckLogs(file_system_.get(), options_.path); !status.ok()) return status;
  const rocksdb::DBOptions options = RocksOptions();
  std::vector<std::string> existing;
  if (std::filesystem::exists(options_.path + "/CURRENT")) {
    const rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(options, options_.path, &existing);
    if (!listed.ok()) {
      return Damage(fmt::format("the queue in {} cannot be read: {}", options_.path, listed.ToString()));
    }
  }
  for (const std::string& name : existing) {
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
      return absl::FailedPreconditionError(fmt::format(
          "the queue in {} was written by a newer version (it has a part '{}'). Run that version, or a newer one",
          options_.path, name));
    }
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> columns;
  columns.reserve(kColumns);
  for (size_t i = 0; i < kColumns; ++i) {
    columns.emplace_back(std::string(kNames[i]), ColumnOptions(static_cast<Column>(i)));
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(options, options_.path, columns, &handles, &db);
  if (!opened.ok()) {
    const std::string text = opened.ToString();
    if (opened.IsIOError() && text.find("LOCK") != std::string::npos) {
      return absl::FailedPreconditionError(fmt::format(
          "the queue in {} is in use by another sealiftd. Stop that one first, or give this one a data_dir of "
          "its own",
          options_.path));
    }
    return FromRocks(opened, fmt::format("open {}", options_.path));
  }
  db_.reset(db);
  std::copy(handles.begin(), handles.end(), handles_.begin());
  return absl::OkStatus();
}

absl::Status Database::TakeFormat(rocksdb::WriteBatch* batch) {
  batch->Put(ToSlice(kFormatKey), std::to_string(kFormatVersion));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  if (auto status = db_->Write(synced, batch); !status.ok()) return FromRocks(status, "bring its format up to date");
  is_oldest_ = false;
  return absl::OkStatus();
}

absl::Status Database::CheckFormat() {
  std::string version;
  const rocksdb::Status found = db_->Get({}, ToSlice(kFormatKey), &version);
  if (found.IsNotFound()) {
    std::string node_key;
    if (!db_->Get({}, ToSlice(kNodeKey), &node_key).IsNotFound()) {
      return Damage(fmt::format("the queue in {} has lost its format version", options_.path));
    }
    // The folder is made behind the first synced write: that was lost with what followed it, and nothing is there to
    // tell.
    if (std::filesystem::exists(options_.path + "/incoming")) {
      return Damage(
          fmt::format("the queue in {} was in use and is empty: its log is missing or was emptied", options_.path));
    }
    rocksdb::WriteOptions synced;
    synced.sync = true;
    return FromRocks(db_->Put(synced, ToSlice(kFormatKey), std::to_string(kFormatVersion)), "write its format version");
  }
  if (!found.ok()) return FromRocks(found, "read its format version");
  if (version == std::to_string(kOldestFormat)) {
    is_oldest_ = true;
    return absl::OkStatus();
  }
  if (version != std::to_string(kFormatVersion)) {
    return absl::FailedPreconditionError(fmt::format(
        "the queue in {} has format {}; this version reads formats up to {}. Run the version that wrote it, or a newer "
        "one",
        options_.path, version, kFormatVersion));
  }
  return absl::OkStatus();
}

}  // namespace sealift::queue
