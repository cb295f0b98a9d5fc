#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/runtime/endpoint.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// TcpStream is a connected TCP socket on a ring. Small writes leave at once (TCP_NODELAY): the sessions batch by
// themselves.
//
// Owned by, Threads, Errors: as Stream says. The ring outlives it.
class TcpStream final : public Stream {
 public:
  TcpStream(Ring& ring, int fd);  // takes the descriptor over
  ~TcpStream() override;

  Task<absl::StatusOr<size_t>> Read(std::span<char> buffer) override;
  absl::StatusOr<std::optional<size_t>> TryRead(std::span<char> buffer) override;
  Task<absl::Status> Write(std::span<const char> bytes) override;
  void Close() override;

  // Unspecified (family 0) after the connection is gone.
  Endpoint local() const;
  Endpoint remote() const;

 private:
  Ring& ring_;
  int fd_;
  int pending_ = 0;          // Reads and Writes that wait
  uint64_t emptied_in_ = 0;  // the ring's turn in which everything that had come was read; 0: none
};

}  // namespace sealift::engine
