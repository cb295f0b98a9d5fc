#include "tests/engine/admin/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>

namespace sealift::engine {

RawClient::RawClient(int fd) : fd_(fd) {
  const timeval ten{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof ten);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &ten, sizeof ten);
}

RawClient::~RawClient() { Close(); }

void RawClient::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

RawClient RawClient::ToPort(uint16_t port) {
  RawClient client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(client.fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) client.Close();
  return client;
}

RawClient RawClient::ToSocket(const std::string& path) {
  RawClient client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(client.fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) client.Close();
  return client;
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

size_t RawClient::SendSome(std::string_view bytes) {
  const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

std::string RawClient::ReadUntil(std::string_view text) {
  std::array<char, 4096> bytes{};
  while (text.empty() || heard_.find(text) == std::string::npos) {
    const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n <= 0) break;
    heard_.append(bytes.data(), static_cast<size_t>(n));
  }
  return heard_;
}

std::string RawClient::ReadAll() { return ReadUntil(""); }

bool RawClient::WaitClosed() {
  std::array<char, 4096> bytes{};
  while (true) {
    const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
    if (n < 0) return false;
  }
}

}  // namespace sealift::engine
