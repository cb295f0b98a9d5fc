#include "tests/dns/fake_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace sealift::dns {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// -1 when the port is taken.
int Bind(int type, int port) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_in address = Loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

int PortOf(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

}  // namespace

FakeServer::FakeServer(PollReactor& reactor) : reactor_(reactor) {
  while (udp_ < 0) {
    listener_ = Bind(SOCK_STREAM, 0);
    port_ = PortOf(listener_);
    udp_ = Bind(SOCK_DGRAM, port_);
    if (udp_ < 0) close(listener_);
  }
  EXPECT_EQ(listen(listener_, 16), 0);
  reactor_.Also(udp_, [this] { OnDatagram(); });
  reactor_.Also(listener_, [this] { OnConnection(); });
}

FakeServer::~FakeServer() {
  for (const int fd : {udp_, listener_}) {
    reactor_.Forget(fd);
    close(fd);
  }
  for (const auto& [fd, received] : streams_) {
    reactor_.Forget(fd);
    close(fd);
  }
}

std::string FakeServer::address() const { return fmt::format("127.0.0.1:{}", port_); }

void FakeServer::OnDatagram() {
  uint8_t bytes[4096];
  sockaddr_in from = {};
  socklen_t size = sizeof from;
  ssize_t count = 0;
  while ((count = recvfrom(udp_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &size)) > 0) {
    questions.push_back(Question::Parse(std::span(bytes, static_cast<size_t>(count))));
    for (const Bytes& packet : answer(questions.back())) {
      sendto(udp_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }
}

void FakeServer::OnConnection() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  streams_[fd];
  reactor_.Also(fd, [this, fd] { OnStream(fd); });
}

void FakeServer::OnStream(int fd) {
  uint8_t bytes[4096];
  const ssize_t count = read(fd, bytes, sizeof bytes);
  if (count <= 0) {
    reactor_.Forget(fd);
    streams_.erase(fd);
    close(fd);
    return;
  }
  Bytes& received = streams_[fd];
  received.insert(received.end(), bytes, bytes + count);
  while (received.size() >= 2) {
    const size_t size = static_cast<size_t>(received[0]) << 8 | received[1];
    if (received.size() < 2 + size) return;
    Question question = Question::Parse(std::span(received).subspan(2, size));
    question.over_tcp = true;
    received.erase(received.begin(), received.begin() + 2 + static_cast<std::ptrdiff_t>(size));
    questions.push_back(question);
    for (const Bytes& packet : answer(question)) {
      const uint8_t length[2] = {static_cast<uint8_t>(packet.size() >> 8), static_cast<uint8_t>(packet.size())};
      EXPECT_EQ(send(fd, length, 2, MSG_NOSIGNAL), 2);
      EXPECT_EQ(send(fd, packet.data(), packet.size(), MSG_NOSIGNAL), static_cast<ssize_t>(packet.size()));
    }
  }
}

}  // namespace sealift::dns
