#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "rocksdb/file_system.h"

namespace sealift::queue {

// FailStop makes a failed write or sync final: whoever wants to change anything afterwards, in this file or another,
// RocksDB's own threads included, is refused. The kernel tells of a write that failed once and may then call the file
// clean, so that a second sync would succeed over a hole. Removing is refused too: the edit of a manifest whose sync
// failed may be on the disk all the same, and the next start then wants the files that it names.
//
// A write for which there is no space is none of this, as long as it is not the sync that says so.
//
// To RocksDB itself a table that it makes seems to be written all the same: what makes a table a part of the database
// is the manifest's edit, and that is refused. RocksDB 7.8 ends the process (an assertion) when the failure is told of
// a compaction's table that turned out empty.
//
// Threads: any.
class FailStop : public rocksdb::FileSystemWrapper {
 public:
  // `failed` hears of the first failure.
  FailStop(const std::shared_ptr<rocksdb::FileSystem>& target, std::function<void(const rocksdb::IOStatus&)> failed)
      : FileSystemWrapper(target), failed_(std::move(failed)) {}

  const char* Name() const override { return "sealift.fail_stop"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;

 private:
  class File;
  class Directory;

  // Ok, or that something failed before.
  rocksdb::IOStatus Permit() const;
  bool has_failed() const { return has_failed_.load(std::memory_order_acquire); }
  rocksdb::IOStatus Wrote(rocksdb::IOStatus status);
  rocksdb::IOStatus Synced(rocksdb::IOStatus status);

  const std::function<void(const rocksdb::IOStatus&)> failed_;
  std::atomic<bool> has_failed_ = false;
};

}  // namespace sealift::queue
