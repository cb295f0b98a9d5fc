// The sink's own sockets. Unlike the runtime's streams it needs the descriptor: to reset, to half-close, to reserve a
// port without listening.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/runtime/endpoint.h"

namespace sealift::tools::sink {

// A descriptor that closes itself.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket();

  int fd() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

enum class SocketKind : uint8_t { kListen, kReserve /* bound, not listening: connections are refused */, kDatagram };

// Opens `at`; with `share`, several sockets of this process may open the same (SO_REUSEPORT).
// Waits up to a second for an address that is taken: who was just killed gives it back late.
// Errors: AlreadyExists when the address stays taken, Unavailable otherwise; both name the address and what to do.
absl::StatusOr<Socket> OpenSocket(const engine::Endpoint& at, SocketKind kind, bool share);

// With the port that the kernel chose.
engine::Endpoint LocalEndpoint(int fd);

// The same address with another port.
engine::Endpoint WithPort(engine::Endpoint endpoint, uint16_t port);

// The address without the port, as text.
std::string AddressOf(const engine::Endpoint& endpoint);

}  // namespace sealift::tools::sink
