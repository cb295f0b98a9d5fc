// Who changed or revealed what: the append-only `audit` file of a data directory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
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
// The file holds room ahead of its end, so that a full disk takes the entries of the commands that it refused. Whoever
// needs an entry asks CanAppend before it acts.
//
// A line that a crash tore is ended and kept, and the next one says so, at the start or as soon as there is room. Only
// what a write left that ended for want of room is cut off again: nobody was told that it is there.
//
// Owned by:  the node; one a data directory.
// Threads:   any; a lock. Append blocks until the line is on the disk.
// Errors:    ResourceExhausted for want of room: nothing was appended, and the next one tries again. After any other
//            failed write, or a failed sync, every later Append fails too: what is on the disk is no longer known.
class Audit {
 public:
  using Clock = std::function<absl::Time()>;

  // What is asked of the file system, as errno has it when it is not done.
  struct Disk {
    std::function<ssize_t(int fd, const char* bytes, size_t size)> write;
    std::function<int(int fd)> sync;
    std::function<int(int fd, off_t offset, off_t bytes)> hold;  // without a longer file
  };
  static Disk SystemDisk();

  // Opens DATA_DIR/audit (0600, made when missing) and checks its last line against the one before. A disk without room
  // is no error.
  // Errors: DataLoss when they do not fit; PermissionDenied when others may read it.
  static absl::StatusOr<std::unique_ptr<Audit>> Open(const std::string& data_dir, Clock clock = absl::Now,
                                                     Disk disk = SystemDisk());
  ~Audit();

  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  // Whether one more entry can be appended, whatever becomes of the disk: its room is held. Otherwise why not, and no
  // command that needs an entry may be done.
  absl::Status CanAppend();

  // Durable when it returns Ok: write it before the command is answered.
  absl::Status Append(const AuditEntry& entry);

  // Reads the whole file and checks every link. Returns the number of lines, torn ones included; DataLoss names the
  // first line that does not fit.
  static absl::StatusOr<uint64_t> Verify(const std::string& path);

 private:
  // A last line that is none.
  struct Torn {
    size_t bytes = 0;
    bool ended = false;
  };

  Audit(std::string path, int fd, Clock clock, Disk disk);
  absl::Status ReadEnd();
  absl::Status Usable() const;  // neither failed nor moved away
  absl::Status HoldRoom();
  absl::Status EndTorn();
  absl::Status Write(const AuditEntry& entry, std::string_view before = "");
  absl::Status Fail();  // from here on
  void Tell(const absl::Status& now);

  const std::string path_;
  const int fd_;
  const Clock clock_;
  const Disk disk_;
  std::mutex mutex_;
  off_t size_ = 0;            // of what is known to be there
  off_t held_until_ = 0;      // room
  std::string previous_;      // hex SHA-256 of the last line
  std::optional<Torn> torn_;  // which nothing follows yet
  absl::Status failed_;
  bool told_ = false;  // that it takes no entries
};

}  // namespace sealift::engine
