#include "tests/scenario/harness/capture.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "tests/scenario/harness/own_network.h"

namespace sealift::scenario {
namespace {

constexpr int kBufferBytes = 64 << 20;
constexpr size_t kPacketMax = 128 << 10;  // loopback carries segments of 64 KiB
constexpr size_t kStreamMax = 64 << 20;
constexpr int kPollMillis = 50;

// Every packet crosses a loopback twice, out and in.
int OpenSocket() {
  const int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_IP);
  address.sll_ifindex = static_cast<int>(if_nametoindex("lo"));
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
  }
  return fd;
}

struct Segment {
  std::string from, to;
  uint16_t to_port = 0;
  uint32_t sequence = 0;
  bool opens = false;  // SYN, and no answer to one
  std::string_view bytes;
};

std::string Name(uint32_t address, uint16_t port) {
  std::array<char, INET_ADDRSTRLEN> text;
  inet_ntop(AF_INET, &address, text.data(), text.size());
  return fmt::format("{}:{}", text.data(), ntohs(port));
}

std::optional<Segment> Read(std::string_view packet) {
  iphdr ip;
  if (packet.size() < sizeof ip) return std::nullopt;
  std::memcpy(&ip, packet.data(), sizeof ip);
  const size_t ip_bytes = size_t{ip.ihl} * 4;
  const size_t whole = std::min<size_t>(ip.tot_len == 0 ? packet.size() : ntohs(ip.tot_len), packet.size());
  tcphdr tcp;
  if (ip.protocol != IPPROTO_TCP || whole < ip_bytes + sizeof tcp) return std::nullopt;
  std::memcpy(&tcp, packet.data() + ip_bytes, sizeof tcp);
  const size_t head = ip_bytes + size_t{tcp.doff} * 4;
  if (head > whole) return std::nullopt;
  return Segment{.from = Name(ip.saddr, tcp.source),
                 .to = Name(ip.daddr, tcp.dest),
                 .to_port = ntohs(tcp.dest),
                 .sequence = ntohl(tcp.seq),
                 .opens = tcp.syn == 1 && tcp.ack == 0,
                 .bytes = packet.substr(head, whole - head)};
}

// Puts a segment where it belongs behind the first byte.
void Place(std::string& stream, uint32_t offset, std::string_view bytes) {
  if (offset > kStreamMax) return;  // before its beginning: a probe of the kernel's
  if (stream.size() < offset + bytes.size()) stream.resize(offset + bytes.size());
  stream.replace(offset, bytes.size(), bytes);
}

}  // namespace

Capture::Capture() {
  trouble_ = EnterOwnNetwork();
  if (!trouble_.empty()) return;
  socket_ = OpenSocket();
  if (socket_ < 0) {
    trouble_ = fmt::format("no packets of a network namespace: {}", std::strerror(errno));
    return;
  }
  thread_ = std::thread([this] { Run(); });
}

Capture::~Capture() {
  Finish();
  if (socket_ >= 0) close(socket_);
}

void Capture::Finish() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  thread_.join();
  tpacket_stats stats = {};
  socklen_t size = sizeof stats;
  getsockopt(socket_, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
  lost_ = stats.tp_drops;
}

void Capture::Run() {
  std::string buffer(kPacketMax, '\0');
  pollfd waiting = {.fd = socket_, .events = POLLIN, .revents = 0};
  while (true) {
    if (poll(&waiting, 1, kPollMillis) <= 0) {
      if (stopping_) return;
      continue;
    }
    sockaddr_ll from = {};
    socklen_t size = sizeof from;
    const ssize_t bytes =
        recvfrom(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
    if (bytes <= 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
    packets_.emplace_back(buffer.data(), static_cast<size_t>(bytes));
  }
}

std::vector<Capture::Stream> Capture::SentTo(uint16_t port) const {
  struct Open {
    size_t stream;
    uint32_t first;  // the sequence number of its first byte
  };
  std::vector<Stream> streams;
  std::map<std::pair<std::string, std::string>, Open> open;  // a port that is used again begins another stream
  for (const std::string& packet : packets_) {
    const std::optional<Segment> segment = Read(packet);
    if (!segment.has_value() || segment->to_port != port) continue;
    const std::pair ends(segment->from, segment->to);
    const auto it = open.find(ends);
    if (segment->opens) {
      if (it != open.end() && it->second.first == segment->sequence + 1) continue;  // said again
      open[ends] = {.stream = streams.size(), .first = segment->sequence + 1};
      streams.push_back({.from = segment->from, .to = segment->to, .bytes = {}});
    } else if (it != open.end() && !segment->bytes.empty()) {
      Place(streams[it->second.stream].bytes, segment->sequence - it->second.first, segment->bytes);
    }
  }
  return streams;
}

bool Capture::Saw(std::string_view text) const {
  return std::ranges::any_of(packets_,
                             [text](const std::string& packet) { return packet.find(text) != std::string::npos; });
}

}  // namespace sealift::scenario
