#include "engine/runtime/tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "engine/runtime/check.h"

namespace sealift::engine {
namespace {

absl::Status ClosedHere() { return absl::FailedPreconditionError("the connection was closed on this side"); }

}  // namespace

TcpStream::TcpStream(Ring& ring, int fd) : ring_(ring), fd_(fd) {
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

TcpStream::~TcpStream() {
  CHECK(pending_ == 0, "a stream is destroyed when nobody reads or writes it");
  Close();
}

Task<absl::StatusOr<size_t>> TcpStream::Read(std::span<char> buffer) {
  CHECK(!buffer.empty(), "reading nothing cannot be told from the end of the stream");
  if (fd_ < 0) co_return ClosedHere();
  ++pending_;
  absl::StatusOr<size_t> count = co_await ring_.Recv(fd_, buffer);
  --pending_;
  emptied_in_ = count.ok() && *count > 0 && *count < buffer.size() ? ring_.stats().turns : 0;
  if (fd_ < 0) co_return ClosedHere();
  co_return count;
}

absl::StatusOr<std::optional<size_t>> TcpStream::TryRead(std::span<char> buffer) {
  if (fd_ < 0) return ClosedHere();
  // The kernel is asked once a turn: it would know of nothing newer than what ended the wait that this turn follows.
  if (emptied_in_ == ring_.stats().turns) return std::nullopt;
  const ssize_t count = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count >= 0) return static_cast<size_t>(count);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return std::nullopt;
  return absl::ErrnoToStatus(errno, "reading");
}

Task<absl::Status> TcpStream::Write(std::span<const char> bytes) {
  while (!bytes.empty()) {
    if (fd_ < 0) co_return ClosedHere();
    ++pending_;
    const absl::StatusOr<size_t> count = co_await ring_.Send(fd_, bytes);
    --pending_;
    if (fd_ < 0) co_return ClosedHere();
    if (!count.ok()) co_return count.status();
    bytes = bytes.subspan(*count);
  }
  co_return absl::OkStatus();
}

void TcpStream::Close() {
  if (fd_ < 0) return;
  // A pending request holds the socket beyond its descriptor; this ends the request.
  if (pending_ > 0) shutdown(fd_, SHUT_RDWR);
  ring_.Close(std::exchange(fd_, -1));
}

Endpoint TcpStream::local() const {
  Endpoint endpoint;
  socklen_t size = sizeof(endpoint.addr);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&endpoint.addr), &size) == 0) endpoint.size = size;
  return endpoint;
}

Endpoint TcpStream::remote() const {
  Endpoint endpoint;
  socklen_t size = sizeof(endpoint.addr);
  if (getpeername(fd_, reinterpret_cast<sockaddr*>(&endpoint.addr), &size) == 0) endpoint.size = size;
  return endpoint;
}

}  // namespace sealift::engine
