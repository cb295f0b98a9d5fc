#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace sealift::tools {

// DataDirectory is the daemon's hold on its data: it makes the directory when it is missing, refuses one that others
// can read or that is not ours, and keeps a second daemon out for as long as it lives.
//
// Owned by:  the daemon, before everything that opens a file in it.
// Errors:    exit 75 when another daemon holds it, 78 when it is no private directory of ours, 65 when a node was here
//            and its queue is gone, 74 for the rest.
class DataDirectory {
 public:
  static absl::StatusOr<DataDirectory> Take(const std::string& path);
  ~DataDirectory();
  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&&) = delete;

 private:
  explicit DataDirectory(int lock) : lock_(lock) {}
  int lock_;
};

}  // namespace sealift::tools
