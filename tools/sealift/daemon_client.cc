#include "tools/sealift/daemon_client.h"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/config_file.h"
#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

constexpr size_t kLineBytesMax = 1 << 20;
constexpr time_t kAnswerSeconds = 3600;  // a load of a large file is checked and synced before it is answered

void SetUp(httplib::Client& client) {
  client.set_address_family(AF_UNIX);
  client.set_connection_timeout(5);
  client.set_read_timeout(kAnswerSeconds);
  client.set_write_timeout(kAnswerSeconds);
}

std::string Encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", byte);
    }
  }
  return encoded;
}

std::string Target(const std::string& path, const DaemonClient::Parameters& parameters) {
  std::string target = path;
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    target += separator + name + "=" + Encoded(value);
    separator = '&';
  }
  return target;
}

absl::Status FromAnswer(int status, const std::string& body) {
  const json answer = json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("error") || !answer["error"].is_object()) {
    if (status == 404) {
      return Fail(ExitCode::kNoInput,
                  {"the daemon knows nothing of that name", "", "No campaign, domain or message is called so.",
                   "See `sealift campaign list`; if the name is right, compare `sealift version` with the daemon's."});
    }
    return Fail(ExitCode::kInternal, {"the daemon gave an answer that this version does not understand", "",
                                      fmt::format("HTTP status {}.", status),
                                      "Compare `sealift version` with the daemon's; they should be of one release."});
  }
  const json& error = answer["error"];
  return Fail(static_cast<ExitCode>(error.value("exit_code", 70)),
              {error.value("what", ""), error.value("where", ""), error.value("why", ""), error.value("next", "")});
}

absl::StatusOr<json> Parsed(const httplib::Response& response) {
  if (response.status != 200) return FromAnswer(response.status, response.body);
  json answer = json::parse(response.body, nullptr, false);
  if (answer.is_discarded()) return FromAnswer(response.status, response.body);
  return answer;
}

absl::Status Broken(const std::string& socket) {
  return Fail(ExitCode::kNotRunning, {"the daemon went away in the middle of the answer", socket,
                                      "It ended the connection: it stopped, or it crashed.",
                                      "See its log (journalctl -u sealiftd); once it runs again, give the same command "
                                      "again: nothing is done twice."});
}

// Sends a request whose answer is read by the line.
absl::Status Exchange(const std::string& socket, httplib::Request& request,
                      const std::function<absl::Status(std::string_view line)>& on_line,
                      const std::function<absl::Status()>& unreachable) {
  httplib::Client client(socket);
  SetUp(client);
  int status = 0;
  std::string pending;
  absl::Status failed;
  request.response_handler = [&status](const httplib::Response& response) {
    status = response.status;
    return true;
  };
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    pending.append(data, size);
    size_t from = 0;
    for (size_t end = pending.find('\n'); status == 200 && end != std::string::npos; end = pending.find('\n', from)) {
      failed = on_line(std::string_view(pending).substr(from, end - from));
      if (!failed.ok()) return false;
      from = end + 1;
    }
    pending.erase(0, from);
    return pending.size() <= kLineBytesMax;
  };
  const httplib::Result result = client.send(request);
  if (!failed.ok()) return failed;
  if (status != 0 && status != 200) return FromAnswer(status, pending);
  if (!result) return result.error() == httplib::Error::Connection ? unreachable() : Broken(socket);
  return absl::OkStatus();
}

}  // namespace

std::string PathPart(std::string_view text) {
  std::string part(text);
  for (size_t at = part.find('/'); at != std::string::npos; at = part.find('/', at)) part.replace(at, 1, "%2F");
  return Encoded(part);
}

