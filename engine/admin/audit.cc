#include "engine/admin/audit.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/log.h"
#include "engine/runtime/check.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kFieldMax = 2'000;     // bytes; a longer reason is cut
constexpr size_t kTailBytes = 1 << 20;  // far more than two lines
// What is held ahead of the end, and anew when less than half of it is left. The last of it is for commands that are
// under way: one entry of the longest fields, or some for each connection of the control socket.
constexpr off_t kRoomBytes = 256 << 10;
constexpr off_t kLastRoomBytes = 64 << 10;
constexpr std::string_view kRecovered = "audit recovered";
const std::string kFirst(64, '0');  // what the first line follows

std::string Sha256(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, sha256, nullptr) == 1, "SHA-256 is available");
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

// How much of the text is a quoted local part (RFC 5321 4.1.2) that it begins with; 0: none.
size_t QuotedLocalPart(std::string_view text) {
  if (!text.starts_with('"')) return 0;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      const std::string_view rest = text.substr(i + 1);
      return rest.starts_with('@') || rest.starts_with("%40") ? i + 1 : 0;
    }
  }
  return 0;
}

// No address, whatever an operator typed as a reason.
std::string WithoutAddresses(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \t\r\n,;\"()", QuotedLocalPart(text)), text.size());
    const std::string_view word = text.substr(0, end);
    const bool address = word.find('@') != std::string_view::npos || word.find("%40") != std::string_view::npos;
    out += address ? std::string_view("[redacted]") : word;
    text.remove_prefix(end);
    if (text.empty() || (end > 0 && text.front() == '"')) continue;  // a quote may begin an address
    out += text.front();
    text.remove_prefix(1);
  }
  if (out.size() > kFieldMax) out = out.substr(0, kFieldMax) + "...";
  return out;
}

// A whole line is an entry when it is JSON that says what it follows.
struct Link {
  bool entry = false;
  std::string previous, command;
};
Link ParseLink(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  Link link;
  if (!json.is_object() || !json.contains("previous") || !json["previous"].is_string()) return link;
  if (!json.contains("command") || !json["command"].is_string()) return link;
  return {.entry = true, .previous = json["previous"], .command = json["command"]};
}

std::string SystemError(const std::string& path, std::string_view what) {
  return fmt::format("the audit file {} {} ({})", path, what, std::strerror(errno));
}

absl::Status Broken(const std::string& path, std::string_view where) {
  return absl::DataLossError(fmt::format(
      "the audit file {} was changed: {} does not follow the line before it. Keep it for whoever must know, "
      "and move it away so that a new one is begun",
      path, where));
}

absl::Status NoRoom(const std::string& path, int error) {
  return absl::ResourceExhaustedError(
      fmt::format("the audit file {} has no room for another entry ({}); free some space", path, std::strerror(error)));
}

absl::StatusOr<std::string> ReadTail(int fd, off_t size, const std::string& path) {
  const auto length = static_cast<size_t>(std::min<off_t>(size, kTailBytes));
  std::string tail(length, '\0');
  for (size_t done = 0; done < length;) {
    const ssize_t n = ::pread(fd, tail.data() + done, length - done, size - static_cast<off_t>(length - done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return absl::UnavailableError(SystemError(path, "cannot be read"));
    done += static_cast<size_t>(n);
  }
  return tail;
}

bool IsFull(int error) { return error == ENOSPC || error == EDQUOT; }

}  // namespace

Audit::Disk Audit::SystemDisk() {
  return {
      .write = [](int fd, const char* bytes, size_t size) { return ::write(fd, bytes, size); },
      .sync = [](int fd) { return ::fsync(fd); },
      .hold = [](int fd, off_t offset, off_t bytes) { return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, bytes); }};
}

Audit::Audit(std::string path, int fd, Clock clock, Disk disk)
    : path_(std::move(path)), fd_(fd), clock_(std::move(clock)), disk_(std::move(disk)), previous_(kFirst) {}

Audit::~Audit() { ::close(fd_); }

