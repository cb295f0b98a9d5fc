#include "dns/servers.h"

#include <ares.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "dns/address.h"

namespace sealift::dns {
namespace {

constexpr int kPort = 53;

std::string Write(const Address& address, int port) {
  return fmt::format(fmt::runtime(address.family == AF_INET6 ? "[{}]:{}" : "{}:{}"), address.ToString(), port);
}

std::optional<int> ParsePort(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) return std::nullopt;
  return port;
}

std::optional<std::string> Normalise(std::string_view server) {
  if (const std::optional<Address> address = Address::Parse(server); address.has_value()) return Write(*address, kPort);
  const size_t colon = server.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<int> port = ParsePort(server.substr(colon + 1));
  std::string_view host = server.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::optional<Address> address = Address::Parse(host);
  if (!port.has_value() || !address.has_value() || bracketed != (address->family == AF_INET6)) return std::nullopt;
  return Write(*address, *port);
}

absl::StatusOr<std::vector<std::string>> SystemServers() {
  ares_channel channel = nullptr;
  if (const int status = ares_init(&channel); status != ARES_SUCCESS) {
    return absl::InternalError(fmt::format("the system's resolvers cannot be read: {}", ares_strerror(status)));
  }
  ares_addr_port_node* nodes = nullptr;
  const int status = ares_get_servers_ports(channel, &nodes);
  std::vector<std::string> servers;
  for (const ares_addr_port_node* node = nodes; node != nullptr && servers.size() < kServersMax; node = node->next) {
    Address address = {.family = node->family};
    const auto* bytes = reinterpret_cast<const uint8_t*>(&node->addr);
    std::copy_n(bytes, node->family == AF_INET6 ? 16 : 4, address.bytes.begin());
    servers.push_back(Write(address, node->udp_port == 0 ? kPort : node->udp_port));
  }
  if (nodes != nullptr) ares_free_data(nodes);
  ares_destroy(channel);
  if (status != ARES_SUCCESS || servers.empty()) {
    return absl::FailedPreconditionError(
        "the system names no resolver in /etc/resolv.conf; name one in the configuration");
  }
  return servers;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Servers(std::span<const std::string> named) {
  if (named.empty()) return SystemServers();
  if (named.size() > kServersMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} resolvers are named; at most {} are asked", named.size(), kServersMax));
  }
  std::vector<std::string> servers;
  for (const std::string& server : named) {
    std::optional<std::string> normal = Normalise(server);
    if (!normal.has_value()) {
      return absl::InvalidArgumentError(fmt::format(
          "'{}' is no resolver's address; write \"192.0.2.1\", \"192.0.2.1:5353\" or \"[2001:db8::1]:5353\"", server));
    }
    servers.push_back(*std::move(normal));
  }
  return servers;
}

}  // namespace sealift::dns
