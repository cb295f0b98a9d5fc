#include "engine/secret_file.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "fmt/format.h"

namespace sealift::engine {

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

ssize_t Secret::ReadSome(int fd) {
  const ssize_t n = ::read(fd, bytes_.data() + size_, bytes_.size() - size_);
  if (n > 0) size_ += static_cast<size_t>(n);
  return n;
}

absl::StatusOr<SecretFile> SecretFile::Open(const std::string& path, Words words) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    const int error = errno;
    if (error == ENOENT) {
      return absl::NotFoundError(fmt::format("{} does not exist: {}", words.origin, words.if_absent));
    }
    if (error == ELOOP) {
      return absl::PermissionDeniedError(fmt::format("{} is a symbolic link; name the file itself", words.origin));
    }
    return absl::PermissionDeniedError(
        fmt::format("{} cannot be opened ({}); make it readable for the user that runs sealiftd", words.origin,
                    std::strerror(error)));
  }
  SecretFile file(fd, std::move(words));
  struct stat about{};
  if (::fstat(fd, &about) != 0) {
    return absl::UnavailableError(fmt::format("{} cannot be examined ({})", file.words_.origin, std::strerror(errno)));
  }
  if (!S_ISREG(about.st_mode)) {
    return absl::PermissionDeniedError(fmt::format("{} is not a regular file", file.words_.origin));
  }
  file.owner_ = about.st_uid;
  file.mode_ = about.st_mode;
  file.device_ = about.st_dev;
  return file;
}

SecretFile::SecretFile(SecretFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      words_(std::move(other.words_)),
      owner_(other.owner_),
      mode_(other.mode_),
      device_(other.device_) {}

SecretFile::~SecretFile() {
  if (fd_ >= 0) ::close(fd_);
}

uid_t DaemonOf(const std::string& data_dir) {
  struct stat about{};
  return ::stat(data_dir.c_str(), &about) == 0 ? about.st_uid : ::geteuid();
}

absl::Status SecretFile::CheckPrivate(uid_t daemon) const {
  const uid_t us = ::geteuid();
  if (owner_ == 0 && us == 0 && daemon != 0) {
    return absl::PermissionDeniedError(fmt::format(
        "{} is root's alone, and sealiftd runs as user {}, who owns the data directory; chown it to that user",
        words_.origin, daemon));
  }
  if (owner_ != daemon && owner_ != us && owner_ != 0) {
    return absl::PermissionDeniedError(fmt::format(
        "{} belongs to user {}, who could change it; chown it to the user that runs sealiftd", words_.origin, owner_));
  }
  if ((mode_ & 0177) != 0) {
    return absl::PermissionDeniedError(
        fmt::format("{} has mode {:04o}: {}", words_.origin, mode_ & 07777, words_.if_shared));
  }
  return absl::OkStatus();
}

absl::StatusOr<Secret> SecretFile::Read(size_t bytes_max) const {
  Secret secret(bytes_max);
  ssize_t n = 1;
  while (n != 0) {
    n = secret.ReadSome(fd_);
    if (n < 0 && errno != EINTR) {
      return absl::UnavailableError(fmt::format("{} cannot be read ({})", words_.origin, std::strerror(errno)));
    }
  }
  return secret;
}

}  // namespace sealift::engine
