#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sealift::tools {

// ChildProcess is a program that a command starts and ends: by its pid, never by its name, and on every way out. It
// also ends when its parent is killed.
//
// Owned by:  a command. Threads: one.
// Errors:    exit 66 when the program is not there, 70 when it ends or stays silent; its last lines are the reason.
class ChildProcess {
 public:
  // `log` gets what it writes on standard error. It runs in a process group of its own: a Ctrl-C reaches the parent,
  // which ends it in order.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& command,
                                                             const std::string& log);
  ~ChildProcess();  // Stop
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The first line on its standard output that begins with `beginning`. Gives up early when *interrupted is not 0.
  absl::StatusOr<std::string> WaitForLine(const std::string& beginning, absl::Duration limit,
                                          const volatile int* interrupted);

  // SIGTERM, and SIGKILL after `limit`. Returns the exit status as a shell has it. Idempotent.
  int Stop(absl::Duration limit = absl::Seconds(10));

  // Whether it has ended by itself.
  bool Ended();

 private:
  ChildProcess(std::string program, std::string log, pid_t pid, int pid_fd, int out)
      : program_(std::move(program)), log_(std::move(log)), pid_(pid), pid_fd_(pid_fd), out_(out) {}
  absl::Status Silent(const std::string& what) const;
  bool WaitForEnd(absl::Duration limit);

  const std::string program_, log_;
  const pid_t pid_;
  const int pid_fd_, out_;
  std::string unread_;
  bool reaped_ = false;
  int status_ = 0;
};

}  // namespace sealift::tools
