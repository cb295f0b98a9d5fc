#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "tools/sealift/files.h"
#include "tools/sealift/unpacking.h"

namespace sealift::tools {

// RowFile is a file of rows, or standard input for "-", read piece by piece; one that is compressed is unpacked on the
// way, so that the daemon sees, counts and compares what was packed: the same rows compressed otherwise are the same
// file.
//
// Owned by:  a command. Threads: one.
class RowFile {
 public:
  // `argument` names it in errors: "--template", "FILE". Errors: exit 66.
  static absl::StatusOr<RowFile> Open(const std::string& path, const std::string& argument);

  // False at the end. `piece` gets up to `bytes_max` of what there is. Errors: exit 74 when it cannot be read, 65 when
  // what is compressed is damaged or cut short.
  absl::StatusOr<bool> Read(std::string* piece, size_t bytes_max);

  // Whether Read failed because of what is in the file. What was read before that is as it was packed.
  bool damaged() const { return damaged_; }
  const std::string& path() const { return path_; }

 private:
  RowFile(std::string path, InputFile file) : path_(std::move(path)), file_(std::move(file)) {}
  absl::Status Begin();
  absl::Status Damaged(std::string_view why);

  std::string path_;
  InputFile file_;
  std::unique_ptr<Unpacking> unpacking_;  // null: as it is
  std::string packed_;                    // read, and from `rest_` on not yet handed on
  std::string_view rest_;
  bool begun_ = false;
  bool at_end_ = false;  // of the packed bytes
  bool damaged_ = false;
};

}  // namespace sealift::tools
