#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "engine/runtime/signal.h"
#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// One direction of a wire: what was written and not yet read, a string a Write, so that a test can tell one write from
// two.
struct WireHalf {
  std::deque<std::string> writes;
  bool closed = false;
  Signal changed;
};

// MemoryStream is one end of a connection that exists in memory only.
//
// Threads:   its ring's; both ends are on the same one.
// Errors:    as a Stream's: Unavailable after the other end has closed, FailedPrecondition after this one has.
class MemoryStream final : public Stream {
 public:
  // Both ends of a new connection.
  static std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> Connect();

  ~MemoryStream() override;

  // At most what one Write brought.
  Task<absl::StatusOr<size_t>> Read(std::span<char> buffer) override;
  absl::StatusOr<std::optional<size_t>> TryRead(std::span<char> buffer) override;
  Task<absl::Status> Write(std::span<const char> bytes) override;
  void Close() override;

 private:
  MemoryStream(std::shared_ptr<WireHalf> in, std::shared_ptr<WireHalf> out);

  const std::shared_ptr<WireHalf> in_, out_;
  bool closed_ = false;
};

}  // namespace sealift::engine
