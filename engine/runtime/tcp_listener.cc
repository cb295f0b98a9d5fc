#include "engine/runtime/tcp_listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "engine/runtime/check.h"

namespace sealift::engine {
namespace {

std::string Remedy(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; another process listens there: stop it or choose another port";
    case EADDRNOTAVAIL:
      return "; the address is not one of this machine: add it to an interface or choose another";
    case EACCES:
      return "; ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in the unit)";
    default:
      return "";
  }
}

absl::Status ClosedHere() { return absl::FailedPreconditionError("the listener was closed"); }

}  // namespace

absl::StatusOr<TcpListener> TcpListener::Listen(Ring& ring, const Endpoint& at, int backlog, bool reuse_port) {
  const int fd = socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  const bool listening = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                         (!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
                         (at.family() != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
                         bind(fd, reinterpret_cast<const sockaddr*>(&at.addr), at.size) == 0 &&
                         listen(fd, backlog) == 0;
  if (!listening) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return absl::FailedPreconditionError(
        fmt::format("cannot listen on {}: {}{}", at.ToString(), std::generic_category().message(error), Remedy(error)));
  }
  return TcpListener(ring, fd);
}

TcpListener::TcpListener(TcpListener&& other) noexcept : ring_(other.ring_), fd_(std::exchange(other.fd_, -1)) {
  CHECK(!other.accepting_, "a listener that accepts stays where it is");
}

TcpListener& TcpListener::operator=(TcpListener&& other) noexcept {
  CHECK(!accepting_ && !other.accepting_, "a listener that accepts stays where it is");
  if (this != &other) {
    Close();
    ring_ = other.ring_;
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

TcpListener::~TcpListener() {
  CHECK(!accepting_, "a listener is destroyed when nobody accepts");
  Close();
}

Task<absl::StatusOr<std::unique_ptr<TcpStream>>> TcpListener::Accept() {
  while (fd_ >= 0) {
    accepting_ = true;
    const absl::StatusOr<int> fd = co_await ring_->Accept(fd_);
    accepting_ = false;
    if (fd.ok()) co_return std::make_unique<TcpStream>(*ring_, *fd);
    // The peer gave up while it was queued: its matter, not the listener's.
    const bool aborted = absl::IsAborted(fd.status());
    if (fd_ >= 0 && !aborted) co_return fd.status();
  }
  co_return ClosedHere();
}

void TcpListener::Close() {
  if (fd_ < 0) return;
  if (accepting_) shutdown(fd_, SHUT_RDWR);
  ring_->Close(std::exchange(fd_, -1));
}

Endpoint TcpListener::local() const {
  Endpoint endpoint;
  socklen_t size = sizeof(endpoint.addr);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&endpoint.addr), &size) == 0) endpoint.size = size;
  return endpoint;
}

}  // namespace sealift::engine
