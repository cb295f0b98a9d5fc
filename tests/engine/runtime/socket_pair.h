#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include "engine/runtime/check.h"

namespace sealift::engine {

// Two connected descriptors; what is written to one is read from the other.
struct SocketPair {
  SocketPair() {
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "a socket pair can be made");
    left = fds[0];
    right = fds[1];
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  ~SocketPair() {
    close(left);
    close(right);
  }

  int left;
  int right;
};

}  // namespace sealift::engine
