#include "queue/archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "fmt/format.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

constexpr std::string_view kMagic = "sealift backup 1\n";
constexpr size_t kSaltSize = 32;
constexpr size_t kCheckSize = 8;  // the salt's end
constexpr size_t kHeadSize = kMagic.size() + kSaltSize;
constexpr std::string_view kPurpose = "sealift backup 1";
constexpr std::string_view kCheckPurpose = "sealift backup key check";

Secret KeyOf(const Secret& key, std::string_view head) { return key.Derive(head.substr(kMagic.size()), kPurpose); }

// What the end of a salt is, where the key is the one that it was made under.
std::string CheckOf(const Secret& key, std::string_view salt) {
  const Secret check = key.Derive(salt.substr(0, kSaltSize - kCheckSize), kCheckPurpose);
  return std::string(reinterpret_cast<const char*>(check.data()), kCheckSize);
}

std::string NonceOf(uint64_t frame, bool last) {
  std::string nonce;
  PutFixed32(last ? 1 : 0, &nonce);
  PutFixed64(frame, &nonce);
  return nonce;
}

absl::Status CannotWrite(const std::string& path, int error) {
  const std::string why = fmt::format("the backup {} cannot be written: {}. ", path, std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) {
    return absl::ResourceExhaustedError(why + "Free space there, or take another directory");
  }
  return absl::UnavailableError(why + "Check the directory, its owner and the disk");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ArchiveWriter>> ArchiveWriter::Create(std::string path, const Secret& key) {
  if (std::filesystem::exists(path)) {
    return absl::AlreadyExistsError(fmt::format("there is a file {} already; a backup overwrites none", path));
  }
  const std::string partial = path + ".partial";
  (void)::unlink(partial.c_str());  // of a backup that a crash ended
  const int fd = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return CannotWrite(partial, errno);
  std::string head(kMagic);
  head.resize(kHeadSize);
  RandomBytes(head.data() + kMagic.size(), kSaltSize - kCheckSize);
  head.replace(kHeadSize - kCheckSize, kCheckSize, CheckOf(key, std::string_view(head).substr(kMagic.size())));
  const Secret own = KeyOf(key, head);
  std::unique_ptr<ArchiveWriter> writer(new ArchiveWriter(std::move(path), fd, own, std::move(head)));
  if (absl::Status status = writer->WriteFile(writer->head_); !status.ok()) return status;
  return writer;
}

ArchiveWriter::ArchiveWriter(std::string path, int fd, const Secret& key, std::string head)
    : path_(std::move(path)),
      partial_(path_ + ".partial"),
      head_(std::move(head)),
      fd_(fd),
      cipher_(key, Cipher::Direction::kSeal) {
  frame_.reserve(kArchiveFrameBytes);
}

ArchiveWriter::~ArchiveWriter() {
  OPENSSL_cleanse(frame_.data(), frame_.size());
  if (fd_ >= 0) ::close(fd_);
  if (!finished_) (void)::unlink(partial_.c_str());
}

absl::Status ArchiveWriter::WriteFile(std::string_view bytes) {
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CannotWrite(partial_, errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status ArchiveWriter::SealFrame(bool last) {
  std::string sealed;
  PutFixed32(static_cast<uint32_t>(frame_.size()), &sealed);
  cipher_.Seal(NonceOf(frames_++, last), {head_, sealed.substr(0, 4)}, frame_, &sealed);
  OPENSSL_cleanse(frame_.data(), frame_.size());
  frame_.clear();
  return WriteFile(sealed);
}

absl::Status ArchiveWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (frame_.size() == kArchiveFrameBytes) {
      if (absl::Status status = SealFrame(false); !status.ok()) return status;
    }
    const size_t taken = std::min(bytes.size(), kArchiveFrameBytes - frame_.size());
    frame_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
  }
  return absl::OkStatus();
}

absl::Status ArchiveWriter::Finish() {
  if (absl::Status status = SealFrame(true); !status.ok()) return status;
  const bool closed = ::fsync(fd_) == 0 && ::close(std::exchange(fd_, -1)) == 0;
  if (!closed) return CannotWrite(partial_, errno);
  if (::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
    return CannotWrite(path_, errno);
  }
  finished_ = true;
  const int folder = ::open(std::filesystem::path(path_).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool named = folder >= 0 && ::fsync(folder) == 0;
  const int error = errno;
  if (folder >= 0) ::close(folder);
  return named ? absl::OkStatus() : CannotWrite(path_, error);
}

absl::StatusOr<std::unique_ptr<ArchiveReader>> ArchiveReader::Open(std::string path, const Secret& key) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return absl::NotFoundError(fmt::format("the backup {} cannot be opened: {}", path, std::strerror(errno)));
  }
  std::unique_ptr<ArchiveReader> reader(new ArchiveReader(std::move(path), fd));
  if (absl::Status status = reader->ReadHead(key); !status.ok()) return status;
  return reader;
}

