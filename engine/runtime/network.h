#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "engine/runtime/endpoint.h"
#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// Network is the seam where connections come from: TCP in production, a simulated Internet in tests.
//
// Owned by:  the node; outlives every session.
// Threads:   one ring's.
// Errors:    the status of the scope that ended the wait; Unavailable when the peer or the way to it refuses;
//            FailedPrecondition when `from` is not an address of this machine. The message names both ends.
class Network {
 public:
  virtual ~Network() = default;

  // From the address `from` if given; its port is chosen by the kernel when zero.
  virtual Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Endpoint to, std::optional<Endpoint> from) = 0;
};

}  // namespace sealift::engine
