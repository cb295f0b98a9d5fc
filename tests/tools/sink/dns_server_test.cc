#include "tools/sink/dns_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include "tools/sink/script_reader.h"
#include "tools/sink/sink.h"

namespace sealift::tools::sink {
namespace {

// MX of big.test, id 1.
const std::string kQuery("\0\1\1\0\0\1\0\0\0\0\0\0\3big\4test\0\0\x0F\0\1", 26);

class DnsServerTest : public ::testing::Test {
 protected:
  DnsServerTest() {
    Sink::Options options;
    options.script = *ReadScript(
        "[[provider]]\nname = \"big\"\ndomains = [\"big.test\"]\nmx = [{ host = \"mx{1..100}.big.test\", address = "
        "\"127.0.3.4\" }]\n",
        "s");
    options.dns = *engine::Endpoint::Parse("127.0.0.1:0");
    sink_ = *Sink::Start(std::move(options));
  }
  Socket Connect(int type) {
    Socket socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(connect(socket.fd(), reinterpret_cast<const sockaddr*>(&sink_->dns()->addr), sink_->dns()->size), 0);
    return socket;
  }
  // `size` bytes, fewer when the connection ended.
  std::string ReceiveAll(const Socket& socket, size_t size) {
    std::string bytes;
    while (bytes.size() < size) {
      char buffer[4096];
      const ssize_t got = Receive(socket, buffer, std::min(sizeof(buffer), size - bytes.size()));
      if (got <= 0) break;
      bytes.append(buffer, static_cast<size_t>(got));
    }
    return bytes;
  }
  ssize_t Receive(const Socket& socket, char* buffer, size_t size) {
    while (true) {
      const ssize_t got = recv(socket.fd(), buffer, size, 0);
      if (got >= 0 || errno != EINTR) return got;  // a ring of this thread's that is taken down interrupts it
    }
  }
  std::unique_ptr<Sink> sink_;
};

TEST_F(DnsServerTest, AnswersOverUdp) {
  const Socket socket = Connect(SOCK_DGRAM);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(send(socket.fd(), kQuery.data(), kQuery.size(), 0), static_cast<ssize_t>(kQuery.size()));
    char answer[2048];
    const ssize_t size = Receive(socket, answer, sizeof(answer));
    ASSERT_GE(size, 12);
    EXPECT_EQ(answer[1], 1);
    EXPECT_NE(answer[2] & 2, 0);  // too much for 512 bytes: cut
  }
  EXPECT_EQ(sink_->counters().dns.queries.load(), 300u);
}

TEST_F(DnsServerTest, AnswersOverTcpSeveralTimesInAConnectionHoweverTheBytesCome) {
  const Socket socket = Connect(SOCK_STREAM);
  const std::string framed = std::string("\0\x1A", 2) + kQuery;
  for (int round = 0; round < 2; ++round) {
    for (const char& byte : framed) ASSERT_EQ(send(socket.fd(), &byte, 1, MSG_NOSIGNAL), 1);
    const std::string length = ReceiveAll(socket, 2);
    ASSERT_EQ(length.size(), 2u);
    const std::string answer =
        ReceiveAll(socket, static_cast<size_t>(static_cast<uint8_t>(length[0])) << 8 | static_cast<uint8_t>(length[1]));
    ASSERT_GE(answer.size(), 1000u);
    EXPECT_EQ(answer[7], 100);
  }
}

TEST_F(DnsServerTest, NonsenseEndsTheConnectionAndNothingElse) {
  const Socket socket = Connect(SOCK_STREAM);
  const std::string nonsense("\xFF\xFFxxxxxxxxxxxx", 14);
  ASSERT_EQ(send(socket.fd(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL), static_cast<ssize_t>(nonsense.size()));
  EXPECT_EQ(ReceiveAll(socket, 1), "");
  const Socket udp = Connect(SOCK_DGRAM);
  ASSERT_EQ(send(udp.fd(), "x", 1, 0), 1);
  ASSERT_EQ(send(udp.fd(), kQuery.data(), kQuery.size(), 0), static_cast<ssize_t>(kQuery.size()));
  char answer[2048];
  EXPECT_GE(Receive(udp, answer, sizeof(answer)), 12);
}

}  // namespace
}  // namespace sealift::tools::sink
