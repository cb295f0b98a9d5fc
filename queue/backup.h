#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sealift::queue {

class Database;
class KeyRing;

// A backup is one archive (archive.h): a label, every data key, and the files of a checkpoint of the database, which
// is what it was at one moment, while it went on. docs/formats/backup.md has the bytes.
//
// It opens with the backup key alone: the data keys in it are not wrapped, for the archive is sealed. So a rotation of
// the key encryption key spoils no backup, and a node with another one can take its place.
//
// Threads: any that may block.
// Errors:  sentences with what to do next; those of archive.h.

// What is said of a backup without restoring it.
struct BackupLabel {
  std::string hostname;  // of the node
  absl::Time taken;
  uint64_t sequence = 0;             // the newest commit in it
  uint64_t campaigns = 0, rows = 0;  // rows that are queued in it
};

// A file beside the database that goes along, as far as it was written when the backup was taken.
struct CompanionFile {
  std::string name, path;
};

struct BackupRequest {
  std::string path;  // of the archive; nothing may be there
  std::array<uint8_t, 32> key{};
  BackupLabel label;  // what is in it is filled in
  std::vector<CompanionFile> companions;
};

struct BackupResult {
  BackupLabel label;
  uint64_t bytes = 0;  // of the archive
};

// Meanwhile the database goes on. One at a time. Unavailable once `stop` is set: none is made.
absl::StatusOr<BackupResult> WriteBackup(Database* database, KeyRing* ring, const BackupRequest& request,
                                         const std::atomic<bool>* stop);

absl::StatusOr<BackupLabel> ReadBackupLabel(const std::string& path, const std::array<uint8_t, 32>& key);

struct RestoreRequest {
  std::string path;  // of the archive
  std::array<uint8_t, 32> key{};
  std::string data_dir;           // empty, or not there yet; made with mode 0700
  std::array<uint8_t, 32> kek{};  // what the restored database opens with
  absl::Time now;
};

// Makes data_dir/queue and the companions. The database is marked as restored (restored.h) before it is there under its
// name: what a crash leaves is no database, and the same restore begins again.
absl::StatusOr<BackupLabel> RestoreBackup(const RestoreRequest& request);

struct BackupCheck {
  BackupLabel label;
  uint64_t files = 0, campaigns = 0, rows = 0;  // as found
};

// Restores it into `scratch`, which must not be there, reads every table with its checksums, opens every campaign, and
// removes it again. The keys that this takes are made up and forgotten.
absl::StatusOr<BackupCheck> VerifyBackup(const std::string& path, const std::array<uint8_t, 32>& key,
                                         const std::string& scratch);

}  // namespace sealift::queue
