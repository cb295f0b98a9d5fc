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

#include "engine/runtime/check.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kFieldMax = 2'000;     // bytes; a longer reason is cut
constexpr size_t kTailBytes = 1 << 20;  // far more than two lines
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

// No address, whatever an operator typed as a reason.
std::string WithoutAddresses(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \t\r\n,;\"'()"), text.size());
    const std::string_view word = text.substr(0, end);
    out += word.find('@') == std::string_view::npos ? word : std::string_view("[redacted]");
    if (end < text.size()) out += text[end];
    text.remove_prefix(std::min(end + 1, text.size()));
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

absl::Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::UnavailableError(std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace

Audit::Audit(std::string path, int fd, Clock clock)
    : path_(std::move(path)), fd_(fd), clock_(std::move(clock)), previous_(kFirst) {}

Audit::~Audit() { ::close(fd_); }

absl::StatusOr<std::unique_ptr<Audit>> Audit::Open(const std::string& data_dir, Clock clock) {
  const std::string path = data_dir + "/audit";
  const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return absl::PermissionDeniedError(
        SystemError(path, "cannot be opened; it must be a file of the user that runs sealiftd"));
  }
  std::unique_ptr<Audit> audit(new Audit(path, fd, std::move(clock)));
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
  if (about.st_size == 0) {  // new: its name must be durable too
    const int folder = ::open(data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = folder >= 0 && ::fsync(folder) == 0;
    if (folder >= 0) ::close(folder);
    if (!synced) return absl::UnavailableError(SystemError(path, "cannot be made durable"));
    return audit;
  }

  absl::StatusOr<std::string> tail = ReadTail(fd, about.st_size, path);
  if (!tail.ok()) return tail.status();
  std::string_view rest = *tail;
  const bool ended = rest.ends_with('\n');
  if (ended) rest.remove_suffix(1);
  const size_t start = rest.rfind('\n');
  if (start == std::string_view::npos && static_cast<size_t>(about.st_size) > tail->size()) {
    return Broken(path, "its last line, of more than a megabyte,");
  }
  const std::string_view last = start == std::string_view::npos ? rest : rest.substr(start + 1);
  const Link link = ended ? ParseLink(last) : Link{};
  audit->previous_ = Sha256(last);
  if (link.entry) {
    std::string follows = kFirst;
    if (start != std::string_view::npos) {
      const std::string_view before = rest.substr(0, start);
      const size_t begin = before.rfind('\n');
      follows = Sha256(begin == std::string_view::npos ? before : before.substr(begin + 1));
    }
    if (link.previous != follows) return Broken(path, "its last line");
    return audit;
  }
  // A crash in the middle of a line. What is there stays, and the next line says so.
  if (!ended) {
    if (absl::Status status = WriteAll(fd, "\n"); !status.ok())
      return absl::UnavailableError(SystemError(path, "cannot be written"));
  }
  const std::lock_guard lock(audit->mutex_);
  const absl::Status status = audit->AppendLocked({.uid = ::geteuid(),
                                                   .pid = ::getpid(),
                                                   .user = "sealiftd",
                                                   .command = std::string(kRecovered),
                                                   .target = "the line before",
                                                   .reason = fmt::format("torn after {} bytes", last.size()),
                                                   .result = "kept as it is"});
  if (!status.ok()) return status;
  return audit;
}

absl::Status Audit::Append(const AuditEntry& entry) {
  const std::lock_guard lock(mutex_);
  return AppendLocked(entry);
}

absl::Status Audit::AppendLocked(const AuditEntry& entry) {
  if (!failed_.ok()) return failed_;
  // Who removes it, or moves it away, takes what is written from here on with it.
  struct stat opened{}, there{};
  if (::fstat(fd_, &opened) != 0 || ::lstat(path_.c_str(), &there) != 0 || opened.st_ino != there.st_ino ||
      opened.st_dev != there.st_dev) {
    return absl::UnavailableError(fmt::format(
        "the audit file {} was removed or replaced while sealiftd ran, so no command that needs an entry is "
        "done; put it back, or restart sealiftd to begin a new one",
        path_));
  }
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
  const absl::Status written = WriteAll(fd_, line + "\n");
  if (!written.ok() || ::fsync(fd_) != 0) {
    failed_ = absl::UnavailableError(
        SystemError(path_, "cannot be written, so no command that needs an entry is done; mend the disk and restart"));
    return failed_;
  }
  previous_ = Sha256(line);
  return absl::OkStatus();
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
