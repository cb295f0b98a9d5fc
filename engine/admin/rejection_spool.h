#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/admin/unix_listener.h"

namespace sealift::engine {

// RejectionSpool is where the rejected rows of a file wait while the rest of it still comes in: as many as there are
// rows, so not in memory. They hold no value of a cell. The file has no name and is gone with the last descriptor.
//
// Owned by:  one request and its answer.
// Threads:   one.
class RejectionSpool {
 public:
  // In a directory of the daemon's own. Errors: exit 74.
  static absl::StatusOr<std::shared_ptr<RejectionSpool>> Create(const std::string& directory);
  explicit RejectionSpool(FILE* file) : file_(file) {}
  ~RejectionSpool();
  RejectionSpool(const RejectionSpool&) = delete;
  RejectionSpool& operator=(const RejectionSpool&) = delete;

  void Add(uint64_t line, std::string_view column, std::string_view reason);

  // Whether everything that was added can be read back.
  bool Rewind();
  // Each as a line {"rejected": {...}}. False: the reader is gone.
  bool WriteTo(AdminWriter& writer);

 private:
  FILE* file_;
  bool failed_ = false;
};

}  // namespace sealift::engine
