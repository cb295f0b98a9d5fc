#include "engine/egress_proxy.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace sealift::engine {
namespace {

constexpr std::string_view kSocks = "socks5://";
constexpr std::string_view kHaproxy = "haproxy://";

// --- SOCKS5: RFC 1928 ---
constexpr uint8_t kVersion = 5;
constexpr uint8_t kNoLogin = 0, kUserAndPassword = 2;
constexpr uint8_t kConnect = 1;
constexpr uint8_t kIpv4 = 1, kDomain = 3, kIpv6 = 4;

std::string_view ReplyText(uint8_t code) {
  constexpr std::array<std::string_view, 9> kTexts = {"",
                                                      "it failed",
                                                      "its rules do not allow the connection",
                                                      "the network is unreachable",
                                                      "the host is unreachable",
                                                      "connection refused",
                                                      "the connection timed out on the way",
                                                      "it does not know the command",
                                                      "it does not know the kind of address"};
  return code < kTexts.size() ? kTexts[code] : "it gives a reason that is none";
}

// The bytes of an endpoint's address, in network order.
std::string_view AddressBytes(const Endpoint& endpoint) {
  const char* bytes =
      endpoint.family() == AF_INET
          ? reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in*>(&endpoint.addr)->sin_addr)
          : reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in6*>(&endpoint.addr)->sin6_addr);
  return {bytes, endpoint.family() == AF_INET ? size_t{4} : size_t{16}};
}

void AppendPort(uint16_t port, std::string& to) {
  to += static_cast<char>(port >> 8);
  to += static_cast<char>(port & 0xff);
}

Task<absl::Status> Send(Stream& stream, std::string bytes) { co_return co_await stream.Write(bytes); }

// Exactly as many as asked for: what comes behind them is the host's.
Task<absl::Status> ReadExactly(Stream& stream, std::span<uint8_t> into) {
  while (!into.empty()) {
    const absl::StatusOr<size_t> count =
        co_await stream.Read(std::span(reinterpret_cast<char*>(into.data()), into.size()));
    if (!count.ok()) co_return count.status();
    if (*count == 0) co_return absl::UnavailableError("it closed the connection");
    into = into.subspan(*count);
  }
  co_return absl::OkStatus();
}

// --- PROXY protocol, version 2 (haproxy.org, proxy-protocol.txt, 2.2) ---
std::string ProxyHeader(const Endpoint& from, const Endpoint& to) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  const bool four = to.family() == AF_INET;
  header += '\x21';                  // version 2, PROXY
  header += four ? '\x11' : '\x21';  // TCP over IPv4 or IPv6
  AppendPort(four ? 12 : 36, header);
  header += AddressBytes(from);
  header += AddressBytes(to);
  AppendPort(from.port(), header);
  AppendPort(to.port(), header);
  return header;
}

}  // namespace

std::optional<EgressProxy> EgressProxy::Of(const SourceOptions& source) {
  const std::string_view proxy = source.proxy;
  const bool socks = proxy.starts_with(kSocks);
  if (!socks && !proxy.starts_with(kHaproxy)) return std::nullopt;
  const absl::StatusOr<Endpoint> at = Endpoint::Parse(std::string(proxy.substr((socks ? kSocks : kHaproxy).size())));
  if (!at.ok()) return std::nullopt;
  return EgressProxy(socks, *at, source.proxy_login);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> EgressProxy::Connect(Network& network, Endpoint to,
                                                                   std::optional<Endpoint> from) const {
  const auto failed = [&](const absl::Status& status) {
    return absl::Status(status.code(), fmt::format("the proxy {}: {}", at_.ToString(), std::string(status.message())));
  };
  absl::StatusOr<std::unique_ptr<Stream>> stream = co_await network.Connect(at_, std::nullopt);
  if (!stream.ok()) co_return failed(stream.status());
  if (!socks_) {
    if (!from.has_value() || from->family() != to.family()) {
      co_return failed(absl::InvalidArgumentError("the source and the host have addresses of different families"));
    }
    const absl::Status told = co_await Send(**stream, ProxyHeader(*from, to));
    if (!told.ok()) co_return failed(told);
    co_return std::move(stream);
  }
  absl::Status done = co_await Greet(**stream);
  if (done.ok()) done = co_await Ask(**stream, to);
  if (!done.ok()) co_return failed(done);
  co_return std::move(stream);
}

Task<absl::Status> EgressProxy::Greet(Stream& stream) const {
  std::string hello = {kVersion, 1, kNoLogin};
  if (!login_.empty()) hello = {kVersion, 2, kNoLogin, kUserAndPassword};
  const absl::Status sent = co_await Send(stream, hello);
  if (!sent.ok()) co_return sent;
  std::array<uint8_t, 2> answer{};
  const absl::Status read = co_await ReadExactly(stream, answer);
  if (!read.ok()) co_return read;
  if (answer[0] != kVersion) co_return absl::UnavailableError("it is no SOCKS5 server");
  if (answer[1] == kNoLogin) co_return absl::OkStatus();
  if (answer[1] == kUserAndPassword && !login_.empty()) co_return co_await LogIn(stream);
  co_return absl::UnavailableError("it asks for a login; name a file with `proxy_credentials` at the source");
}

// RFC 1929.
Task<absl::Status> EgressProxy::LogIn(Stream& stream) const {
  const size_t colon = login_.find(':');
  const std::string user = login_.substr(0, colon);
  const std::string password = login_.substr(colon + 1);
  std::string request = {1, static_cast<char>(user.size())};
  request += user;
  request += static_cast<char>(password.size());
  request += password;
  const absl::Status sent = co_await Send(stream, request);
  if (!sent.ok()) co_return sent;
  std::array<uint8_t, 2> answer{};
  const absl::Status read = co_await ReadExactly(stream, answer);
  if (!read.ok()) co_return read;
  if (answer[1] != 0) co_return absl::UnavailableError("it refuses the login of `proxy_credentials`");
  co_return absl::OkStatus();
}

Task<absl::Status> EgressProxy::Ask(Stream& stream, Endpoint to) const {
  std::string request = {kVersion, kConnect, 0, static_cast<char>(to.family() == AF_INET ? kIpv4 : kIpv6)};
  request += AddressBytes(to);
  AppendPort(to.port(), request);
  const absl::Status sent = co_await Send(stream, request);
  if (!sent.ok()) co_return sent;
  std::array<uint8_t, 4> answer{};
  absl::Status read = co_await ReadExactly(stream, answer);
  if (!read.ok()) co_return read;
  if (answer[0] != kVersion) co_return absl::UnavailableError("it is no SOCKS5 server");
  if (answer[1] != 0) co_return absl::UnavailableError(std::string(ReplyText(answer[1])));
  // The address that it connected from, which nobody needs.
  size_t rest = 0;
  if (answer[3] == kIpv4) rest = 4;
  if (answer[3] == kIpv6) rest = 16;
  if (answer[3] == kDomain) {
    std::array<uint8_t, 1> length{};
    read = co_await ReadExactly(stream, length);
    if (!read.ok()) co_return read;
    rest = length[0];
  }
  if (rest == 0) co_return absl::UnavailableError("it answers what is no SOCKS5 reply");
  std::array<uint8_t, 255 + 2> bound{};
  co_return co_await ReadExactly(stream, std::span(bound).first(rest + 2));
}

}  // namespace sealift::engine
