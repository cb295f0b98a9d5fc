#include "queue/rocks.h"

#include <pthread.h>

#include <string>

#include "fmt/format.h"
#include "queue/damage.h"
#include "rocksdb/perf_level.h"

namespace sealift::queue {

absl::Status FromRocks(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  if (status.IsCorruption()) {
    return Damage(fmt::format("the queue cannot {}: its files are damaged ({}). Nothing was changed", doing, text));
  }
  if (status.IsPathNotFound()) {
    return Damage(fmt::format("the queue cannot {}: a file of it is gone ({}). Nothing was changed", doing, text));
  }
  if (status.IsNoSpace() || text.find("No space left") != std::string::npos ||
      text.find("quota exceeded") != std::string::npos) {
    return absl::ResourceExhaustedError(
        fmt::format("the queue cannot {}: its file system is full ({}). Free space there", doing, text));
  }
  if (status.IsNotFound()) return absl::NotFoundError(fmt::format("the queue cannot {}: not found", doing));
  return absl::UnavailableError(fmt::format("the queue cannot {}: {}. Check the disk", doing, text));
}

void BeginThread(const char* name) {
  pthread_setname_np(pthread_self(), name);
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
}

}  // namespace sealift::queue
