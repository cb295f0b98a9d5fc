#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sealift::tools {

// RejectsFile lists the rows that a load rejected: line,column,reason, as CSV with that header.
//
// It is written beside its name (mode 0600) and takes the name when the load is done: a load that fails leaves none,
// and one that is given again replaces the list that it wrote before. A file that is no such list is never touched.
//
// Owned by:  a command. Threads: one. Without a name it does nothing.
// Errors:    exit 73 when the file cannot be made, 74 when it cannot be written.
class RejectsFile {
 public:
  static absl::StatusOr<RejectsFile> Create(const std::string& path);
  ~RejectsFile();
  RejectsFile(RejectsFile&& other) noexcept;
  RejectsFile& operator=(RejectsFile&&) = delete;

  absl::Status Add(uint64_t line, std::string_view column, std::string_view reason);
  absl::Status Keep();

 private:
  RejectsFile(std::string path, std::string temporary, FILE* file);
  absl::Status Failed() const;

  std::string path_, temporary_;
  FILE* file_;
};

}  // namespace sealift::tools
