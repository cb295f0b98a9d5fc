#include "engine/runtime/tcp_network.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "engine/runtime/tcp_stream.h"

namespace sealift::engine {
namespace {

absl::Status BindSource(int fd, const Endpoint& from) {
  const int on = 1;
  if (from.port() == 0) setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&from.addr), from.size) == 0) return absl::OkStatus();
  const int error = errno;
  return absl::FailedPreconditionError(fmt::format(
      "cannot send from {}: {}{}", from.ToString(), std::generic_category().message(error),
      error == EADDRNOTAVAIL ? "; add the address to an interface, or take the source out of the config" : ""));
}

absl::Status Annotate(const absl::Status& status, const Endpoint& to, const std::optional<Endpoint>& from) {
  const std::string source = from.has_value() ? fmt::format(" from {}", from->ToString()) : "";
  return absl::Status(status.code(), fmt::format("{}{}: {}", to.ToString(), source, std::string(status.message())));
}

}  // namespace

Task<absl::StatusOr<std::unique_ptr<Stream>>> TcpNetwork::Connect(Endpoint to, std::optional<Endpoint> from) {
  if (from.has_value() && from->family() != to.family()) {
    co_return absl::InvalidArgumentError(
        fmt::format("{} cannot be reached from {}: one is IPv4, the other IPv6", to.ToString(), from->ToString()));
  }
  const int fd = socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return Annotate(absl::ErrnoToStatus(errno, "socket"), to, from);
  auto stream = std::make_unique<TcpStream>(ring_, fd);
  if (from.has_value()) {
    const absl::Status bound = BindSource(fd, *from);
    if (!bound.ok()) co_return bound;
  }
  const absl::Status connected = co_await ring_.Connect(fd, to);
  if (!connected.ok()) co_return Annotate(connected, to, from);
  co_return std::move(stream);
}

}  // namespace sealift::engine
