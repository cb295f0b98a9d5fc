#include "engine/admin/unix_listener.h"

#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "engine/admin/control_socket.h"
#include "engine/admin/http_server.h"
#include "engine/runtime/check.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

constexpr size_t kPathMax = 1024;
constexpr int kBacklog = 128;
// How long the rest of a body that nobody wants is read, so that its sender can be answered.
constexpr std::chrono::seconds kUnwantedMax{30};

std::vector<std::string> Parts(std::string_view path) {
  std::vector<std::string> parts;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    parts.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return parts;
}

std::string UserName(uid_t uid) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) return found->pw_name;
  return fmt::format("{}", uid);
}

Caller CallerOf(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  CHECK(::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0, "a connected Unix socket has a peer");
  return {.uid = peer.uid, .pid = peer.pid, .user = UserName(peer.uid)};
}

// The API speaks JSON, errors included.
std::string ErrorBody(std::string_view text) { return fmt::format("{{\"error\":\"{}\"}}\n", text); }

class Incoming : public AdminRequest {
 public:
  Incoming(const httplib::Request& request, const httplib::ContentReader* reader, int fd, absl::Duration body_timeout)
      : request_(request), reader_(reader), fd_(fd), body_timeout_(body_timeout) {}

  std::string Header(const std::string& name) const override { return request_.get_header_value(name); }

  absl::Status ReadBody(const std::function<bool(std::string_view)>& piece) override {
    CHECK(!read_, "a body is read once");
    read_ = true;
    if (reader_ == nullptr) return absl::OkStatus();  // a GET
    bool wanted = true;
    std::chrono::steady_clock::time_point end;
    whole_ = (*reader_)([&](const char* bytes, size_t size) {
      if (wanted && !piece(std::string_view(bytes, size))) {
        wanted = false;
        end = std::chrono::steady_clock::now() + kUnwantedMax;
      }
      return wanted || std::chrono::steady_clock::now() < end;
    });
    if (!wanted) return absl::CancelledError("the rest of the body was not wanted");
    if (!whole_)
      return absl::UnavailableError("the request ended before its body did: the client went away or fell silent");
    return absl::OkStatus();
  }

  // One that only sends no more still listens.
  bool gone() const override {
    pollfd ready{.fd = fd_, .events = 0, .revents = 0};
    return ::poll(&ready, 1, 0) > 0 && (ready.revents & (POLLHUP | POLLERR)) != 0;
  }

  // After the answer: true when the connection can carry another request.
  bool Finish() {
    if (!read_) (void)ReadBody([](std::string_view) { return false; });
    return reader_ == nullptr || whole_;
  }

 protected:
  void LimitBodyTime() override { HttpServer::EndReadsIn(body_timeout_); }

 private:
  const httplib::Request& request_;
  const httplib::ContentReader* const reader_;
  const int fd_;
  const absl::Duration body_timeout_;
  bool read_ = false;
  bool whole_ = false;
};

class Writer : public AdminWriter {
 public:
  Writer(httplib::DataSink& sink, int fd, const HttpServer& server) : sink_(sink), fd_(fd), server_(server) {}

  bool Write(std::string_view piece) override {
    if (failed_ || server_.stopping()) return false;
    if (!piece.empty()) failed_ = !sink_.write(piece.data(), piece.size());  // an empty chunk would be the last
    return !failed_;
  }

  bool ended() const override {
    pollfd ready{.fd = fd_, .events = POLLRDHUP, .revents = 0};
    return failed_ || server_.stopping() || ::poll(&ready, 1, 0) > 0;
  }

 private:
  httplib::DataSink& sink_;
  const int fd_;
  const HttpServer& server_;
  bool failed_ = false;
};

}  // namespace

std::string AdminRequest::Query(const std::string& name) const {
  const auto it = query.find(name);
  return it == query.end() ? "" : it->second;
}

std::string AdminRequest::Param(const std::string& name) const {
  const auto it = params.find(name);
  return it == params.end() ? "" : it->second;
}

absl::StatusOr<std::string> AdminRequest::Body(size_t bytes_max) {
  std::string body;
  LimitBodyTime();
  const absl::Status status = ReadBody([&](std::string_view piece) {
    if (body.size() + piece.size() > bytes_max) return false;
    body += piece;
    return true;
  });
  if (absl::IsCancelled(status)) {
    return absl::ResourceExhaustedError(fmt::format("the request's body is larger than {} bytes", bytes_max));
  }
  if (!status.ok()) return status;
  return body;
}

