#include "queue/reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fmt/format.h"

namespace sealift::queue {

absl::Status Reserve::Take() {
  const std::lock_guard lock(mutex_);
  if (held_ || bytes_ == 0) return absl::OkStatus();
  const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return absl::UnavailableError(
        fmt::format("the queue cannot make its reserve {}: {}. Check the disk", path_, std::strerror(errno)));
  }
  const int error = ::posix_fallocate(file, 0, static_cast<off_t>(bytes_));
  (void)::close(file);
  held_ = error == 0;
  if (held_) return absl::OkStatus();
  (void)::unlink(path_.c_str());  // a part of it helps nobody
  if (error != ENOSPC && error != EDQUOT) {
    return absl::UnavailableError(
        fmt::format("the queue cannot make its reserve {}: {}. Check the disk", path_, std::strerror(error)));
  }
  return absl::ResourceExhaustedError(
      fmt::format("the queue's file system has no room for its reserve of {} MiB, which holds the outcomes of what is "
                  "being sent when the disk is full. Free space there",
                  bytes_ >> 20));
}

bool Reserve::Release() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  return ::unlink(path_.c_str()) == 0;
}

bool Reserve::held() const {
  const std::lock_guard lock(mutex_);
  return held_ || bytes_ == 0;
}

}  // namespace sealift::queue
