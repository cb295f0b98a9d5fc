// The file that the CLI connects to.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sealift::engine {

// ControlSocket makes the Unix socket of a data directory and takes it away again.
//
// The socket is never wider than 0600, not even for a moment. One left by a daemon that died is replaced; one that
// answers is another daemon's, and anything that is not a socket is left alone: both are errors.
//
// Owned by:  UnixListener. Threads: one.
class ControlSocket {
 public:
  explicit ControlSocket(std::string path) : path_(std::move(path)) {}

  // A non-blocking descriptor that is bound to it and does not listen yet; the caller closes it.
  absl::StatusOr<int> Bind();

  // Removes the file if it is still the one that Bind made.
  void Remove();

 private:
  absl::Status RemoveStale() const;

  const std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sealift::engine
