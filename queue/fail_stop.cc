#include "queue/fail_stop.h"

#include <string_view>

namespace sealift::queue {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

namespace {

// A table of RocksDB's own: "000123.sst" in the database's directory. Those that we ingest lie in a folder beside.
bool IsTable(std::string_view path) {
  if (!path.ends_with(".sst")) return false;
  const std::string_view folder = path.substr(0, path.rfind('/'));
  return !folder.ends_with("/incoming");
}

}  // namespace

class FailStop::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(FailStop* stop, bool table, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), stop_(stop), table_(table) {}

  IOStatus Append(const rocksdb::Slice& bytes, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus permitted = stop_->Permit();
    return Told(permitted.ok() ? stop_->Wrote(FSWritableFileOwnerWrapper::Append(bytes, options, debug)) : permitted);
  }
  IOStatus Append(const rocksdb::Slice& bytes, const IOOptions& options, const rocksdb::DataVerificationInfo& info,
                  IODebugContext* debug) override {
    const IOStatus permitted = stop_->Permit();
    return Told(permitted.ok() ? stop_->Wrote(FSWritableFileOwnerWrapper::Append(bytes, options, info, debug))
                               : permitted);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus permitted = stop_->Permit();
    return Told(permitted.ok() ? stop_->Synced(FSWritableFileOwnerWrapper::Sync(options, debug)) : permitted);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus permitted = stop_->Permit();
    return Told(permitted.ok() ? stop_->Synced(FSWritableFileOwnerWrapper::Fsync(options, debug)) : permitted);
  }
  IOStatus RangeSync(uint64_t offset, uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus permitted = stop_->Permit();
    return Told(permitted.ok() ? stop_->Synced(FSWritableFileOwnerWrapper::RangeSync(offset, size, options, debug))
                               : permitted);
  }

 private:
  // What RocksDB hears of it.
  IOStatus Told(IOStatus status) const { return table_ && stop_->has_failed() ? IOStatus::OK() : status; }

  FailStop* const stop_;
  const bool table_;
};

class FailStop::Directory : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(FailStop* stop, std::unique_ptr<rocksdb::FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)), stop_(stop) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus permitted = stop_->Permit();
    return permitted.ok() ? stop_->Synced(FSDirectoryWrapper::Fsync(options, debug)) : permitted;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& how) override {
    const IOStatus permitted = stop_->Permit();
    return permitted.ok() ? stop_->Synced(FSDirectoryWrapper::FsyncWithDirOptions(options, debug, how)) : permitted;
  }

 private:
  FailStop* const stop_;
};

IOStatus FailStop::Permit() const {
  if (!has_failed()) return IOStatus::OK();
  return IOStatus::IOError("a write or sync failed before: what the disk holds is not known");
}

IOStatus FailStop::Synced(IOStatus status) {
  if (!status.ok() && !has_failed_.exchange(true)) failed_(status);
  return status;
}

IOStatus FailStop::Wrote(IOStatus status) { return status.IsNoSpace() ? status : Synced(std::move(status)); }

IOStatus FailStop::DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* debug) {
  const IOStatus permitted = Permit();
  return permitted.ok() ? FileSystemWrapper::DeleteFile(path, options, debug) : permitted;
}

IOStatus FailStop::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                   std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  const IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<File>(this, IsTable(path), std::move(*file));
  return status;
}

IOStatus FailStop::ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  const IOStatus status = FileSystemWrapper::ReopenWritableFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<File>(this, IsTable(path), std::move(*file));
  return status;
}

IOStatus FailStop::NewDirectory(const std::string& path, const IOOptions& options,
                                std::unique_ptr<rocksdb::FSDirectory>* directory, IODebugContext* debug) {
  const IOStatus status = FileSystemWrapper::NewDirectory(path, options, directory, debug);
  if (status.ok()) *directory = std::make_unique<Directory>(this, std::move(*directory));
  return status;
}

}  // namespace sealift::queue
