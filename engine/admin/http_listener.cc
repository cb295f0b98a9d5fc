#include "engine/admin/http_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "engine/admin/http_server.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

struct ListenAddress {
  sockaddr_storage address{};
  socklen_t size = 0;
  std::string host;  // without brackets
};

bool IsAddress(const std::string& host) {
  in6_addr bytes{};
  return ::inet_pton(AF_INET, host.c_str(), &bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), &bytes) == 1;
}

// "host:port" or "[host]:port"; the port may be absent. False for what is neither.
bool SplitHost(std::string_view text, std::string& host, std::string_view& port) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (port.empty()) return true;
  if (port.front() != ':') return false;
  port.remove_prefix(1);
  return true;
}

std::optional<ListenAddress> ParseListen(const std::string& text) {
  ListenAddress out;
  std::string_view port;
  uint16_t number = 0;
  if (!SplitHost(text, out.host, port)) return std::nullopt;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  auto* four = reinterpret_cast<sockaddr_in*>(&out.address);
  auto* six = reinterpret_cast<sockaddr_in6*>(&out.address);
  if (::inet_pton(AF_INET, out.host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(number);
    out.size = sizeof *four;
  } else if (::inet_pton(AF_INET6, out.host.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(number);
    out.size = sizeof *six;
  } else {
    return std::nullopt;
  }
  return out;
}

}  // namespace

class HttpListener::Impl : public HttpServer {
 public:
  Impl(int listening, std::string host, uint16_t port, const std::string& hostname)
      : HttpServer({.longest_gives_way = true}),
        port_(port),
        host_(std::move(host)),
        hostname_(absl::AsciiStrToLower(hostname)),
        unserved_(listening) {
    Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(pages_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    });
    Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("ok\n", "text/plain");  // the process answers; readyz says whether it works
    });
    Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      const absl::Status ready = pages_.ready();
      response.status = ready.ok() ? 200 : 503;
      response.set_content(ready.ok() ? "ready\n" : std::string(ready.message()) + "\n", "text/plain");
    });
  }
  ~Impl() override {
    StopServing();
    if (unserved_ >= 0) ::close(unserved_);
  }

  void Begin(Pages pages) {
    pages_ = std::move(pages);
    Serve(std::exchange(unserved_, -1));
  }

  uint16_t port() const { return port_; }

 private:
  std::optional<Refusal> Admit(int, const httplib::Request& request) override {
    if (!HostIsOurs(request)) {
      return Refusal{421, "this listener answers for loopback names and its own address only\n"};
    }
    const bool known = request.path == "/metrics" || request.path == "/healthz" || request.path == "/readyz";
    if (!known) return Refusal{404, "there is /metrics, /healthz and /readyz\n"};
    if (request.method != "GET") return Refusal{405, "only GET\n"};
    const std::string length = request.get_header_value("Content-Length");
    if (request.has_header("Transfer-Encoding") || (!length.empty() && length != "0")) {
      return Refusal{400, "no body\n"};
    }
    return std::nullopt;
  }

  // A name that someone else's DNS points at loopback would let their page read ours.
  bool HostIsOurs(const httplib::Request& request) const {
    if (request.get_header_value_count("Host") != 1) return false;
    std::string host;
    std::string_view port;
    const std::string header = request.get_header_value("Host");
    if (!SplitHost(header, host, port) || (!port.empty() && port != fmt::format("{}", port_))) return false;
    for (char& c : host) c = (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
    if (host == "localhost" || host == host_ || host == "::1") return true;
    if (!hostname_.empty() && host == hostname_) return true;
    if (!IsAddress(host)) return false;
    // An address cannot be pointed elsewhere; where any address is ours, so is the one that was used.
    return host.starts_with("127.") || host_ == "0.0.0.0" || host_ == "::";
  }

  const uint16_t port_;
  const std::string host_;
  const std::string hostname_;  // in lower case
  Pages pages_;
  int unserved_;  // the socket, until it is served
};

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Listen(const std::string& listen,
                                                                   const std::string& hostname) {
  std::optional<ListenAddress> address = ParseListen(listen);
  if (!address) {
    return absl::InvalidArgumentError(
        fmt::format("http.listen = \"{}\" is not an address and port; write \"127.0.0.1:9625\"", listen));
  }
  const int fd = ::socket(address->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* raw = reinterpret_cast<sockaddr*>(&address->address);
  if (fd < 0 || ::bind(fd, raw, address->size) != 0 || ::listen(fd, 64) != 0 ||
      ::getsockname(fd, raw, &address->size) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return absl::UnavailableError(fmt::format(
        "http.listen = \"{}\" cannot be listened on ({}): {}", listen, std::strerror(error),
        error == EADDRINUSE      ? "another program has that port; choose another, or \"\" for none"
        : error == EADDRNOTAVAIL ? "this machine does not have that address; use one that it has, or 127.0.0.1"
                                 : "choose an address and port that this user may use"));
  }
  const uint16_t port =
      ntohs(address->address.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in*>(raw)->sin_port
                                                  : reinterpret_cast<const sockaddr_in6*>(raw)->sin6_port);
  return std::unique_ptr<HttpListener>(new HttpListener(std::make_unique<Impl>(fd, address->host, port, hostname)));
}

HttpListener::HttpListener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpListener::~HttpListener() = default;

void HttpListener::Serve(Pages pages) { impl_->Begin(std::move(pages)); }

uint16_t HttpListener::port() const { return impl_->port(); }

}  // namespace sealift::engine
