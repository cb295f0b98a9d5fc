#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

namespace sealift::tools {

// Unpacking turns the bytes of a gzip (RFC 1952) or zstd (RFC 8878) file into what was packed, piece by piece: however
// much that is, no more of it than one piece is in memory at a time. Several members or frames in a row are one file.
//
// Owned by:  a file. Threads: one.
// Memory:    32 KiB of window for gzip; what the frame asks for zstd, at most 128 MiB, as the zstd command allows.
// Errors:    InvalidArgument: a sentence that says what is wrong with the packed bytes.
class Unpacking {
 public:
  static constexpr size_t kBeginningBytes = 4;

  // By the first kBeginningBytes of a file, or the whole of a shorter one. Null: it is not packed.
  static std::unique_ptr<Unpacking> Of(std::string_view beginning);

  virtual ~Unpacking() = default;

  // Takes packed bytes from the front of `in` and writes what they stand for. Returns how many bytes were written; zero
  // when all of `in` is taken and there is nothing to write yet.
  virtual absl::StatusOr<size_t> Unpack(std::string_view& in, char* out, size_t out_size) = 0;

  // Whether the file may end here. False: it is cut short.
  virtual bool complete() const = 0;
};

}  // namespace sealift::tools
