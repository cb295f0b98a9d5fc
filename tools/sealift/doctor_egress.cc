// Whether mail can leave: the one check of `sealift doctor` that speaks to somebody, and only to whom the operator
// names.
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "dns/lookup.h"
#include "engine/runtime/endpoint.h"
#include "engine/source_address.h"
#include "tools/sealift/doctor.h"

namespace sealift::tools {
namespace {

using State = Diagnosis::State;

constexpr absl::Duration kPatience = absl::Seconds(10);  // for a connection, and for the greeting
constexpr absl::Duration kDnsPatience = absl::Seconds(30);
constexpr size_t kAddressesMax = 4;  // that one source tries

// A socket that closes itself.
class Socket {
 public:
  explicit Socket(int family) : fd_(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  // False: not within the patience.
  bool Await(short events) const {
    pollfd wanted{.fd = fd_, .events = events, .revents = 0};
    return poll(&wanted, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) == 1;
  }

 private:
  const int fd_;
};

// The code of the greeting at that address; or, in words, why there is none. `from`: an address to leave from.
struct Heard {
  std::string code, why;
};

Heard Greet(const engine::Endpoint& to, const std::optional<engine::Endpoint>& from) {
  const Socket socket(to.family());
  if (socket.fd() < 0) return {"", strerror(errno)};
  if (from.has_value() && bind(socket.fd(), reinterpret_cast<const sockaddr*>(&from->addr), from->size) != 0) {
    return {"", fmt::format("cannot leave from {}: {}", from->ToString(), strerror(errno))};
  }
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&to.addr), to.size) != 0) {
    if (errno != EINPROGRESS) return {"", strerror(errno)};
    if (!socket.Await(POLLOUT)) return {"", "no answer: a firewall drops it"};
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return {"", strerror(error)};
  }
  std::string text;
  while (text.size() < 3) {
    char bytes[512];
    if (!socket.Await(POLLIN)) return {"", "connected, and no greeting came"};
    const ssize_t received = recv(socket.fd(), bytes, sizeof bytes, 0);
    if (received <= 0) return {"", "connected, and closed without a greeting"};
    text.append(bytes, static_cast<size_t>(received));
  }
  const std::string code = text.substr(0, 3);
  if (code.find_first_not_of("0123456789") != std::string::npos) return {"", "what answered is no mail server"};
  constexpr std::string_view kQuit = "QUIT\r\n";
  const ssize_t sent = send(socket.fd(), kQuit.data(), kQuit.size(), MSG_NOSIGNAL);
  (void)sent;  // a courtesy
  return {code, ""};
}

Diagnosis Judge(std::string check, std::string about, const std::string& peer, const Heard& heard) {
  if (heard.code == "220") return {std::move(check), std::move(about), State::kOk, peer + " greets us", ""};
  if (!heard.code.empty()) {
    return {std::move(check), std::move(about), State::kWarning,
            fmt::format("{} is reached and greets us with {}: it does not want this address", peer, heard.code),
            "read its reply (`sealift tls probe`), and look for the address on block lists"};
  }
  return {std::move(check), std::move(about), State::kFailed, fmt::format("{}: {}", peer, heard.why),
          "ask the network's operator to open it outwards: many close port 25 by default"};
}

Diagnosis DiagnoseSink(const engine::Options& options) {
  const absl::StatusOr<engine::Endpoint> sink = engine::Endpoint::Parse(options.sink.address);
  if (!sink.ok()) return {"sink", options.sink.address, State::kFailed, std::string(sink.status().message()), ""};
  Diagnosis found = Judge("sink", "", options.sink.address, Greet(*sink, std::nullopt));
  if (found.state == State::kFailed) found.next = "start what is to take the mail there: sealift-sink";
  return found;
}

// The domain's MX hosts at which a source of this family could call, best first.
std::vector<std::pair<std::string, engine::Endpoint>> HostsOf(const dns::MxAnswer& mx, int family,
                                                              const engine::Options& options, dns::Lookup& lookup) {
  std::vector<std::pair<std::string, engine::Endpoint>> hosts;
  for (const dns::MxHost& host : mx.hosts) {
    for (const dns::Address& address : lookup.Addresses(host.name, family).addresses) {
      if (hosts.size() == kAddressesMax) return hosts;
      if (!engine::MayBeOfOthers(address, options)) continue;
      const engine::Endpoint to = engine::Endpoint::Ip(family, address.bytes, static_cast<uint16_t>(options.smtp.port));
      hosts.emplace_back(fmt::format("{} [{}]", host.name, address.ToString()), to);
    }
  }
  return hosts;
}

Diagnosis DiagnoseSource(const engine::SourceOptions& source, const dns::MxAnswer& mx, const std::string& domain,
                         const engine::Options& options, dns::Lookup& lookup) {
  const std::string check = fmt::format("port_{}", options.smtp.port);
  if (!source.proxy.empty()) {
    return {check, source.name, State::kSkipped, "it leaves through a proxy, which only the daemon speaks to", ""};
  }
  if (!engine::HasAddressOf(source)) {
    return {check, source.name, State::kSkipped, "this machine does not have its address", ""};
  }
  const std::string own = source.family == AF_INET6 ? fmt::format("[{}]:0", source.address) : source.address + ":0";
  const absl::StatusOr<engine::Endpoint> from = engine::Endpoint::Parse(own);
  if (!from.ok()) return {check, source.name, State::kFailed, std::string(from.status().message()), ""};
  const auto hosts = HostsOf(mx, source.family, options, lookup);
  if (hosts.empty()) {
    return {check, source.name, State::kSkipped,
            fmt::format("{} has no host with an address of this source's family that may be connected to", domain),
            "name another domain"};
  }
  Diagnosis found;
  for (const auto& [peer, to] : hosts) {
    found = Judge(check, source.name, peer, Greet(to, *from));
    if (found.state == State::kOk) break;
  }
  return found;
}

}  // namespace

std::vector<Diagnosis> DiagnoseEgress(const engine::Options& options, const std::string& domain) {
  if (options.delivery == engine::Delivery::kSink) return {DiagnoseSink(options)};
  const std::string check = fmt::format("port_{}", options.smtp.port);
  if (domain.empty()) {
    return {
        {check, "", State::kSkipped, "whether it is open outwards is only seen by connecting to somebody",
         "`sealift doctor --reach DOMAIN` connects from each source to that domain's MX hosts, up to the greeting"}};
  }
  absl::StatusOr<dns::Lookup> lookup = dns::Lookup::Create({.servers = options.dns.servers,
                                                            .timeout = options.dns.timeout,
                                                            .tries = options.dns.tries,
                                                            .deadline = absl::Now() + kDnsPatience});
  if (!lookup.ok()) return {{check, "", State::kFailed, std::string(lookup.status().message()), "look at [dns]"}};
  const dns::MxAnswer mx = lookup->Mx(domain);
  if (mx.verdict != dns::Verdict::kFound || mx.hosts.empty()) {
    return {{check, domain, State::kSkipped,
             fmt::format("its mail servers are not known ({})", mx.null_mx ? "null MX" : dns::ToString(mx.verdict)),
             "name a domain that takes mail"}};
  }
  std::vector<Diagnosis> findings;
  findings.reserve(options.sources.size());
  for (const engine::SourceOptions& source : options.sources) {
    findings.push_back(DiagnoseSource(source, mx, domain, options, *lookup));
  }
  return findings;
}

}  // namespace sealift::tools
