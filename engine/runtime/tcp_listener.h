#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "engine/runtime/endpoint.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/task.h"
#include "engine/runtime/tcp_stream.h"

namespace sealift::engine {

// TcpListener accepts TCP connections on one address.
//
// Owned by:  the coroutine that accepts; no Accept is pending when it is destroyed.
// Threads:   its ring's. With `reuse_port` every ring has a listener of its own and the kernel shares connections out.
// Errors:    Listen names the address and the remedy. Accept: the status of the scope that ended it;
//            FailedPrecondition after Close; ResourceExhausted without descriptors or memory, after which it may be
//            called again when some were freed.
class TcpListener {
 public:
  static absl::StatusOr<TcpListener> Listen(Ring& ring, const Endpoint& at, int backlog = 1024,
                                            bool reuse_port = false);
  TcpListener(TcpListener&& other) noexcept;
  TcpListener& operator=(TcpListener&& other) noexcept;
  ~TcpListener();

  Task<absl::StatusOr<std::unique_ptr<TcpStream>>> Accept();

  // A pending Accept returns FailedPrecondition.
  void Close();

  Endpoint local() const;  // with the port the kernel chose

 private:
  TcpListener(Ring& ring, int fd) : ring_(&ring), fd_(fd) {}

  Ring* ring_;
  int fd_;
  bool accepting_ = false;
};

}  // namespace sealift::engine
