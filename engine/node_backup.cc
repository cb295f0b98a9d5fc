// The node's backups and the key that opens its queue.
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "engine/config_place.h"
#include "engine/exit_code.h"
#include "engine/kek.h"
#include "engine/log.h"
#include "engine/node_impl.h"

namespace sealift::engine {
namespace {

std::string NameOf(const std::string& hostname, absl::Time now) {
  return fmt::format("{}-{}.backup", hostname, absl::FormatTime("%Y%m%dT%H%M%E3SZ", now, absl::UTCTimeZone()));
}

// Backups are as private as the queue is, though they are sealed: who can write there can take them away.
absl::Status CheckFolder(const Options& options) {
  const std::string& dir = options.backup.dir;
  if (dir.empty()) {
    return WithExit(absl::FailedPreconditionError(
                        "the configuration names no directory for backups: set dir and key_file in [backup]"),
                    ExitCode::kConfig);
  }
  struct stat about{};
  if (::stat(dir.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) {
    return WithExit(
        absl::FailedPreconditionError(fmt::format(
            "backup.dir is {} (set at {}), which is no directory; make it, for the user that sealiftd runs as", dir,
            PlaceOf(options, "backup.dir"))),
        ExitCode::kCannotCreate);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Kek> NodeImpl::BackupKey(const Options& options) const {
  if (absl::Status folder = CheckFolder(options); !folder.ok()) return folder;
  absl::StatusOr<Kek> key = LoadBackupKey(options);
  if (!key.ok()) return WithExit(key.status(), ExitCode::kConfig);
  if (queue::FingerprintOf(*key) == store_->DescribeKeys().kek) {
    return WithExit(absl::FailedPreconditionError(fmt::format(
                        "backup.key_file (set at {}) holds the key that opens the queue: whoever takes one would have "
                        "both. Make another one with `sealift key init FILE`",
                        PlaceOf(options, "backup.key_file"))),
                    ExitCode::kConfig);
  }
  return key;
}

void NodeImpl::PrepareBackups() const {
  const std::shared_ptr<const Options> options = this->options();
  if (options->backup.dir.empty()) return;
  if (const absl::StatusOr<Kek> key = BackupKey(*options); !key.ok()) {
    LogWarning("no backup can be made", {{"why", key.status()}});
  }
  std::error_code ignored;  // who makes a backup is told of a directory that is not there
  for (const auto& entry : std::filesystem::directory_iterator(options->backup.dir, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(options->node.hostname + "-") || !name.ends_with(".backup.partial")) continue;
    if (std::filesystem::remove(entry.path(), ignored)) LogInfo("an unfinished backup was removed", {{"file", name}});
  }
}

absl::StatusOr<BackupMade> NodeImpl::Backup() {
  const std::shared_ptr<const Options> options = this->options();
  const absl::StatusOr<Kek> key = BackupKey(*options);
  if (!key.ok()) return key.status();
  const absl::Time now = absl::Now();
  queue::BackupRequest request{.path = options->backup.dir + "/" + NameOf(options->node.hostname, now),
                               .key = *key,
                               .label = {.hostname = options->node.hostname, .taken = now},
                               .companions = {{"audit", options->node.data_dir + "/audit"}}};
  const absl::StatusOr<queue::BackupResult> made = store_->Backup(request, &interrupted_);
  if (!made.ok()) {
    if (absl::IsDataLoss(made.status())) return made.status();
    const bool later = absl::IsResourceExhausted(made.status()) || absl::IsUnavailable(made.status());
    return WithExit(made.status(), later ? ExitCode::kTryLater : ExitCode::kIo);
  }
  LogInfo("a backup was made", {{"file", request.path}, {"bytes", made->bytes}});
  return BackupMade{.path = request.path, .result = *made};
}

absl::StatusOr<queue::KeyReport> NodeImpl::RotateKey(const std::string& file) {
  const std::shared_ptr<const Options> options = this->options();
  const absl::StatusOr<Kek> next = LoadNextKek(file, *options);
  if (!next.ok()) return WithExit(next.status(), ExitCode::kNoInput);
  // Where the backups' key cannot be read no backup is made, and who makes one is told why.
  if (!options->backup.key_file.empty()) {
    const absl::StatusOr<Kek> backups = LoadBackupKey(*options);
    if (backups.ok() && *backups == *next) {
      return WithExit(absl::InvalidArgumentError(fmt::format(
                          "{} holds the key that seals backups (backup.key_file, set at {}): whoever takes one would "
                          "have both, and no backup could be made. Make another one with `sealift key init FILE`",
                          file, PlaceOf(*options, "backup.key_file"))),
                      ExitCode::kUsage);
    }
  }
  if (absl::Status begun = store_->BeginRotation(*next); !begun.ok()) {
    return WithExit(begun, absl::IsInvalidArgument(begun) ? ExitCode::kUsage : ExitCode::kIo);
  }
  return store_->DescribeKeys();
}

}  // namespace sealift::engine
