#include "queue/backup.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include "queue/archive.h"
#include "queue/campaign_table.h"
#include "queue/cancellation.h"
#include "queue/database.h"
#include "queue/key_ring.h"
#include "queue/key_wrap.h"
#include "queue/keys.h"
#include "queue/restored.h"
#include "queue/rocks.h"
#include "queue/store.h"
#include "queue/wire.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr size_t kCopyBytes = 1 << 20;
constexpr size_t kNameMax = 255, kLabelMax = 4096;
constexpr size_t kMemoryBytes = 32 << 20;  // of a database that is only looked at
// What a record of the archive is.
constexpr char kKeyRecord = 'k', kTableRecord = 'f', kCompanionRecord = 'c', kEndRecord = 'e';
// What a restore makes has such a name until all of it is there.
constexpr std::string_view kRestoring = ".restoring";

absl::Status Cannot(std::string_view what, const std::string& path, int error) {
  const std::string text = fmt::format("{} {}: {}. Check the disk and its rights", what, path, std::strerror(error));
  return error == ENOSPC ? absl::ResourceExhaustedError(text) : absl::UnavailableError(text);
}

// An open file, closed with it.
class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status SyncDirectory(const std::string& path) {
  const File folder(path, O_RDONLY | O_DIRECTORY);
  return folder.fd() >= 0 && ::fsync(folder.fd()) == 0 ? absl::OkStatus() : Cannot("cannot sync", path, errno);
}

void PutLabel(const BackupLabel& label, std::string* out) {
  std::string text;
  PutBytes(label.hostname, &text);
  PutTime(label.taken, &text);
  PutFixed64(label.sequence, &text);
  PutVarint(label.campaigns, &text);
  PutVarint(label.rows, &text);
  PutFixed32(static_cast<uint32_t>(text.size()), out);
  *out += text;
}

absl::Status Malformed(const std::string& path) {
  return absl::FailedPreconditionError(fmt::format(
      "the backup {} is in a form that this version does not know. Take the version that wrote it, or a newer one",
      path));
}

absl::StatusOr<uint64_t> ReadNumber(ArchiveReader& archive, size_t bytes) {
  std::string text;
  if (absl::Status status = archive.Read(bytes, &text); !status.ok()) return status;
  return bytes == 4 ? Fixed32(text.data()) : Fixed64(text.data());
}

absl::StatusOr<BackupLabel> ReadLabel(ArchiveReader& archive, const std::string& path) {
  const absl::StatusOr<uint64_t> size = ReadNumber(archive, 4);
  if (!size.ok()) return size.status();
  if (*size > kLabelMax) return Malformed(path);
  std::string text;
  if (absl::Status status = archive.Read(*size, &text); !status.ok()) return status;
  WireReader in(text);
  BackupLabel label;
  label.hostname = in.Bytes();
  label.taken = in.Time();
  label.sequence = in.ReadFixed64();
  label.campaigns = in.Varint();
  label.rows = in.Varint();
  if (!in.ok()) return Malformed(path);
  return label;
}

// A record's kind, the length of its name, and its name.
void PutRecord(char kind, std::string_view name, std::string* out) {
  *out += kind;
  PutFixed32(static_cast<uint32_t>(name.size()), out);
  *out += name;
}

struct Record {
  char kind = kEndRecord;
  std::string name;
};

absl::StatusOr<Record> ReadRecord(ArchiveReader& archive, const std::string& path) {
  Record record;
  std::string kind;
  if (absl::Status status = archive.Read(1, &kind); !status.ok()) return status;
  record.kind = kind[0];
  if (record.kind == kEndRecord) return record;
  const absl::StatusOr<uint64_t> size = ReadNumber(archive, 4);
  if (!size.ok()) return size.status();
  if (*size == 0 || *size > kNameMax) return Malformed(path);
  if (absl::Status status = archive.Read(*size, &record.name); !status.ok()) return status;
  const bool is_file = record.kind == kTableRecord || record.kind == kCompanionRecord;
  if (is_file && (record.name.find('/') != std::string::npos || record.name.starts_with('.'))) return Malformed(path);
  return record;
}

