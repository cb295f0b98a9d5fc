#include "tools/sealift/message_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
namespace fs = std::filesystem;

constexpr size_t kReadBytes = 256 << 10;

bool IsEml(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name.ends_with(".eml");
}

}  // namespace

absl::Status MessageSource::Open() {
  std::error_code error;
  if (path_ != "-" && fs::is_directory(path_, error)) return List();
  absl::StatusOr<InputFile> file = InputFile::Open(path_, "--messages");
  if (!file.ok()) return file.status();
  file_.emplace(*std::move(file));
  return absl::OkStatus();
}

absl::Status MessageSource::List() {
  std::error_code error;
  for (fs::directory_iterator it(path_, error); !error && it != fs::directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename();
    if (!IsEml(name) || name.starts_with('.')) continue;
    // A link may lead anywhere, also to another's file.
    if (it->is_symlink(error)) {
      return Fail(ExitCode::kBadData, {"the directory given as --messages has a symbolic link", path_ + "/" + name,
                                       "A message is a regular file.",
                                       "Put the file itself there, or take the link away; nothing was sent to the "
                                       "daemon."});
    }
    if (it->is_regular_file(error)) names_.push_back(name);
  }
  if (error) {
    return Fail(ExitCode::kNoInput, {"the directory given as --messages cannot be read", path_,
                                     fmt::format("{}.", error.message()), "Nothing was sent to the daemon."});
  }
  if (names_.empty()) {
    return Fail(ExitCode::kNoInput,
                {"the directory given as --messages has no messages", path_,
                 "A message is a regular file whose name ends with .eml; directories beneath it are not looked at.",
                 "Nothing was sent to the daemon."});
  }
  std::ranges::sort(names_);
  return absl::OkStatus();
}

absl::StatusOr<bool> MessageSource::Read(std::string* piece, size_t bytes_max) {
  bool more = true;
  while (more && frames_.ready().size() < bytes_max) {
    const absl::StatusOr<bool> read = ReadOn();
    if (!read.ok()) return read.status();
    more = *read;
  }
  *piece = std::exchange(frames_.ready(), {});
  return !piece->empty();
}

absl::StatusOr<bool> MessageSource::ReadOn() { return names_.empty() ? ReadMbox() : ReadFiles(); }

absl::StatusOr<bool> MessageSource::ReadFiles() {
  if (!file_.has_value()) {
    if (next_ == names_.size()) return false;
    absl::StatusOr<InputFile> file = InputFile::Open(path_ + "/" + names_[next_], "--messages");
    if (!file.ok()) return file.status();
    file_.emplace(*std::move(file));
    ++next_;
  }
  const absl::StatusOr<bool> read = file_->Read(&buffer_, kReadBytes);
  if (!read.ok()) return read.status();
  if (*read) {
    frames_.Add(buffer_);
  } else {
    frames_.EndMessage();
    file_.reset();
  }
  return true;
}

absl::StatusOr<bool> MessageSource::ReadMbox() {
  if (!file_.has_value()) return false;
  const absl::StatusOr<bool> read = file_->Read(&buffer_, kReadBytes);
  if (!read.ok()) return read.status();
  const absl::Status taken = *read ? mbox_.Add(buffer_) : mbox_.Finish();
  if (!taken.ok()) {
    return Fail(ExitCode::kBadData,
                {"the file given as --messages cannot be read as an mbox", path_,
                 fmt::format("{}.", std::string(taken.message())), "Give an mbox file, or a directory of .eml files."});
  }
  if (!*read) file_.reset();
  return *read;
}

std::string MessageSource::NameOf(uint64_t message) const {
  return message > 0 && message <= names_.size() ? names_[message - 1] : std::string();
}

}  // namespace sealift::tools
