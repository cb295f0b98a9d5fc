#include "tools/sealift/rejects_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;

constexpr char kHeader[] = "line,column,reason";

std::string Quoted(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

// Empty, or a list that an earlier load wrote.
bool MayBeReplaced(const std::string& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return errno == ENOENT;
  if (!S_ISREG(status.st_mode)) return false;
  if (status.st_size == 0) return true;
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) && (line == kHeader || line == std::string(kHeader) + "\r");
}

}  // namespace

RejectsFile::RejectsFile(std::string path, std::string temporary, FILE* file)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}

RejectsFile::RejectsFile(RejectsFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      file_(std::exchange(other.file_, nullptr)) {
  other.temporary_.clear();
}

RejectsFile::~RejectsFile() {
  if (file_ != nullptr) fclose(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::StatusOr<RejectsFile> RejectsFile::Create(const std::string& path) {
  if (path.empty() || path == "/dev/null") return RejectsFile("", "", nullptr);
  if (!MayBeReplaced(path)) {
    return Fail(ExitCode::kCannotCreate, {"the file given as --rejects is in the way", path,
                                          "It is not a list of rejected rows that an earlier load wrote.",
                                          "Give another name, or move it away."});
  }
  std::string temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);  // 0600
  if (fd < 0) {
    return Fail(ExitCode::kCannotCreate,
                {"the file given as --rejects cannot be made", path, fmt::format("{}.", std::strerror(errno)),
                 "Give a name in a directory that you may write to."});
  }
  FILE* file = fdopen(fd, "w");
  RejectsFile rejects(path, temporary, file);
  if (fmt::format("{}\n", kHeader).size() != static_cast<size_t>(fprintf(file, "%s\n", kHeader)))
    return rejects.Failed();
  return rejects;
}

absl::Status RejectsFile::Failed() const {
  return Fail(ExitCode::kIo,
              {"the list of rejected rows cannot be written", path_, fmt::format("{}.", std::strerror(errno)),
               "Make room and give the same command again: nothing is added twice."});
}

absl::Status RejectsFile::Add(uint64_t line, std::string_view column, std::string_view reason) {
  if (file_ == nullptr) return absl::OkStatus();
  const std::string text = fmt::format("{},{},{}\n", line, Quoted(column), Quoted(reason));
  return fwrite(text.data(), 1, text.size(), file_) == text.size() ? absl::OkStatus() : Failed();
}

absl::Status RejectsFile::Keep() {
  if (file_ == nullptr) return absl::OkStatus();
  const bool written = fflush(file_) == 0;
  fclose(file_);
  file_ = nullptr;
  if (!written || rename(temporary_.c_str(), path_.c_str()) != 0) return Failed();
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace sealift::tools
