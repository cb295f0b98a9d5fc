#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

#include "absl/status/status.h"

namespace sealift::queue {

// Failure remembers the first write or sync that failed. What is in memory may then be ahead of the disk, and the
// kernel may have dropped what it could not write: nothing is acknowledged from that moment until the store is opened
// again.
//
// Threads: any.
class Failure {
 public:
  explicit Failure(std::function<void(absl::Status)> report) : report_(std::move(report)) {}

  bool failed() const { return failed_.load(std::memory_order_acquire); }

  absl::Status status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

  // Reports and keeps the first one.
  void Set(const absl::Status& status) {
    {
      const std::lock_guard lock(mutex_);
      if (!status_.ok()) return;
      status_ = status;
      failed_.store(true, std::memory_order_release);
    }
    if (report_) report_(status);
  }

 private:
  const std::function<void(absl::Status)> report_;
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  absl::Status status_;
};

}  // namespace sealift::queue