class UnixListener::Impl : public HttpServer {
 public:
  explicit Impl(const UnixListener::Options& options)
      : HttpServer({.connections_max = options.connections_max,
                    .head_bytes_max = 64 << 10,
                    .requests_max = 100'000,
                    .read_timeout = options.read_timeout,
                    .write_timeout = options.write_timeout,
                    .idle_timeout = options.idle_timeout,
                    .drain = options.drain}),
        socket_(options.path),
        body_timeout_(options.body_timeout) {
    const auto plain = [this](const httplib::Request& request, httplib::Response& response) {
      Answer(request, response, nullptr);
    };
    const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                  const httplib::ContentReader& reader) { Answer(request, response, &reader); };
    Get(".*", plain);
    Post(".*", with_body);
    Put(".*", with_body);
    Patch(".*", with_body);
    Delete(".*", with_body);
  }
  ~Impl() override { Stop(); }

  absl::Status Bind();
  void Listen();
  void Stop();

  struct Pattern {
    std::string method;
    std::vector<std::string> parts;
    AdminAnswer answer;
  };
  std::vector<Pattern> patterns;

 private:
  // What Admit found, for the answer on the same thread.
  struct Found {
    int fd = -1;
    const Pattern* pattern = nullptr;
    std::map<std::string, std::string> params;
  };

  std::optional<Refusal> Admit(int fd, const httplib::Request& request) override;
  void Answer(const httplib::Request& request, httplib::Response& response, const httplib::ContentReader* reader);

  static thread_local Found found_;

  ControlSocket socket_;
  const absl::Duration body_timeout_;
  int bound_ = -1;  // until it is served
};

thread_local UnixListener::Impl::Found UnixListener::Impl::found_;

std::optional<HttpServer::Refusal> UnixListener::Impl::Admit(int fd, const httplib::Request& request) {
  if (request.path.size() > kPathMax) return Refusal{414, ErrorBody("the path is too long")};
  const bool chunked = request.has_header("Transfer-Encoding");
  const std::string length = request.get_header_value("Content-Length");
  if (chunked && !length.empty()) return Refusal{400, ErrorBody("Content-Length and Transfer-Encoding together")};
  if (request.method == "GET" && (chunked || (!length.empty() && length != "0"))) {
    return Refusal{400, ErrorBody("a GET with a body")};
  }
  const std::vector<std::string> parts = Parts(request.path);
  bool other_method = false;
  for (const Pattern& pattern : patterns) {
    if (pattern.parts.size() != parts.size()) continue;
    std::map<std::string, std::string> params;
    bool fits = true;
    for (size_t i = 0; fits && i < parts.size(); ++i) {
      if (pattern.parts[i].starts_with(':')) {
        fits = !parts[i].empty();
        params[pattern.parts[i].substr(1)] = parts[i];
      } else {
        fits = pattern.parts[i] == parts[i];
      }
    }
    if (!fits) continue;
    if (pattern.method != request.method) {
      other_method = true;
      continue;
    }
    found_ = {.fd = fd, .pattern = &pattern, .params = std::move(params)};
    return std::nullopt;
  }
  if (other_method) return Refusal{405, ErrorBody("this path does not take this method")};
  return Refusal{404, ErrorBody("there is nothing at this path; is the client of another version than the daemon?")};
}

void UnixListener::Impl::Answer(const httplib::Request& request, httplib::Response& response,
                                const httplib::ContentReader* reader) {
  const int fd = found_.fd;
  Incoming ours(request, reader, fd, body_timeout_);
  ours.method = request.method;
  ours.path = request.path;
  for (const auto& [name, value] : request.params) ours.query.emplace(name, value);
  ours.params = std::move(found_.params);
  ours.caller = CallerOf(fd);

  AdminResponse answer;
  found_.pattern->answer(ours, answer);
  if (!ours.Finish()) CloseAfterAnswer();

  response.status = answer.status;
  for (const auto& [name, value] : answer.headers) response.set_header(name, value);
  if (!answer.stream) return response.set_content(answer.body, answer.content_type);
  response.set_chunked_content_provider(answer.content_type,
                                        [this, fd, stream = std::move(answer.stream)](size_t, httplib::DataSink& sink) {
                                          Writer writer(sink, fd, *this);
                                          stream(writer);
                                          sink.done();
                                          return true;
                                        });
}

absl::Status UnixListener::Impl::Bind() {
  const absl::StatusOr<int> socket = socket_.Bind();
  if (!socket.ok()) return socket.status();
  bound_ = *socket;
  return absl::OkStatus();
}

void UnixListener::Impl::Listen() {
  CHECK(::listen(bound_, kBacklog) == 0, "a bound Unix socket can listen");
  Serve(std::exchange(bound_, -1));
}

void UnixListener::Impl::Stop() {
  StopServing();
  if (bound_ >= 0) ::close(std::exchange(bound_, -1));
  socket_.Remove();
}

UnixListener::UnixListener(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
UnixListener::~UnixListener() = default;

void UnixListener::Route(const std::string& method, const std::string& pattern, AdminAnswer answer) {
  impl_->patterns.push_back({method, Parts(pattern), std::move(answer)});
}

absl::Status UnixListener::Bind() { return impl_->Bind(); }
void UnixListener::Serve() { impl_->Listen(); }

absl::Status UnixListener::Start() {
  if (absl::Status bound = Bind(); !bound.ok()) return bound;
  Serve();
  return absl::OkStatus();
}

void UnixListener::Stop() { impl_->Stop(); }

}  // namespace sealift::engine