absl::Status CheckGoesOn(const std::atomic<bool>* stop) {
  if (stop == nullptr || !*stop) return absl::OkStatus();
  return absl::UnavailableError("the node stops: no backup was made. Make one once it runs again");
}

// `bytes` of the file, which may grow meanwhile.
absl::Status AddFile(ArchiveWriter& archive, char kind, const std::string& name, const std::string& path,
                     uint64_t bytes, const std::atomic<bool>* stop) {
  const File file(path, O_RDONLY);
  if (file.fd() < 0) return Cannot("a backup cannot read", path, errno);
  std::string text;
  PutRecord(kind, name, &text);
  PutFixed64(bytes, &text);
  if (absl::Status status = archive.Write(text); !status.ok()) return status;
  std::string piece;
  while (bytes > 0) {
    if (absl::Status goes_on = CheckGoesOn(stop); !goes_on.ok()) return goes_on;
    piece.resize(std::min<uint64_t>(bytes, kCopyBytes));
    const ssize_t n = ::read(file.fd(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Cannot("a backup cannot read", path, errno);
    if (n == 0) return absl::UnavailableError(fmt::format("{} became shorter while it was backed up", path));
    if (absl::Status status = archive.Write({piece.data(), static_cast<size_t>(n)}); !status.ok()) return status;
    bytes -= static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

// A companion goes as far as its last whole line: it may be written to right now.
absl::StatusOr<uint64_t> WholeLines(const std::string& path) {
  const File file(path, O_RDONLY);
  struct stat about{};
  if (file.fd() < 0 || ::fstat(file.fd(), &about) != 0) return Cannot("a backup cannot read", path, errno);
  auto size = static_cast<uint64_t>(about.st_size);
  std::string tail;
  while (size > 0) {
    tail.resize(std::min<uint64_t>(size, 4096));
    const ssize_t n = ::pread(file.fd(), tail.data(), tail.size(), static_cast<off_t>(size - tail.size()));
    if (n != static_cast<ssize_t>(tail.size())) return Cannot("a backup cannot read", path, errno);
    const size_t end = tail.rfind('\n');
    if (end != std::string::npos) return size - tail.size() + end + 1;
    size -= tail.size();
  }
  return 0;
}

// The directory of a checkpoint, gone with it.
class Checkpoint {
 public:
  explicit Checkpoint(Database* database) : database_(database), path_(database->checkpoint_path()) {}
  // What cannot be removed now, the next erasure removes or tells of.
  ~Checkpoint() { (void)database_->RemoveCheckpoint(); }

  absl::Status Make() {
    if (absl::Status removed = database_->RemoveCheckpoint(); !removed.ok()) return removed;
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(database_->get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    // What is in memory is written first, so that the copy has no log to speak of.
    if (status.ok()) status = checkpoint->CreateCheckpoint(path_, 0, &sequence_);
    return FromRocks(status, "make a checkpoint for a backup");
  }

  const std::string& path() const { return path_; }

 private:
  Database* const database_;
  const std::string path_;
  uint64_t sequence_ = 0;  // RocksDB's
};

// What the checkpoint itself says, so that it fits the files: its data keys, its newest commit, and what is queued.
absl::StatusOr<std::vector<NamedKey>> ReadCheckpoint(const std::string& path, KeyRing* ring, BackupLabel* label) {
  rocksdb::DB* opened = nullptr;
  rocksdb::Options options;
  const std::vector<rocksdb::ColumnFamilyDescriptor> columns = {{std::string(NameOf(Column::kMeta)), {}},
                                                                {std::string(NameOf(Column::kCampaigns)), {}}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  // As the database has it: without it RocksDB would strike the logs from the manifest, if there are any. It cannot in
  // one that it only reads, and aborts.
  options.track_and_verify_wals_in_manifest = true;
  if (auto status = rocksdb::DB::OpenForReadOnly(options, path, columns, &handles, &opened); !status.ok()) {
    return FromRocks(status, "read the checkpoint of a backup");
  }
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::string value;
  if (db->Get({}, ToSlice(kSequenceKey), &value).ok() && value.size() == 8) label->sequence = Fixed64(value.data());
  const absl::StatusOr<std::vector<Counters>> counts = CountCampaigns(db.get(), handles.back(), ring);
  for (rocksdb::ColumnFamilyHandle* handle : handles) (void)db->DestroyColumnFamilyHandle(handle);
  if (!counts.ok()) return counts.status();
  label->campaigns = counts->size();
  label->rows = 0;
  for (const Counters& campaign : *counts) label->rows += campaign.queued();
  return ring->KeysIn(db.get());
}

// A copy of a damaged table would be found to be one when it is needed.
absl::Status CheckTable(const std::string& path) {
  rocksdb::SstFileReader table{rocksdb::Options()};
  rocksdb::Status status = table.Open(path);
  if (status.ok()) status = table.VerifyChecksum();
  return FromRocks(status, "be backed up");
}

absl::Status ExtractFile(ArchiveReader& archive, const std::string& path) {
  absl::StatusOr<uint64_t> left = ReadNumber(archive, 8);
  if (!left.ok()) return left.status();
  const File file(path, O_WRONLY | O_CREAT | O_EXCL);
  if (file.fd() < 0) return Cannot("cannot make", path, errno);
  std::string piece;
  while (*left > 0) {
    piece.clear();
    const uint64_t size = std::min<uint64_t>(*left, kCopyBytes);
    if (absl::Status status = archive.Read(size, &piece); !status.ok()) return status;
    std::string_view rest = piece;
    while (!rest.empty()) {
      const ssize_t n = ::write(file.fd(), rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Cannot("cannot write", path, errno);
      rest.remove_prefix(static_cast<size_t>(n));
    }
    *left -= size;
  }
  return ::fsync(file.fd()) == 0 ? absl::OkStatus() : Cannot("cannot sync", path, errno);
}

// The keys as the archive has them become the database's, and the mark says what it is: all of it or nothing.
absl::Status MarkRestored(const std::string& path, const std::vector<NamedKey>& keys, const RestoreRequest& request,
                          const BackupLabel& label) {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open({.path = path, .memory_bytes = kMemoryBytes});
  if (!database.ok()) return database.status();
  rocksdb::WriteBatch batch;
  WrapAll(keys, Secret(request.kek), &batch);
  batch.Delete(ToSlice(kKekNextKey));
  batch.Delete(ToSlice(kKekScrubKey));
  std::string number;
  PutFixed64(label.sequence + kRestoreStride, &number);
  batch.Put(ToSlice(kSequenceKey), number);
  // A backup of a queue that was restored and not reconciled yet knows no more than the one before it.
  const absl::StatusOr<std::optional<Restored>> before = ReadRestored((*database)->get());
  if (!before.ok()) return before.status();
  Restored mark{.taken = label.taken, .at = request.now, .sequence = label.sequence};
  if (*before) mark = {.taken = (*before)->taken, .at = request.now, .sequence = (*before)->sequence};
  batch.Put(ToSlice(kRestoredKey), Encode(mark));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  if (auto status = (**database)->Write(synced, &batch); !status.ok()) return FromRocks(status, "take its keys");
  return ScrubKeys(database->get());
}

// Who restores over something would lose it, and who restores beside something would not know what he has.
absl::Status PrepareTarget(const std::string& data_dir) {
  std::error_code error;
  if (::mkdir(data_dir.c_str(), 0700) != 0 && errno != EEXIST) return Cannot("cannot make", data_dir, errno);
  // A crash may have ended a restore when the companions had their names, and a daemon that was refused since has made
  // its empty ones: they are replaced.
  const bool interrupted = std::filesystem::exists(fmt::format("{}/queue{}", data_dir, kRestoring), error);
  std::vector<std::filesystem::path> remains;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir, error)) {
    const std::string name = entry.path().filename();
    if (name == "lock") continue;  // of the command that restores
    if (interrupted && entry.is_regular_file() && !name.ends_with(kRestoring)) continue;
    if (!name.ends_with(kRestoring)) {
      return absl::FailedPreconditionError(
          fmt::format("{} is not empty (it has {}): a backup is restored into an empty directory only, so that nothing "
                      "is lost. Stop the daemon, move the directory away, and restore again",
                      data_dir, name));
    }
    remains.push_back(entry.path());
  }
  for (const std::filesystem::path& path : remains) {
    if (!error) std::filesystem::remove_all(path, error);
  }
  return error ? Cannot("cannot prepare", data_dir, error.value()) : absl::OkStatus();
}

absl::Status Rename(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? absl::OkStatus() : Cannot("cannot make", to, errno);
}

}  // namespace

absl::StatusOr<BackupResult> WriteBackup(Database* database, KeyRing* ring, const BackupRequest& request,
                                         const std::atomic<bool>* stop) {
  Checkpoint checkpoint(database);
  if (absl::Status status = checkpoint.Make(); !status.ok()) return status;
  BackupResult result{.label = request.label};
  const absl::StatusOr<std::vector<NamedKey>> keys = ReadCheckpoint(checkpoint.path(), ring, &result.label);
  if (!keys.ok()) return keys.status();

  absl::StatusOr<std::unique_ptr<ArchiveWriter>> archive = ArchiveWriter::Create(request.path, Secret(request.key));
  if (!archive.ok()) return archive.status();
  std::string text;
  PutLabel(result.label, &text);
  for (const NamedKey& key : *keys) {
    PutRecord(kKeyRecord, key.name, &text);
    text.append(reinterpret_cast<const char*>(key.secret.data()), Secret::kSize);
  }
  absl::Status status = (*archive)->Write(text);
  OPENSSL_cleanse(text.data(), text.size());
  if (!status.ok()) return status;

  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoint.path(), error)) files.push_back(entry.path());
  if (error) return Cannot("a backup cannot read", checkpoint.path(), error.value());
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    const uint64_t bytes = std::filesystem::file_size(file, error);
    if (error) return Cannot("a backup cannot read", file, error.value());
    if (file.extension() == ".sst") status = CheckTable(file);
    if (status.ok()) status = AddFile(**archive, kTableRecord, file.filename(), file, bytes, stop);
    if (!status.ok()) return status;
  }
  for (const CompanionFile& companion : request.companions) {
    const absl::StatusOr<uint64_t> bytes = WholeLines(companion.path);
    if (!bytes.ok()) return bytes.status();
    status = AddFile(**archive, kCompanionRecord, companion.name, companion.path, *bytes, stop);
    if (!status.ok()) return status;
  }
  if (status = (*archive)->Write({&kEndRecord, 1}); !status.ok()) return status;
  if (status = (*archive)->Finish(); !status.ok()) return status;
  result.bytes = (*archive)->bytes();
  return result;
}

absl::StatusOr<BackupLabel> ReadBackupLabel(const std::string& path, const std::array<uint8_t, 32>& key) {
  const absl::StatusOr<std::unique_ptr<ArchiveReader>> archive = ArchiveReader::Open(path, Secret(key));
  if (!archive.ok()) return archive.status();
  return ReadLabel(**archive, path);
}

absl::StatusOr<BackupLabel> RestoreBackup(const RestoreRequest& request) {
  if (absl::Status status = PrepareTarget(request.data_dir); !status.ok()) return status;
  const std::string queue = request.data_dir + "/queue";
  const std::string restoring = fmt::format("{}{}", queue, kRestoring);
  // Before anything else, and it stays whatever is wrong with the backup: a daemon must not start on what was to be
  // restored and begin with an empty queue.
  if (::mkdir(restoring.c_str(), 0700) != 0) return Cannot("cannot make", restoring, errno);

  const absl::StatusOr<std::unique_ptr<ArchiveReader>> archive = ArchiveReader::Open(request.path, Secret(request.key));
  if (!archive.ok()) return archive.status();
  absl::StatusOr<BackupLabel> label = ReadLabel(**archive, request.path);
  if (!label.ok()) return label;
  std::vector<std::string> companions;
  std::vector<NamedKey> keys;
  while (true) {
    const absl::StatusOr<Record> record = ReadRecord(**archive, request.path);
    if (!record.ok()) return record.status();
    if (record->kind == kEndRecord) break;
    absl::Status status;
    if (record->kind == kKeyRecord) {
      std::string bytes;
      status = (*archive)->Read(Secret::kSize, &bytes);
      std::array<uint8_t, Secret::kSize> key{};
      if (status.ok()) std::memcpy(key.data(), bytes.data(), key.size());
      keys.push_back({record->name, Secret(key)});
      OPENSSL_cleanse(bytes.data(), bytes.size());
      OPENSSL_cleanse(key.data(), key.size());
    } else if (record->kind == kTableRecord) {
      status = ExtractFile(**archive, restoring + "/" + record->name);
    } else if (record->kind == kCompanionRecord) {
      companions.push_back(request.data_dir + "/" + record->name);
      status = ExtractFile(**archive, fmt::format("{}{}", companions.back(), kRestoring));
    } else {
      status = Malformed(request.path);
    }
    if (!status.ok()) return status;
  }
  if (absl::Status status = (*archive)->ExpectEnd(); !status.ok()) return status;
  if (absl::Status status = MarkRestored(restoring, keys, request, *label); !status.ok()) return status;
  if (absl::Status status = SyncDirectory(restoring); !status.ok()) return status;
  for (const std::string& companion : companions) {
    if (absl::Status status = Rename(fmt::format("{}{}", companion, kRestoring), companion); !status.ok())
      return status;
  }
  if (absl::Status status = Rename(restoring, queue); !status.ok()) return status;
  if (absl::Status status = SyncDirectory(request.data_dir); !status.ok()) return status;
  return label;
}

absl::StatusOr<BackupCheck> VerifyBackup(const std::string& path, const std::array<uint8_t, 32>& key,
                                         const std::string& scratch) {
  const File lock(path, O_RDONLY);
  if (lock.fd() >= 0 && ::flock(lock.fd(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return absl::AlreadyExistsError(fmt::format("{} is being verified already: wait for that to end", path));
  }
  // What is there under this name is what a verification that was killed has left.
  if (scratch == path + ".verifying") {
    std::error_code error;
    std::filesystem::remove_all(scratch, error);
    if (error) return Cannot("cannot remove", scratch, error.value());
  }
  if (std::filesystem::exists(scratch)) {
    return absl::AlreadyExistsError(
        fmt::format("{} is there already: remove it, or name a directory that can be made", scratch));
  }
  struct Removal {
    const std::string& path;
    ~Removal() {
      std::error_code error;
      std::filesystem::remove_all(path, error);
    }
  } const removal{scratch};
  RestoreRequest request{.path = path, .key = key, .data_dir = scratch, .now = absl::Now()};
  RandomBytes(request.kek.data(), request.kek.size());
  const absl::StatusOr<BackupLabel> label = RestoreBackup(request);
  if (!label.ok()) return label.status();
  BackupCheck check{.label = *label};
  const std::string queue = scratch + "/queue";
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(queue)) ++check.files;
  {
    const absl::StatusOr<std::unique_ptr<Database>> database =
        Database::Open({.path = queue, .memory_bytes = kMemoryBytes});
    if (!database.ok()) return database.status();
    if (auto status = (**database)->VerifyChecksum(); !status.ok()) return FromRocks(status, "verify a backup");
  }
  const absl::StatusOr<std::unique_ptr<Store>> store =
      Store::Open({.path = queue, .kek = request.kek, .memory_bytes = kMemoryBytes});
  if (!store.ok()) return store.status();
  const absl::StatusOr<std::vector<Campaign>> campaigns = (*store)->ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  for (const Campaign& listed : *campaigns) {
    const absl::StatusOr<Campaign> whole = (*store)->GetCampaign(listed.id);
    if (!whole.ok()) return whole.status();
    ++check.campaigns;
    check.rows += listed.counters.queued();
  }
  return check;
}

}  // namespace sealift::queue
