#include "tools/sink/socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "absl/status/status.h"

namespace sealift::tools::sink {
namespace {

constexpr int kBacklog = 4096;

// A sink that was killed keeps its addresses until the kernel has taken down its rings, which is after its parent has
// heard of its end.
constexpr std::chrono::milliseconds kStep(10);
constexpr int kSteps = 100;

absl::StatusOr<Socket> TryOpen(const engine::Endpoint& at, SocketKind kind, bool share) {
  const int type = kind == SocketKind::kDatagram ? SOCK_DGRAM | SOCK_NONBLOCK : SOCK_STREAM;
  Socket opened(socket(at.family(), type | SOCK_CLOEXEC, 0));
  if (opened.fd() < 0) return absl::UnavailableError(fmt::format("cannot make a socket: {}", strerror(errno)));
  const int on = 1;
  setsockopt(opened.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (share) setsockopt(opened.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (at.family() == AF_INET6) setsockopt(opened.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  if (bind(opened.fd(), reinterpret_cast<const sockaddr*>(&at.addr), at.size) != 0 ||
      (kind == SocketKind::kListen && listen(opened.fd(), kBacklog) != 0)) {
    const int error = errno;
    if (error == EADDRINUSE) {
      return absl::AlreadyExistsError(
          fmt::format("{} is taken by another program; stop it, or choose another port", at.ToString()));
    }
    return absl::UnavailableError(
        fmt::format("cannot listen on {}: {}; choose an address of this machine", at.ToString(), strerror(error)));
  }
  return opened;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<Socket> OpenSocket(const engine::Endpoint& at, SocketKind kind, bool share) {
  absl::StatusOr<Socket> opened = TryOpen(at, kind, share);
  for (int step = 0; absl::IsAlreadyExists(opened.status()) && step < kSteps; ++step) {
    std::this_thread::sleep_for(kStep);
    opened = TryOpen(at, kind, share);
  }
  return opened;
}

engine::Endpoint LocalEndpoint(int fd) {
  engine::Endpoint endpoint;
  endpoint.size = sizeof(endpoint.addr);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&endpoint.addr), &endpoint.size) != 0) return {};
  return endpoint;
}

engine::Endpoint WithPort(engine::Endpoint endpoint, uint16_t port) {
  if (endpoint.family() == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&endpoint.addr)->sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6*>(&endpoint.addr)->sin6_port = htons(port);
  }
  return endpoint;
}

std::string AddressOf(const engine::Endpoint& endpoint) {
  char text[INET6_ADDRSTRLEN] = "";
  if (endpoint.family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&endpoint.addr)->sin_addr, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&endpoint.addr)->sin6_addr, text, sizeof(text));
  }
  return text;
}

}  // namespace sealift::tools::sink
