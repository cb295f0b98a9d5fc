#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "queue/failure.h"
#include "queue/reserve.h"
#include "rocksdb/file_system.h"

namespace sealift::queue {

// WaitForRoom makes a full file system a slow one: a write of RocksDB's own files that finds no room waits until there
// is some, and is done then. RocksDB does not hear of it, which it would not always survive: where it was about to
// begin another log or manifest it cannot be resumed.
//
// Failure hears of it at once, so that nothing new is accepted or sent meanwhile. Logs and manifests, which hold the
// outcomes of what was sent, are given the reserve. Tables leave it to them and wait for room of their own: a
// compaction could fill any reserve.
//
// Files in other directories (those of loads, of backups) are no business of it: whoever writes them is told.
//
// Owned by:  Database.
// Threads:   any.
class WaitForRoom : public rocksdb::FileSystemWrapper {
 public:
  // `directory`: RocksDB's. `failure` may be null.
  WaitForRoom(const std::shared_ptr<rocksdb::FileSystem>& target, std::string directory, Reserve* reserve,
              Failure* failure)
      : FileSystemWrapper(target), directory_(std::move(directory)), reserve_(reserve), failure_(failure) {}

  // From now on the thread that made it waits too. Before, it is told that there is no room once the reserve is given
  // back: a start does not wait.
  void Begin();
  // Whoever waits gives up, and whoever would.
  void End();
  // Whether anyone waits.
  bool waits() const;

  const char* Name() const override { return "sealift.wait_for_room"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  class File;
  enum class Kind { kNone, kLog, kTable };  // none: not RocksDB's own

  Kind KindOf(const std::string& path) const;
  // Does `write` until it finds room.
  template <typename Write>
  rocksdb::IOStatus Until(Kind kind, Write&& write);
  // A write found no room: waits, and says whether to try again.
  bool Again(const rocksdb::IOStatus& status, Kind kind);
  bool HasRoomForTables();
  bool ended() const;

  const std::string directory_;
  Reserve* const reserve_;
  Failure* const failure_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  enum class Phase { kStart, kRun, kEnd } phase_ = Phase::kStart;
  const std::thread::id starter_ = std::this_thread::get_id();
  int waiting_ = 0;
};

}  // namespace sealift::queue
