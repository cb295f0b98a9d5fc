#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace sealift::tools {

// Reads a file that a command was given. `argument` names it in errors: "--template", "FILE".
// Errors: exit 66 when it is not there or not readable, 65 when it is over 16 MiB.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path, const std::string& argument);

// InputFile is a file read piece by piece, or standard input for "-".
//
// Owned by:  a command. Threads: one.
class InputFile {
 public:
  static absl::StatusOr<InputFile> Open(const std::string& path, const std::string& argument);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  // False at the end. `piece` gets up to `bytes_max` of what there is. Errors: exit 74.
  absl::StatusOr<bool> Read(std::string* piece, size_t bytes_max);

 private:
  InputFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_;
};

}  // namespace sealift::tools
