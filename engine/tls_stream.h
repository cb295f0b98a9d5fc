#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"
#include "tls/channel.h"

namespace sealift::engine {

// TlsStream speaks TLS over another stream.
//
// Owned by:  the session that upgraded its connection.
// Threads:   the ring's. One Read and one Write at a time, never both at once.
// Errors:    the connection's, or the TLS alert as a sentence; InvalidArgument for a peer whose records
//            have nothing in them for too long. After one the stream is only good to be closed.
class TlsStream final : public Stream {
 public:
  TlsStream(std::unique_ptr<Stream> lower, std::unique_ptr<tls::Channel> channel);
  ~TlsStream() override;

  Task<absl::Status> Handshake();

  Task<absl::StatusOr<size_t>> Read(std::span<char> into) override;
  absl::StatusOr<std::optional<size_t>> TryRead(std::span<char> into) override;
  Task<absl::Status> Write(std::span<const char> bytes) override;
  Task<absl::Status> End() override;
  void Close() override;

  const tls::Channel& channel() const { return *channel_; }

 private:
  Task<absl::Status> Flush();
  Task<absl::StatusOr<bool>> Fill();  // false: the peer closed the connection
  absl::Status Feed(size_t received);

  std::unique_ptr<Stream> lower_;
  std::unique_ptr<tls::Channel> channel_;
  std::vector<char> incoming_;
  size_t textless_ = 0;  // bytes received since anything in them was for us to read
};

}  // namespace sealift::engine