absl::StatusOr<std::unique_ptr<Audit>> Audit::Open(const std::string& data_dir, Clock clock, Disk disk) {
  const std::string path = data_dir + "/audit";
  const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return absl::PermissionDeniedError(
        SystemError(path, "cannot be opened; it must be a file of the user that runs sealiftd"));
  }
  std::unique_ptr<Audit> audit(new Audit(path, fd, std::move(clock), std::move(disk)));
  struct stat about{};
  if (::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    return absl::PermissionDeniedError(fmt::format("the audit file {} is not a regular file; move it away", path));
  }
  if ((about.st_mode & 0077) != 0 || about.st_uid != ::geteuid()) {
    return absl::PermissionDeniedError(
        fmt::format("the audit file {} has mode {:04o} and belongs to user {}: others can use it; chmod 0600 it, as "
                    "the user that runs "
                    "sealiftd",
                    path, about.st_mode & 07777, about.st_uid));
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("the audit file {} is in use by another daemon; one data directory has one daemon", path));
  }
  audit->size_ = audit->held_until_ = about.st_size;
  if (about.st_size == 0) {  // new: its name must be durable too
    const int folder = ::open(data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = folder >= 0 && ::fsync(folder) == 0;
    if (folder >= 0) ::close(folder);
    if (!synced) return absl::UnavailableError(SystemError(path, "cannot be made durable"));
  } else if (absl::Status read = audit->ReadEnd(); !read.ok()) {
    return read;
  }
  // It opens on a full disk too: who only asks must be answered there.
  if (absl::Status can = audit->CanAppend(); !can.ok() && !absl::IsResourceExhausted(can)) return can;
  return audit;
}

// What the next line follows.
absl::Status Audit::ReadEnd() {
  absl::StatusOr<std::string> tail = ReadTail(fd_, size_, path_);
  if (!tail.ok()) return tail.status();
  std::string_view rest = *tail;
  const bool ended = rest.ends_with('\n');
  if (ended) rest.remove_suffix(1);
  const size_t start = rest.rfind('\n');
  if (start == std::string_view::npos && static_cast<size_t>(size_) > tail->size()) {
    return Broken(path_, "its last line, of more than a megabyte,");
  }
  const std::string_view last = start == std::string_view::npos ? rest : rest.substr(start + 1);
  const Link link = ended ? ParseLink(last) : Link{};
  previous_ = Sha256(last);
  if (!link.entry) {  // a crash in the middle of a line
    torn_ = {.bytes = last.size(), .ended = ended};
    return absl::OkStatus();
  }
  std::string follows = kFirst;
  if (start != std::string_view::npos) {
    const std::string_view before = rest.substr(0, start);
    const size_t begin = before.rfind('\n');
    follows = Sha256(begin == std::string_view::npos ? before : before.substr(begin + 1));
  }
  return link.previous == follows ? absl::OkStatus() : Broken(path_, "its last line");
}

absl::Status Audit::CanAppend() {
  const std::lock_guard lock(mutex_);
  absl::Status can = Usable();
  if (can.ok()) can = HoldRoom();
  if (can.ok()) can = EndTorn();
  Tell(can);
  if (can.ok()) return can;
  return {can.code(), fmt::format("{}. Until then no command that needs an entry is done", std::string(can.message()))};
}

absl::Status Audit::Append(const AuditEntry& entry) {
  const std::lock_guard lock(mutex_);
  absl::Status done = Usable();
  // Of what was held, the last is there for this. Where none could be held there may be some all the same.
  const absl::Status room = done.ok() ? HoldRoom() : done;
  if (done.ok()) done = EndTorn();
  if (done.ok()) done = Write(entry);
  Tell(done.ok() ? room : done);
  return done;
}

absl::Status Audit::Usable() const {
  if (!failed_.ok()) return failed_;
  // Who removes it, or moves it away, takes what is written from here on with it.
  struct stat opened{}, there{};
  if (::fstat(fd_, &opened) != 0 || ::lstat(path_.c_str(), &there) != 0 || opened.st_ino != there.st_ino ||
      opened.st_dev != there.st_dev) {
    return absl::UnavailableError(fmt::format(
        "the audit file {} was removed or replaced while sealiftd ran; put it back, or restart sealiftd to begin a new "
        "one",
        path_));
  }
  return absl::OkStatus();
}

