#include "tests/queue/fault_file_system.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "fmt/format.h"

namespace sealift::queue {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class FaultFileSystem::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(FaultFileSystem* disk, std::string path, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk), path_(std::move(path)) {}

  IOStatus Append(const rocksdb::Slice& bytes, const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus status = disk_->Meet(Needs::kSpace); !status.ok()) {
      if (status.IsNoSpace()) (void)Write({bytes.data(), bytes.size() / 2}, options, debug);  // half of it fitted
      return status;
    }
    return Write(bytes, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& bytes, const IOOptions& options, const rocksdb::DataVerificationInfo& /*info*/,
                  IODebugContext* debug) override {
    return Append(bytes, options, debug);
  }
  IOStatus Sync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override { return MakeDurable(); }
  IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override { return MakeDurable(); }
  // A hint to the kernel: it makes nothing durable that could be relied upon.
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  IOStatus Write(const rocksdb::Slice& bytes, const IOOptions& options, IODebugContext* debug) {
    IOStatus status = FSWritableFileOwnerWrapper::Append(bytes, options, debug);
    const std::lock_guard lock(disk_->mutex_);
    if (status.ok()) disk_->BytesOf(path_).written += bytes.size();
    return status;
  }
  IOStatus MakeDurable() {
    if (IOStatus status = disk_->Meet(Needs::kSync); !status.ok()) return status;
    const std::lock_guard lock(disk_->mutex_);
    Bytes& bytes = disk_->BytesOf(path_);
    bytes.synced = bytes.written;
    return IOStatus::OK();
  }

  FaultFileSystem* const disk_;
  const std::string path_;
};

class FaultFileSystem::Directory : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(FaultFileSystem* disk, std::string path, std::unique_ptr<rocksdb::FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)), disk_(disk), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    if (IOStatus status = disk_->Meet(Needs::kSync); !status.ok()) return status;
    const std::lock_guard lock(disk_->mutex_);
    std::erase_if(disk_->changes_, [this](const Change& change) { return DirectoryOf(change.path) == path_; });
    return IOStatus::OK();
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& /*how*/) override {
    return Fsync(options, debug);
  }

 private:
  FaultFileSystem* const disk_;
  const std::string path_;
};

FaultFileSystem::FaultFileSystem(std::string graveyard)
    : FileSystemWrapper(rocksdb::FileSystem::Default()), graveyard_(std::move(graveyard)) {
  std::filesystem::create_directories(graveyard_);
}

std::string FaultFileSystem::DirectoryOf(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::path(path).lexically_normal();
  return whole.has_filename() ? whole.parent_path() : whole.parent_path().parent_path();
}

void FaultFileSystem::Arm(Fault fault, uint64_t point, bool syncs_only) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  point_ = point;
  points_ = 0;
  hit_ = false;
  syncs_only_ = syncs_only;
}

void FaultFileSystem::Heal() {
  const std::lock_guard lock(mutex_);
  fault_ = Fault::kNone;
}

uint64_t FaultFileSystem::points() const {
  const std::lock_guard lock(mutex_);
  return points_;
}

bool FaultFileSystem::hit() const {
  const std::lock_guard lock(mutex_);
  return hit_;
}

IOStatus FaultFileSystem::Meet(Needs needs) {
  const std::lock_guard lock(mutex_);
  if (!syncs_only_ || needs == Needs::kSync) ++points_;
  if (fault_ == Fault::kNone || points_ < point_) return IOStatus::OK();
  switch (fault_) {
    case Fault::kNone:
      return IOStatus::OK();
    case Fault::kPower:
      hit_ = true;
      return IOStatus::IOError("the power is off");
    case Fault::kNoSpace:
      if (needs != Needs::kSpace) return IOStatus::OK();
      hit_ = true;
      return IOStatus::NoSpace("No space left on device");
    case Fault::kWriteError:
      if (needs != Needs::kSpace) return IOStatus::OK();
      hit_ = true;
      return IOStatus::IOError("Input/output error");
    case Fault::kSyncError:
      if (needs != Needs::kSync || hit_) return IOStatus::OK();
      hit_ = true;
      return IOStatus::IOError("Input/output error");
    case Fault::kReadOnly:
      hit_ = true;
      return IOStatus::IOError("Read-only file system");
  }
  return IOStatus::OK();
}

void FaultFileSystem::Note(Change change) {
  const std::lock_guard lock(mutex_);
  changes_.push_back(std::move(change));
}

FaultFileSystem::Bytes& FaultFileSystem::BytesOf(const std::string& path) {
  std::shared_ptr<Bytes>& bytes = bytes_[path];
  if (bytes == nullptr) bytes = std::make_shared<Bytes>();
  return *bytes;
}

// A second name, so that the file can come back.
std::string FaultFileSystem::Bury(const std::string& path) {
  std::string grave;
  {
    const std::lock_guard lock(mutex_);
    grave = fmt::format("{}/{}", graveyard_, ++graves_);
  }
  std::error_code none;
  std::filesystem::create_hard_link(path, grave, none);
  return none ? std::string() : grave;
}

