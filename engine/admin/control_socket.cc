#include "engine/admin/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fmt/format.h"

namespace sealift::engine {
namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

}  // namespace

absl::Status ControlSocket::RemoveStale() const {
  struct stat about{};
  if (::lstat(path_.c_str(), &about) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return absl::PermissionDeniedError(fmt::format(
        "the control socket {} cannot be looked at ({}); check its directory", path_, std::strerror(errno)));
  }
  if (!S_ISSOCK(about.st_mode)) {
    return absl::AlreadyExistsError(
        fmt::format("{} is in the way of the control socket and is not a socket; move it away", path_));
  }
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return absl::UnavailableError(fmt::format("no socket can be made ({})", std::strerror(errno)));
  const sockaddr_un address = AddressOf(path_);
  const int failed = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ? errno : 0;
  ::close(fd);
  if (failed != ECONNREFUSED) {  // EAGAIN: its backlog is full, but someone listens
    return absl::AlreadyExistsError(fmt::format(
        "another daemon answers on {}: one data directory has one daemon; stop that one, or set another data_dir",
        path_));
  }
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return absl::PermissionDeniedError(
        fmt::format("the stale control socket {} cannot be removed ({}); remove it", path_, std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> ControlSocket::Bind() {
  const sockaddr_un address = AddressOf(path_);
  if (path_.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("the control socket's path {} is longer than the {} bytes that a Unix "
                    "socket may have; choose a shorter data_dir",
                    path_, sizeof address.sun_path - 1));
  }
  if (absl::Status status = RemoveStale(); !status.ok()) return status;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // The mode of the descriptor becomes that of the file as bind makes it (minus the umask), so that there is no moment
  // at which others could connect; a umask set for that moment would bind other threads' files too.
  if (fd < 0 || ::fchmod(fd, 0600) != 0 ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return absl::PermissionDeniedError(
        fmt::format("the control socket {} cannot be made ({}); check that data_dir exists and is ours", path_,
                    std::strerror(error)));
  }
  struct stat about{};
  if (::lstat(path_.c_str(), &about) == 0) {
    device_ = about.st_dev;
    inode_ = about.st_ino;
  }
  return fd;
}

void ControlSocket::Remove() {
  struct stat about{};
  if (inode_ != 0 && ::lstat(path_.c_str(), &about) == 0 && about.st_dev == device_ && about.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  inode_ = 0;
}

}  // namespace sealift::engine