ArchiveReader::~ArchiveReader() {
  OPENSSL_cleanse(frame_.data(), frame_.size());
  ::close(fd_);
}

absl::StatusOr<std::string> ArchiveReader::ReadFile(size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t n = ::read(fd_, bytes.data() + have, size - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return absl::UnavailableError(fmt::format("the backup {} cannot be read: {}", path_, std::strerror(errno)));
    }
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  bytes.resize(have);
  return bytes;
}

absl::Status ArchiveReader::Damaged() const {
  return absl::DataLossError(fmt::format(
      "the backup {} does not authenticate at its frame {}: it was damaged, changed or cut short. Nothing of it can be "
      "trusted; take another one",
      path_, frames_));
}

// A wrong key shows at the first frame. The salt tells it from damage there; that of an earlier version tells nothing.
absl::Status ArchiveReader::ReadHead(const Secret& key) {
  absl::StatusOr<std::string> head = ReadFile(kHeadSize);
  if (!head.ok()) return head.status();
  if (head->size() != kHeadSize && kMagic.starts_with(head->substr(0, kMagic.size()))) return Damaged();
  if (head->size() != kHeadSize || !head->starts_with(kMagic)) {
    return absl::DataLossError(
        fmt::format("{} is no backup of this version of Sealift: it does not begin as one", path_));
  }
  head_ = *std::move(head);
  cipher_ = std::make_unique<Cipher>(KeyOf(key, head_), Cipher::Direction::kOpen);
  const absl::Status first = NextFrame();
  const std::string_view salt = std::string_view(head_).substr(kMagic.size());
  if (!absl::IsDataLoss(first) || salt.ends_with(CheckOf(key, salt))) return first;
  return absl::FailedPreconditionError(
      fmt::format("the backup key does not open {}: it was made with another key, or its first 49 bytes are damaged. "
                  "Configure the key that it was made with ([backup] key_file)",
                  path_));
}

absl::Status ArchiveReader::NextFrame() {
  const absl::StatusOr<std::string> length = ReadFile(4);
  if (!length.ok()) return length.status();
  if (length->size() != 4) return Damaged();
  const uint32_t size = Fixed32(length->data());
  if (size > kArchiveFrameBytes) return Damaged();
  const absl::StatusOr<std::string> sealed = ReadFile(size + Cipher::kTagSize);
  if (!sealed.ok()) return sealed.status();
  OPENSSL_cleanse(frame_.data(), frame_.size());
  used_ = 0;
  // Whether it is the last is not written down but authenticated: only one of the two opens it.
  for (const bool last : {false, true}) {
    if (!cipher_->Open(NonceOf(frames_, last), {head_, *length}, *sealed, &frame_)) continue;
    last_ = last;
    ++frames_;
    return absl::OkStatus();
  }
  return Damaged();
}

absl::Status ArchiveReader::Read(size_t size, std::string* out) {
  while (size > 0) {
    if (used_ == frame_.size()) {
      if (last_) return Damaged();
      if (absl::Status status = NextFrame(); !status.ok()) return status;
      continue;
    }
    const size_t taken = std::min(size, frame_.size() - used_);
    out->append(frame_, used_, taken);
    used_ += taken;
    size -= taken;
  }
  return absl::OkStatus();
}

absl::Status ArchiveReader::ExpectEnd() {
  if (!last_ || used_ != frame_.size()) return Damaged();
  const absl::StatusOr<std::string> rest = ReadFile(1);
  if (!rest.ok()) return rest.status();
  return rest->empty() ? absl::OkStatus() : Damaged();
}

}  // namespace sealift::queue
