#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace sealift::queue {

// Reserve is a file that holds the space which the outcomes in flight need. When the file system is found full it is
// given back: what was sent can then be recorded, and nothing new begins until it is held again.
//
// Owned by:  Database.
// Threads:   any.
class Reserve {
 public:
  Reserve(std::string path, uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

  // Holds the space. ResourceExhausted: there is not as much.
  absl::Status Take();
  // Also what an earlier run held. True: there is more room than before.
  bool Release();
  bool held() const;
  uint64_t bytes() const { return bytes_; }

 private:
  const std::string path_;
  const uint64_t bytes_;
  mutable std::mutex mutex_;
  bool held_ = false;
};

}  // namespace sealift::queue
