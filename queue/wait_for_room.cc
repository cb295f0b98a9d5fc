#include "queue/wait_for_room.h"

#include <chrono>
#include <filesystem>

#include "fmt/format.h"
#include "queue/rocks.h"

namespace sealift::queue {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

namespace {

constexpr std::chrono::milliseconds kLookAgain(250);

// A table is gone on with when there is so much beside the reserve, so that not every few bytes that are freed are
// tried.
constexpr uint64_t kRoomForTables = 8 << 20;

bool IsFull(const IOStatus& status) {
  return status.IsNoSpace() || (status.IsIOError() && status.ToString().find("quota exceeded") != std::string::npos);
}

}  // namespace

class WaitForRoom::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(WaitForRoom* room, Kind kind, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), room_(room), kind_(kind) {}

  IOStatus Append(const rocksdb::Slice& bytes, const IOOptions& options, IODebugContext* debug) override {
    return Put(bytes, options, debug, [&] { return FSWritableFileOwnerWrapper::Append(bytes, options, debug); });
  }
  IOStatus Append(const rocksdb::Slice& bytes, const IOOptions& options, const rocksdb::DataVerificationInfo& info,
                  IODebugContext* debug) override {
    return Put(bytes, options, debug, [&] { return FSWritableFileOwnerWrapper::Append(bytes, options, info, debug); });
  }

 private:
  template <typename Append>
  IOStatus Put(const rocksdb::Slice& bytes, const IOOptions& options, IODebugContext* debug, const Append& append) {
    const IOStatus status = room_->Until(kind_, [&] {
      if (torn_) return FSWritableFileOwnerWrapper::PositionedAppend(bytes, size_, options, debug);
      IOStatus appended = append();
      torn_ = !appended.ok();
      return appended;
    });
    if (status.ok()) size_ += bytes.size();
    return status;
  }

  WaitForRoom* const room_;
  const Kind kind_;
  uint64_t size_ = 0;
  bool torn_ = false;  // part of a write may have fitted: where the next one goes is said from then on
};

void WaitForRoom::Begin() {
  const std::lock_guard lock(mutex_);
  phase_ = Phase::kRun;
}

void WaitForRoom::End() {
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kEnd;
  }
  ended_.notify_all();
}

bool WaitForRoom::ended() const {
  const std::lock_guard lock(mutex_);
  return phase_ == Phase::kEnd;
}

bool WaitForRoom::waits() const {
  const std::lock_guard lock(mutex_);
  return waiting_ > 0;
}

IOStatus WaitForRoom::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  const Kind kind = KindOf(path);
  IOStatus status = Until(kind, [&] { return FileSystemWrapper::NewWritableFile(path, options, file, debug); });
  if (status.ok() && kind != Kind::kNone) *file = std::make_unique<File>(this, kind, std::move(*file));
  return status;
}

IOStatus WaitForRoom::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                                 IODebugContext* debug) {
  return Until(KindOf(to), [&] { return FileSystemWrapper::RenameFile(from, to, options, debug); });
}

WaitForRoom::Kind WaitForRoom::KindOf(const std::string& path) const {
  const std::filesystem::path whole(path);
  if (whole.parent_path().lexically_normal() != std::filesystem::path(directory_).lexically_normal()) {
    return Kind::kNone;
  }
  return whole.extension() == ".sst" ? Kind::kTable : Kind::kLog;
}

template <typename Write>
IOStatus WaitForRoom::Until(Kind kind, Write&& write) {
  for (;;) {
    IOStatus status = write();
    if (kind == Kind::kNone || !IsFull(status)) return status;
    if (Again(status, kind)) continue;
    if (!ended()) return status;
    // To RocksDB a write that failed for good, after which it begins nothing.
    return IOStatus::IOError("the file system is still full", status.ToString());
  }
}

bool WaitForRoom::Again(const IOStatus& status, Kind kind) {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::kEnd) return false;
    const bool starts = phase_ == Phase::kStart && std::this_thread::get_id() == starter_;
    if (starts) return kind == Kind::kLog && reserve_->Release();
    ++waiting_;
  }
  if (failure_ != nullptr) {
    const absl::Status full = FromRocks(status, "write its files");
    failure_->Note({full.code(), fmt::format("{}, {} MiB at least: it holds so much for the outcomes of what is being "
                                             "sent before anything new begins",
                                             std::string(full.message()), (kRoomForTables + reserve_->bytes()) >> 20)});
  }
  bool again = kind == Kind::kLog && reserve_->Release();
  std::unique_lock lock(mutex_);
  while (!again && phase_ != Phase::kEnd && (failure_ == nullptr || !failure_->final())) {
    ended_.wait_for(lock, kLookAgain);
    again = phase_ != Phase::kEnd && (kind == Kind::kLog || HasRoomForTables());
  }
  --waiting_;
  return again;
}

bool WaitForRoom::HasRoomForTables() {
  uint64_t room = 0;
  if (!target()->GetFreeSpace(directory_, {}, &room, nullptr).ok()) return true;  // trying says more
  return room >= kRoomForTables + (reserve_->held() ? 0 : reserve_->bytes());
}

}  // namespace sealift::queue
