#include "tools/sealift/row_file.h"

#include <utility>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;

constexpr size_t kPackedBytes = 64 << 10;

}  // namespace

absl::StatusOr<RowFile> RowFile::Open(const std::string& path, const std::string& argument) {
  absl::StatusOr<InputFile> file = InputFile::Open(path, argument);
  if (!file.ok()) return file.status();
  return RowFile(path, *std::move(file));
}

absl::Status RowFile::Damaged(std::string_view why) {
  damaged_ = true;
  return Fail(ExitCode::kBadData, {"a compressed file could not be read to its end", path_, std::string(why),
                                   "Compress or fetch it again; what was loaded is not added twice."});
}

// A pipe may hand over a byte at a time: what the file is shows once its first few are there.
absl::Status RowFile::Begin() {
  begun_ = true;
  std::string piece;
  while (packed_.size() < Unpacking::kBeginningBytes) {
    const absl::StatusOr<bool> more = file_.Read(&piece, kPackedBytes);
    if (!more.ok()) return more.status();
    at_end_ = !*more;
    if (at_end_) break;
    packed_ += piece;
  }
  unpacking_ = Unpacking::Of(packed_);
  rest_ = packed_;
  return absl::OkStatus();
}

absl::StatusOr<bool> RowFile::Read(std::string* piece, size_t bytes_max) {
  if (!begun_) {
    if (absl::Status begun = Begin(); !begun.ok()) return begun;
  }
  if (unpacking_ == nullptr) {
    if (rest_.empty()) return at_end_ ? absl::StatusOr<bool>(false) : file_.Read(piece, bytes_max);
    piece->assign(rest_.substr(0, bytes_max));
    rest_.remove_prefix(piece->size());
    return true;
  }
  piece->resize(bytes_max);
  while (true) {
    const absl::StatusOr<size_t> size = unpacking_->Unpack(rest_, piece->data(), piece->size());
    if (!size.ok()) return Damaged(std::string(size.status().message()));
    if (*size > 0) {
      piece->resize(*size);
      return true;
    }
    if (!rest_.empty()) return Damaged("Its compressed bytes cannot be read on.");
    if (!at_end_) {
      const absl::StatusOr<bool> more = file_.Read(&packed_, kPackedBytes);
      if (!more.ok()) return more.status();
      at_end_ = !*more;
      rest_ = packed_;
    }
    if (at_end_) {
      if (!unpacking_->complete()) return Damaged("It is cut short: its compressed bytes end in the middle.");
      return false;
    }
  }
}

}  // namespace sealift::tools
