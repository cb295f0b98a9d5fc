#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/runtime/endpoint.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// Stream is a connection that carries bytes both ways: TCP, TLS over it, or one side of a simulated wire.
//
// Owned by:  a session; destroying it closes it. No Read or Write is pending then.
// Threads:   its ring's. One Read and one Write may be pending at a time.
// Errors:    the status of the scope that ended the wait, FailedPrecondition after Close, else what the network said
//            (Unavailable: refused, reset, unreachable).
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  // At least one byte, or zero when the peer has closed its side. The buffer lives until the await ends.
  virtual Task<absl::StatusOr<size_t>> Read(std::span<char> buffer) = 0;

  // The same of what has already arrived, without waiting; nothing: there is none. No Read is pending.
  virtual absl::StatusOr<std::optional<size_t>> TryRead(std::span<char> buffer) = 0;

  // All of `bytes`; after an error it is unknown how many arrived.
  virtual Task<absl::Status> Write(std::span<const char> bytes) = 0;

  // Says that nothing more will be written, where a connection has words for it: so that a close is not taken for a
  // cut.
  virtual Task<absl::Status> End() { co_return absl::OkStatus(); }

  // At once and both ways; a pending Read or Write returns FailedPrecondition. May be called again.
  virtual void Close() = 0;
};

}  // namespace sealift::engine