absl::StatusOr<DaemonClient> DaemonClient::For(const Invocation& call) {
  if (!call.socket.empty()) return DaemonClient(call.socket);
  if (access(call.config.c_str(), R_OK) != 0) {
    const int error = errno;
    return Fail(
        error == EACCES ? ExitCode::kDenied : ExitCode::kNoInput,
        {"the daemon cannot be found without its configuration", call.config, fmt::format("{}.", std::strerror(error)),
         "Name the file with --config or SEALIFT_CONFIG, or the socket with --socket DATA_DIR/control.sock. "
         "`sealift demo` needs neither."});
  }
  const engine::Config config = engine::LoadConfig(call.config);
  if (config.data_dir.empty()) {
    const engine::ConfigProblem& problem = config.errors.front();
    return Fail(ExitCode::kConfig, {"the configuration cannot be read",
                                    fmt::format("{}:{}:{}", problem.file, problem.line, problem.column),
                                    problem.text + ".", "See `sealift config check`."});
  }
  return DaemonClient(config.data_dir + "/control.sock");
}

absl::Status DaemonClient::Unreachable() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof(address.sun_path)) {
    return Fail(ExitCode::kUsage,
                {"the control socket's path is too long", socket_,
                 fmt::format("A Unix socket's path has at most {} bytes.", sizeof(address.sun_path) - 1),
                 "Use a data_dir with a shorter path."});
  }
  std::memcpy(address.sun_path, socket_.c_str(), socket_.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (connected) return Broken(socket_);
  if (error == EACCES || error == EPERM) {
    return Fail(ExitCode::kDenied, {"the daemon's control socket may not be opened by this user", socket_,
                                    "Only the user that the daemon runs as, and root, may give it commands.",
                                    "Run the command as that user: sudo -u sealift sealift ..."});
  }
  return Fail(
      ExitCode::kNotRunning,
      {"the daemon is not running", socket_,
       error == ENOENT ? "There is no control socket."
                       : fmt::format("Nobody answers there ({}).", std::strerror(error)),
       "Start it: systemctl start sealiftd, or sealiftd --config FILE. If it runs with another configuration, name "
       "that with --config or SEALIFT_CONFIG."});
}

absl::StatusOr<json> DaemonClient::Get(const std::string& path, const Parameters& parameters) {
  httplib::Client client(socket_);
  SetUp(client);
  const httplib::Result result = client.Get(Target(path, parameters));
  if (!result) return result.error() == httplib::Error::Connection ? Unreachable() : Broken(socket_);
  return Parsed(*result);
}

absl::StatusOr<json> DaemonClient::Post(const std::string& path, const json& body) {
  httplib::Client client(socket_);
  SetUp(client);
  const std::string text = body.dump(-1, ' ', false, json::error_handler_t::replace);
  const httplib::Result result = client.Post(path, text, "application/json");
  if (!result) return result.error() == httplib::Error::Connection ? Unreachable() : Broken(socket_);
  return Parsed(*result);
}

absl::Status DaemonClient::ErrorOf(std::string_view answer) { return FromAnswer(200, std::string(answer)); }

absl::Status DaemonClient::Lines(const std::string& path, const Parameters& parameters,
                                 const std::function<absl::Status(std::string_view line)>& on_line) {
  httplib::Request request;
  request.method = "GET";
  request.path = Target(path, parameters);
  return Exchange(socket_, request, on_line, [this] { return Unreachable(); });
}

absl::Status DaemonClient::Upload(const std::string& path,
                                  const std::function<absl::StatusOr<bool>(std::string* piece)>& next,
                                  const std::function<absl::Status(std::string_view line)>& on_line) {
  httplib::Request request;
  request.method = "POST";
  request.path = path;
  request.set_header("Content-Type", "application/x-sealift-load");
  request.set_header("Transfer-Encoding", "chunked");
  request.is_chunked_content_provider_ = true;
  absl::Status failed;
  request.content_provider_ = [&next, &failed](size_t, size_t, httplib::DataSink& sink) {
    std::string piece;
    const absl::StatusOr<bool> more = next(&piece);
    if (!more.ok()) {
      failed = more.status();
      return false;  // without the last chunk: the daemon sees that this was not all
    }
    if (!*more) {
      sink.done();
      return true;
    }
    return piece.empty() || sink.write(piece.data(), piece.size());
  };
  const absl::Status exchanged = Exchange(socket_, request, on_line, [this] { return Unreachable(); });
  return failed.ok() ? exchanged : failed;
}

}  // namespace sealift::tools