IOStatus FaultFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  if (IOStatus status = Meet(Needs::kSpace); !status.ok()) return status;
  if (std::filesystem::exists(path)) {  // it would be emptied in place
    Note({Change::What::kRemoved, path, {}, Bury(path)});
    std::filesystem::remove(path);
  }
  IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
  if (!status.ok()) return status;
  Note({Change::What::kMade, path, {}, {}});
  const std::lock_guard lock(mutex_);
  bytes_[path] = std::make_shared<Bytes>();
  *file = std::make_unique<File>(this, path, std::move(*file));
  return status;
}

IOStatus FaultFileSystem::ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  IOStatus status = FileSystemWrapper::ReopenWritableFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<File>(this, path, std::move(*file));
  return status;
}

IOStatus FaultFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                       std::unique_ptr<rocksdb::FSDirectory>* directory, IODebugContext* debug) {
  IOStatus status = FileSystemWrapper::NewDirectory(path, options, directory, debug);
  if (status.ok()) *directory = std::make_unique<Directory>(this, DirectoryOf(path + "/x"), std::move(*directory));
  return status;
}

IOStatus FaultFileSystem::CreateDir(const std::string& path, const IOOptions& options, IODebugContext* debug) {
  if (IOStatus status = Meet(Needs::kSpace); !status.ok()) return status;
  IOStatus status = FileSystemWrapper::CreateDir(path, options, debug);
  if (status.ok()) Note({Change::What::kMade, path, {}, {}});
  return status;
}

IOStatus FaultFileSystem::DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* debug) {
  if (IOStatus status = Meet(Needs::kChange); !status.ok()) return status;
  const std::string grave = Bury(path);
  IOStatus status = FileSystemWrapper::DeleteFile(path, options, debug);
  if (status.ok()) Note({Change::What::kRemoved, path, {}, grave});
  return status;
}

IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                                     IODebugContext* debug) {
  if (IOStatus status = Meet(Needs::kSpace); !status.ok()) return status;
  const std::string grave = std::filesystem::exists(to) ? Bury(to) : std::string();
  IOStatus status = FileSystemWrapper::RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  Note({Change::What::kRenamed, from, to, grave});
  const std::lock_guard lock(mutex_);
  bytes_[to] = bytes_[from];
  bytes_.erase(from);
  return status;
}

IOStatus FaultFileSystem::LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                                   IODebugContext* debug) {
  if (IOStatus status = Meet(Needs::kSpace); !status.ok()) return status;
  IOStatus status = FileSystemWrapper::LinkFile(from, to, options, debug);
  if (!status.ok()) return status;
  Note({Change::What::kMade, to, {}, {}});
  const std::lock_guard lock(mutex_);
  bytes_[to] = bytes_[from];
  return status;
}

IOStatus FaultFileSystem::GetFreeSpace(const std::string& path, const IOOptions& options, uint64_t* free,
                                       IODebugContext* debug) {
  {
    const std::lock_guard lock(mutex_);
    *free = 0;
    if (fault_ == Fault::kNoSpace && points_ >= point_) return IOStatus::OK();
  }
  return FileSystemWrapper::GetFreeSpace(path, options, free, debug);
}

void FaultFileSystem::Lose(std::optional<uint64_t> seed) {
  std::mt19937_64 random(seed.value_or(0));
  const size_t kept = seed && !changes_.empty() ? random() % (changes_.size() + 1) : 0;
  while (changes_.size() > kept) {
    const Change& change = changes_.back();
    switch (change.what) {
      case Change::What::kMade:
        std::filesystem::remove_all(change.path);
        break;
      case Change::What::kRemoved:
        if (!change.grave.empty()) std::filesystem::rename(change.grave, change.path);
        break;
      case Change::What::kRenamed:
        if (std::filesystem::exists(change.to)) std::filesystem::rename(change.to, change.path);
        if (!change.grave.empty()) std::filesystem::rename(change.grave, change.to);
        break;
    }
    changes_.pop_back();
  }
  for (const auto& [path, shared] : bytes_) {
    Bytes& bytes = *shared;
    if (bytes.written == bytes.synced || !std::filesystem::exists(path)) continue;
    uint64_t left = bytes.synced + (seed ? random() % (bytes.written - bytes.synced + 1) : 0);
    const bool zeros = seed && random() % 2 == 0;
    if (zeros) left = std::max(bytes.synced, left / 512 * 512);  // a block of the disk is written whole or not at all
    std::filesystem::resize_file(path, left);
    if (zeros) std::filesystem::resize_file(path, std::min(bytes.written, left + 512));
    bytes.written = bytes.synced;  // another name of it is not cut again
  }
  changes_.clear();
  bytes_.clear();
  fault_ = Fault::kNone;
}

}  // namespace sealift::queue
