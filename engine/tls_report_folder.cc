#include "engine/tls_report_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <system_error>

#include "engine/exit_code.h"
#include "engine/tls_report/report.h"

namespace sealift::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".json.gz";
constexpr size_t kDomainBytesMax = 200;  // a file's name has 255
constexpr size_t kTextBytesMax = size_t{16} << 20;

absl::Status IoError(std::string_view what, const std::string& path) {
  return WithExit(absl::UnavailableError(fmt::format("{} {}: {}", what, path, std::strerror(errno))), ExitCode::kIo);
}

absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), S_IRWXU) == 0 || errno == EEXIST) return absl::OkStatus();
  return IoError("cannot make the folder", path);
}

// What is written stays, also when the power fails.
absl::Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const absl::Status failed = synced ? absl::OkStatus() : IoError("cannot write", path);
  if (fd >= 0) close(fd);
  return failed;
}

absl::Status WriteWhole(const std::string& path, std::string_view bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) return IoError("cannot write", path);
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) break;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  const absl::Status failed = bytes.empty() && fsync(fd) == 0 ? absl::OkStatus() : IoError("cannot write", path);
  close(fd);
  return failed;
}

std::optional<absl::CivilDay> DayOf(const std::string& name) {
  absl::CivilDay day;
  if (name.size() != 10 || !absl::ParseCivilTime(name, &day)) return std::nullopt;
  return day;
}

// "d1.test.1795823999.json.gz"
std::optional<std::string> DomainOf(std::string_view file) {
  if (!file.ends_with(kSuffix)) return std::nullopt;
  file.remove_suffix(kSuffix.size());
  const size_t dot = file.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  int64_t end = 0;
  const std::string_view number = file.substr(dot + 1);
  const auto [last, error] = std::from_chars(number.data(), number.data() + number.size(), end);
  if (error != std::errc() || last != number.data() + number.size()) return std::nullopt;
  return std::string(file.substr(0, dot));
}

std::string FileOf(std::string_view domain) {
  if (domain.size() <= kDomainBytesMax) return std::string(domain);
  return fmt::format("{}~{:016x}", domain.substr(0, kDomainBytesMax), std::hash<std::string_view>()(domain));
}

absl::Time WrittenAt(const fs::path& path) {
  struct stat found = {};
  return stat(path.c_str(), &found) == 0 ? absl::TimeFromTimespec(found.st_mtim) : absl::InfinitePast();
}

}  // namespace

absl::StatusOr<std::string> TlsReportFolder::Write(absl::CivilDay day, std::string_view domain, absl::Time end,
                                                   std::string_view gzip) const {
  if (absl::Status made = MakeFolder(path_); !made.ok()) return made;
  const std::string folder = fmt::format("{}/{}", path_, absl::FormatCivilTime(day));
  if (absl::Status made = MakeFolder(folder); !made.ok()) return made;
  const std::string file = fmt::format("{}.{}{}", FileOf(domain), absl::ToUnixSeconds(end), kSuffix);
  const std::string path = fmt::format("{}/{}", folder, file);
  const std::string unfinished = folder + "/unfinished";
  if (absl::Status written = WriteWhole(unfinished, gzip); !written.ok()) return written;
  if (rename(unfinished.c_str(), path.c_str()) != 0) return IoError("cannot name", path);
  if (absl::Status synced = SyncFolder(folder); !synced.ok()) return synced;
  return fmt::format("{}/{}", absl::FormatCivilTime(day), file);
}

std::vector<KeptReport> TlsReportFolder::List(std::optional<absl::CivilDay> wanted, std::string_view domain) const {
  std::vector<KeptReport> reports;
  std::error_code failed;
  for (fs::directory_iterator days(path_, failed), end; !failed && days != end; days.increment(failed)) {
    const std::string folder = days->path().filename().string();
    const std::optional<absl::CivilDay> day = DayOf(folder);
    if (!day.has_value() || (wanted.has_value() && *day != *wanted)) continue;
    std::error_code unreadable;
    for (fs::directory_iterator files(days->path(), unreadable); !unreadable && files != end;
         files.increment(unreadable)) {
      const std::string file = files->path().filename().string();
      const std::optional<std::string> about = DomainOf(file);
      if (!about.has_value() || (!domain.empty() && *about != FileOf(domain))) continue;
      std::error_code gone;
      const uint64_t bytes = files->file_size(gone);
      if (gone) continue;
      reports.push_back({.name = fmt::format("{}/{}", folder, file),
                         .day = *day,
                         .domain = *about,
                         .bytes = bytes,
                         .written = WrittenAt(files->path())});
    }
  }
  std::ranges::sort(reports, {}, &KeptReport::name);
  return reports;
}

absl::StatusOr<std::string> TlsReportFolder::Read(std::string_view name) const {
  const absl::Status unknown = WithExit(
      absl::NotFoundError("there is no report of that name; `sealift tls reports` lists them"), ExitCode::kNoInput);
  // Nothing but a day and a file in it: no way out of the folder.
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos || !DayOf(std::string(name.substr(0, slash))).has_value()) return unknown;
  const std::string_view file = name.substr(slash + 1);
  if (file.find('/') != std::string_view::npos || !DomainOf(file).has_value()) return unknown;
  const std::string path = fmt::format("{}/{}", path_, name);
  std::error_code gone;
  const uint64_t bytes = fs::file_size(path, gone);
  if (gone) return unknown;
  if (bytes > kFileBytesMax) {
    return WithExit(absl::FailedPreconditionError(fmt::format("the report {} is too large to be one", name)),
                    ExitCode::kBadData);
  }
  std::ostringstream packed;
  packed << std::ifstream(path, std::ios::binary).rdbuf();
  std::string text = Gunzip(packed.str(), kTextBytesMax);
  if (text.empty()) {
    return WithExit(absl::DataLossError(fmt::format("the report {} is damaged", name)), ExitCode::kBadData);
  }
  return text;
}

void TlsReportFolder::RemoveBefore(absl::CivilDay before) const {
  std::error_code failed;
  std::vector<fs::path> old;
  for (fs::directory_iterator days(path_, failed), end; !failed && days != end; days.increment(failed)) {
    const std::optional<absl::CivilDay> day = DayOf(days->path().filename().string());
    if (day.has_value() && *day < before) old.push_back(days->path());
  }
  for (const fs::path& folder : old) fs::remove_all(folder, failed);
}

}  // namespace sealift::engine
