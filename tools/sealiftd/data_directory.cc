#include "tools/sealiftd/data_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/exit_code.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using engine::WithExit;

absl::Status Refused(ExitCode code, const std::string& sentence) {
  return WithExit(absl::FailedPreconditionError(sentence), code);
}

}  // namespace

absl::StatusOr<DataDirectory> DataDirectory::Take(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Refused(
        ExitCode::kIo,
        fmt::format(
            "The data directory {} cannot be made: {}. Make it, mode 0700, for the user that the daemon runs as.", path,
            std::strerror(errno)));
  }
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) {
    return Refused(ExitCode::kIo,
                   fmt::format("The data directory {} cannot be looked at: {}.", path, std::strerror(errno)));
  }
  if (!S_ISDIR(status.st_mode)) {
    return Refused(ExitCode::kConfig,
                   fmt::format("node.data_dir is {}, which is no directory. Name a directory.", path));
  }
  if (status.st_uid != geteuid()) {
    return Refused(
        ExitCode::kConfig,
        fmt::format(
            "The data directory {} belongs to uid {}, and the daemon runs as uid {}. Run it as its owner, or chown it.",
            path, status.st_uid, geteuid()));
  }
  if ((status.st_mode & 077) != 0) {
    return Refused(
        ExitCode::kConfig,
        fmt::format("The data directory {} can be entered or read by others (mode {:04o}). Run: chmod 0700 {}", path,
                    status.st_mode & 07777, path));
  }
  const std::string lock = path + "/lock";
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Refused(ExitCode::kIo, fmt::format("{} cannot be opened: {}.", lock, std::strerror(errno)));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const bool held = errno == EWOULDBLOCK;
    const std::string why = std::strerror(errno);
    close(fd);
    if (!held) return Refused(ExitCode::kIo, fmt::format("{} cannot be locked: {}.", lock, why));
    return Refused(
        ExitCode::kTryLater,
        fmt::format("The data directory {} is in use by another sealiftd. Stop that one first, or give this one a "
                    "data_dir of its own: two daemons on one queue would send everything twice.",
                    path));
  }
  // A node that has done anything has written it down: without its queue it would begin again as an empty one.
  struct stat audit{}, queue{};
  if (stat((path + "/audit").c_str(), &audit) == 0 && audit.st_size > 0 &&
      stat((path + "/queue").c_str(), &queue) != 0 && errno == ENOENT &&
      stat((path + "/queue.restoring").c_str(), &queue) != 0) {
    close(fd);
    return Refused(ExitCode::kBadData,
                   fmt::format("The data directory {} has the audit file of a node and no queue: it is lost. Move the "
                               "directory away and restore a backup (`sealift backup list` shows them, `sealift backup "
                               "restore FILE` does it); or move the audit file away, and a new queue begins.",
                               path));
  }
  return DataDirectory(fd);
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept : lock_(std::exchange(other.lock_, -1)) {}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) close(lock_);  // the file stays: removing it would let two in
}

}  // namespace sealift::tools
