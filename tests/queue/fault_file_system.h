#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "rocksdb/file_system.h"

namespace sealift::queue {

// FaultFileSystem is the real file system with a disk that fails when it is told to, and that remembers what a power
// cut would take: bytes that were not synced since they were written, and names that were made, changed or removed
// since their directory was synced. It never really syncs.
//
// Every call that changes the disk is a point, numbered from 1 since the last Arm.
//
// Threads: any, but Lose, after everything that used it is gone.
class FaultFileSystem : public rocksdb::FileSystemWrapper {
 public:
  enum class Fault {
    kNone,
    kPower,       // nothing that changes the disk works any more
    kNoSpace,     // ENOSPC from whatever needs space
    kWriteError,  // EIO from writes
    kSyncError,   // EIO from the next sync alone: as a kernel that tells once
    kReadOnly,    // EROFS from whatever changes the disk
  };

  // `graveyard`: a folder beside the files, for names that a power cut could bring back.
  explicit FaultFileSystem(std::string graveyard);

  // From the point on. With `syncs_only` points are syncs of files and directories.
  void Arm(Fault fault, uint64_t point, bool syncs_only);
  // The disk is well again.
  void Heal();
  uint64_t points() const;
  bool hit() const;  // the point was reached

  // What a power cut leaves: all that was not synced is gone; or, with a seed, some of it is: names up to a moment
  // drawn, and bytes up to a place drawn, the rest of that 512-byte block zeros.
  void Lose(std::optional<uint64_t> seed);

  const char* Name() const override { return "sealift.fault"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options, uint64_t* free,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;

 private:
  class File;
  class Directory;
  enum class Needs { kSpace, kChange, kSync };

  // A change of a directory that is not synced yet.
  struct Change {
    enum class What { kMade, kRemoved, kRenamed } what;
    std::string path, to;  // `to`: of a renaming
    std::string grave;     // what was removed or overwritten; empty: nothing
  };
  struct Bytes {
    uint64_t written = 0, synced = 0;
  };

  // The fault of this point, or Ok.
  rocksdb::IOStatus Meet(Needs needs);
  void Note(Change change);
  Bytes& BytesOf(const std::string& path);
  std::string Bury(const std::string& path);
  static std::string DirectoryOf(const std::string& path);

  const std::string graveyard_;
  mutable std::mutex mutex_;
  Fault fault_ = Fault::kNone;
  uint64_t point_ = 0, points_ = 0, graves_ = 0;
  bool syncs_only_ = false, hit_ = false;
  std::vector<Change> changes_;
  std::map<std::string, std::shared_ptr<Bytes>> bytes_;  // by name; names of one file share it
};

}  // namespace sealift::queue
