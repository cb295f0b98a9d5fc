#include "tools/sink/dns_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "engine/runtime/deadline.h"
#include "tools/sink/dns_answer.h"

namespace sealift::tools::sink {
namespace {

using engine::Ring;
using engine::Task;

constexpr int kPortTries = 50;
constexpr int kBatch = 64;  // datagrams read before others get their turn
constexpr size_t kQueryBytesMax = 4096;
constexpr size_t kTcpConnectionsMax = 1000;
constexpr absl::Duration kTcpIdle = absl::Seconds(10);  // RFC 7766 6.2.3: a few seconds

// What both transports answer from.
struct Source {
  Ring& ring;
  const Zone& zone;
  Counters& counters;
  const absl::Time start;

  bool Answer(std::span<const uint8_t> query, DnsTransport transport, std::string* answer) const {
    counters.dns.queries.fetch_add(1, std::memory_order_relaxed);
    if (transport == DnsTransport::kTcp) counters.dns.tcp.fetch_add(1, std::memory_order_relaxed);
    if (AnswerDns(zone, query, transport, ring.Now() - start, answer)) return true;
    counters.dns.silent.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
};

Task<void> ServeUdp(Source source, int fd) {
  std::array<uint8_t, kQueryBytesMax> query;
  std::string answer;
  while (true) {
    const absl::StatusOr<unsigned> ready = co_await source.ring.Poll(fd, POLLIN);
    if (!ready.ok()) co_return;
    for (int i = 0; i < kBatch; ++i) {
      sockaddr_storage from;
      socklen_t from_size = sizeof(from);
      const ssize_t size = recvfrom(fd, query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
      if (size < 0) break;
      if (source.Answer({query.data(), static_cast<size_t>(size)}, DnsTransport::kUdp, &answer)) {
        // A full buffer loses the answer, as networks do; the resolver asks again.
        static_cast<void>(sendto(fd, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), from_size));
      }
    }
  }
}

Task<bool> ReceiveAll(Ring& ring, int fd, std::span<char> buffer) {
  while (!buffer.empty()) {
    const absl::StatusOr<size_t> received = co_await ring.Recv(fd, buffer);
    if (!received.ok() || *received == 0) co_return false;
    buffer = buffer.subspan(*received);
  }
  co_return true;
}

// One query after another (RFC 1035 4.2.2: two bytes of length before each); false when the connection is over.
Task<bool> AnswerOne(Source source, int fd) {
  unsigned char length[2];
  const bool began = co_await ReceiveAll(source.ring, fd, {reinterpret_cast<char*>(length), sizeof(length)});
  if (!began) co_return false;
  std::array<uint8_t, kQueryBytesMax> query;
  const size_t size = static_cast<size_t>(length[0]) << 8 | length[1];
  if (size > query.size()) co_return false;
  const bool complete = co_await ReceiveAll(source.ring, fd, {reinterpret_cast<char*>(query.data()), size});
  if (!complete) co_return false;
  std::string answer;
  if (!source.Answer({query.data(), size}, DnsTransport::kTcp, &answer)) co_return true;
  const char prefix[2] = {static_cast<char>(answer.size() >> 8), static_cast<char>(answer.size() & 0xFF)};
  answer.insert(0, prefix, sizeof(prefix));
  std::span<const char> rest(answer);
  while (!rest.empty()) {
    const absl::StatusOr<size_t> sent = co_await source.ring.Send(fd, rest);
    if (!sent.ok()) co_return false;
    rest = rest.subspan(*sent);
  }
  co_return true;
}

Task<void> ServeConnection(Source source, Socket socket) {
  while (true) {
    const bool go_on = co_await engine::WithDeadline(source.ring, kTcpIdle, AnswerOne(source, socket.fd()));
    if (!go_on) break;
  }
  source.ring.Close(socket.Release());
}

Task<void> ServeTcp(Source source, int fd) {
  engine::TaskGroup connections(co_await engine::CurrentScope());
  while (true) {
    const absl::StatusOr<int> accepted = co_await source.ring.Accept(fd);
    if (!accepted.ok()) {
      if (connections.scope().ended()) break;
      const absl::Status slept = co_await source.ring.Sleep(absl::Milliseconds(50));  // out of descriptors
      if (!slept.ok()) break;
      continue;
    }
    Socket socket(*accepted);
    if (connections.size() < kTcpConnectionsMax) connections.Start(ServeConnection(source, std::move(socket)));
  }
  co_await connections.Join();
}

}  // namespace

absl::StatusOr<DnsServer> DnsServer::Open(const engine::Endpoint& at) {
  absl::Status last;
  for (int i = 0; i < kPortTries; ++i) {
    absl::StatusOr<Socket> udp = OpenSocket(at, SocketKind::kDatagram, /*share=*/false);
    if (!udp.ok()) return udp.status();
    absl::StatusOr<Socket> tcp = OpenSocket(LocalEndpoint(udp->fd()), SocketKind::kListen, /*share=*/false);
    if (tcp.ok()) return DnsServer(*std::move(udp), *std::move(tcp));
    last = tcp.status();
    if (at.port() != 0) break;  // else another port may be free for both
  }
  return last;
}

void DnsServer::Start(Ring& ring, engine::TaskGroup& group, const Zone& zone, Counters& counters, absl::Time start) {
  const Source source{ring, zone, counters, start};
  group.Start(ServeUdp(source, udp_.fd()));
  group.Start(ServeTcp(source, tcp_.fd()));
}

}  // namespace sealift::tools::sink
