// Who changed or revealed what: the append-only `audit` file of a data directory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sealift::engine {

// One act. Never an address: any word with an @ in it is written as [redacted].
struct AuditEntry {
  uid_t uid = 0;
  pid_t pid = 0;
  std::string user;
  std::string command;  // "campaign start"
  std::string target;   // a campaign, a domain, ids
  std::string reason;   // what the operator gave
  std::string result;   // "ok", or why not
};

// Audit writes one JSON line an entry, each with the SHA-256 of the line before it: a line that was changed, removed or
// put in breaks the chain for whoever verifies it.
//
// Cutting lines off the end leaves a whole chain: only a copy kept elsewhere shows that.
//
// A line that a crash tore is ended and kept, and the next one says so; nothing is ever cut from the file.
//
// Owned by:  the node; one a data directory.
// Threads:   any; a lock. Append blocks until the line is on the disk.
// Errors:    after a failed write or sync every later Append fails too: what is on the disk is no longer known.
class Audit {
 public:
  using Clock = std::function<absl::Time()>;

  // Opens DATA_DIR/audit (0600, made when missing) and checks its last line against the one before.
  // Errors: DataLoss when they do not fit; PermissionDenied when others may read it.
  static absl::StatusOr<std::unique_ptr<Audit>> Open(const std::string& data_dir, Clock clock = absl::Now);
  ~Audit();

  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  // Durable when it returns Ok: write it before the command is answered.
  absl::Status Append(const AuditEntry& entry);

  // Reads the whole file and checks every link. Returns the number of lines, torn ones included; DataLoss names the
  // first line that does not fit.
  static absl::StatusOr<uint64_t> Verify(const std::string& path);

 private:
  Audit(std::string path, int fd, Clock clock);
  absl::Status AppendLocked(const AuditEntry& entry);

  const std::string path_;
  const int fd_;
  const Clock clock_;
  std::mutex mutex_;
  std::string previous_;  // hex SHA-256 of the last line
  absl::Status failed_;
};

}  // namespace sealift::engine
