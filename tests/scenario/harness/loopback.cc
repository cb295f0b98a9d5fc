#include "tests/scenario/harness/loopback.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace sealift::scenario {
namespace {

constexpr int kNets = 100 * 256;  // 127.100.0.0 to 127.199.255.0

}  // namespace

Loopback::Loopback() {
  holder_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // A random start, so that a net that was just given back rests a while.
  const unsigned start = std::random_device()() % kNets;
  for (unsigned i = 0; i < kNets; ++i) {
    const unsigned net = (start + i) % kNets;
    const std::string name = fmt::format("sealift-scenario-{}", net);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::ranges::copy(name, address.sun_path + 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (bind(holder_, reinterpret_cast<const sockaddr*>(&address), size) == 0) {
      prefix_ = fmt::format("127.{}.{}.", 100 + net / 256, net % 256);
      return;
    }
  }
  std::fprintf(stderr, "no free part of 127.0.0.0/8 is left for this test\n");
  std::abort();
}

Loopback::~Loopback() { close(holder_); }

std::string Loopback::Address(int last) const { return fmt::format("{}{}", prefix_, last); }

std::string Loopback::Address(int last, int port) const { return fmt::format("{}{}:{}", prefix_, last, port); }

bool Accepts(const std::string& address, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  close(fd);
  return connected;
}

}  // namespace sealift::scenario
