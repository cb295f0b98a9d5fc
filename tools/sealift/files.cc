#include "tools/sealift/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;

constexpr size_t kWholeBytesMax = 16 << 20;

absl::Status Unreadable(const std::string& path, const std::string& argument, int error) {
  return Fail(ExitCode::kNoInput, {fmt::format("the file given as {} cannot be read", argument), path,
                                   fmt::format("{}.", std::strerror(error)),
                                   "Check the path and its rights; nothing was sent to the daemon."});
}

}  // namespace

absl::StatusOr<std::string> ReadWholeFile(const std::string& path, const std::string& argument) {
  absl::StatusOr<InputFile> file = InputFile::Open(path, argument);
  if (!file.ok()) return file.status();
  std::string text, piece;
  for (;;) {
    const absl::StatusOr<bool> more = file->Read(&piece, 64 << 10);
    if (!more.ok()) return more.status();
    if (!*more) return text;
    text += piece;
    if (text.size() > kWholeBytesMax) {
      return Fail(ExitCode::kBadData, {fmt::format("the file given as {} is too large", argument), path,
                                       fmt::format("It has more than {} MiB.", kWholeBytesMax >> 20),
                                       "Link to large attachments instead of mailing them."});
    }
  }
}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path, const std::string& argument) {
  if (path == "-") return InputFile(path, STDIN_FILENO);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Unreadable(path, argument, errno);
  struct stat status{};
  if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    close(fd);
    return Unreadable(path, argument, EISDIR);
  }
  return InputFile(path, fd);
}

InputFile::InputFile(InputFile&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

InputFile::~InputFile() {
  if (fd_ > STDERR_FILENO) close(fd_);
}

absl::StatusOr<bool> InputFile::Read(std::string* piece, size_t bytes_max) {
  piece->resize(bytes_max);
  ssize_t size;
  do {
    size = read(fd_, piece->data(), piece->size());
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    return Fail(ExitCode::kIo, {"a file could not be read to its end", path_, fmt::format("{}.", std::strerror(errno)),
                                "Give the same command again: what was loaded is not added twice."});
  }
  piece->resize(static_cast<size_t>(size));
  return size > 0;
}

}  // namespace sealift::tools