absl::Status Audit::HoldRoom() {
  const auto left = [this] { return held_until_ - size_; };
  if (left() >= kRoomBytes / 2) return absl::OkStatus();
  // How much an earlier run held is not known, and a full disk still has it for us.
  for (off_t bytes = kRoomBytes; bytes >= kLastRoomBytes && left() < bytes; bytes /= 2) {
    int held = 0;
    do held = disk_.hold(fd_, size_, bytes);
    while (held != 0 && errno == EINTR);
    if (held == 0) {
      held_until_ = size_ + bytes;
    } else if (!IsFull(errno)) {
      return absl::OkStatus();  // not every file system can; there a write says whether it had room
    }
  }
  return left() >= kLastRoomBytes ? absl::OkStatus() : NoRoom(path_, errno);
}

// What is there stays, and the next line says so.
absl::Status Audit::EndTorn() {
  if (!torn_) return absl::OkStatus();
  const absl::Status ended = Write({.uid = ::geteuid(),
                                    .pid = ::getpid(),
                                    .user = "sealiftd",
                                    .command = std::string(kRecovered),
                                    .target = "the line before",
                                    .reason = fmt::format("torn after {} bytes", torn_->bytes),
                                    .result = "kept as it is"},
                                   torn_->ended ? "" : "\n");
  if (ended.ok()) torn_.reset();
  return ended;
}

absl::Status Audit::Write(const AuditEntry& entry, std::string_view before) {
  const Json json = {{"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", clock_(), absl::UTCTimeZone())},
                     {"uid", entry.uid},
                     {"pid", entry.pid},
                     {"user", WithoutAddresses(entry.user)},
                     {"command", WithoutAddresses(entry.command)},
                     {"target", WithoutAddresses(entry.target)},
                     {"reason", WithoutAddresses(entry.reason)},
                     {"result", WithoutAddresses(entry.result)},
                     {"previous", previous_}};
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string bytes = fmt::format("{}{}\n", before, line);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = disk_.write(fd_, bytes.data() + done, bytes.size() - done);
    if (n >= 0) done += static_cast<size_t>(n);
    if (n >= 0 || errno == EINTR) continue;
    const int error = errno;
    if (!IsFull(error)) return Fail();
    if (done > 0) {
      if (::ftruncate(fd_, size_) != 0) return Fail();
      held_until_ = size_;  // what was held went with it
    }
    return NoRoom(path_, error);
  }
  if (disk_.sync(fd_) != 0) return Fail();
  size_ += static_cast<off_t>(bytes.size());
  previous_ = Sha256(line);
  return absl::OkStatus();
}

absl::Status Audit::Fail() {
  failed_ = absl::UnavailableError(SystemError(path_, "cannot be written") + "; mend the disk and restart sealiftd");
  return failed_;
}

void Audit::Tell(const absl::Status& now) {
  if (now.ok() == !told_) return;
  told_ = !now.ok();
  if (told_)
    LogError("the audit file takes no entry: commands that need one are refused", {{"why", now}});
  else
    LogInfo("the audit file takes entries again");
}

absl::StatusOr<uint64_t> Audit::Verify(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(SystemError(path, "cannot be opened"));
  std::string follows = kFirst, line;
  uint64_t lines = 0;
  bool torn = false;
  while (std::getline(file, line)) {
    ++lines;
    const std::string where = fmt::format("line {}", lines);
    if (file.eof()) return absl::DataLossError(fmt::format("the audit file {} ends in the middle of {}", path, where));
    const Link link = ParseLink(line);
    if (link.entry && link.previous != follows) return Broken(path, where);
    if (torn && (!link.entry || link.command != kRecovered)) return Broken(path, fmt::format("line {}", lines - 1));
    torn = !link.entry;
    follows = Sha256(line);
  }
  if (torn) return Broken(path, fmt::format("line {}", lines));
  return lines;
}

}  // namespace sealift::engine
