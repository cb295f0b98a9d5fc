#include "engine/admin/http_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "engine/runtime/check.h"

namespace sealift::engine {
namespace {

// What is still read, and thrown away, from a peer that was refused: closing a socket with unread bytes would take the
// answer back from it.
constexpr size_t kDrainBytes = 1 << 20;
constexpr int kDrainMillis = 1000;

std::string Sentence(std::string_view text) { return std::string(text) + "\n"; }

}  // namespace

thread_local HttpServer::Conversation* HttpServer::conversation_ = nullptr;

void HttpServer::CloseAfterAnswer() { conversation_->close = true; }

void HttpServer::EndReadsIn(absl::Duration time) { conversation_->stream->EndReadsIn(time); }

HttpServer::HttpServer(const Limits& limits) : limits_(limits) {
  set_pre_routing_handler([](const httplib::Request&, httplib::Response& response) {
    const std::optional<Refusal>& refusal = conversation_->refusal;
    if (!refusal) return HandlerResponse::Unhandled;
    response.status = refusal->status;
    response.set_content(refusal->text, refusal->text.starts_with('{') ? "application/json" : "text/plain");
    return HandlerResponse::Handled;
  });
  set_exception_handler([](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
    response.status = 500;  // what was thrown may quote anything
    response.set_content(Sentence("the daemon could not answer; its log says why"), "text/plain");
  });
}

HttpServer::~HttpServer() { CHECK(threads_.empty(), "a listener stops serving before it dies"); }

void HttpServer::Serve(int listening) {
  listening_ = listening;
  svr_sock_ = listening;  // httplib gives up streamed answers when this is no socket
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(wake_ >= 0, "an eventfd can be made");
  for (int i = 0; i < limits_.connections_max; ++i) threads_.emplace_back([this] { Accept(); });
}

void HttpServer::StopServing() {
  if (threads_.empty()) return;
  stop_ = true;
  const uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  {
    std::unique_lock lock(open_mutex_);
    closed_.wait_for(lock, absl::ToChronoNanoseconds(limits_.drain), [this] { return open_.empty(); });
    for (const auto& [fd, since] : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  svr_sock_ = INVALID_SOCKET;
  ::close(listening_);
  ::close(wake_);
}

void HttpServer::Accept() {
  while (!stop_) {
    int fd = -1;
    {
      const std::lock_guard lock(accept_mutex_);
      std::array<pollfd, 2> ready = {pollfd{.fd = listening_, .events = POLLIN, .revents = 0},
                                     pollfd{.fd = wake_, .events = POLLIN, .revents = 0}};
      (void)::poll(ready.data(), ready.size(), -1);
      if (stop_) return;
      fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      // Out of descriptors: the connection stays where it is; look again when some may have been closed.
      if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) (void)::poll(&ready[1], 1, 100);
    }
    if (fd < 0) continue;
    Open(fd);
    Converse(fd);
    {
      const std::lock_guard lock(open_mutex_);
      open_.erase(fd);
      ::close(fd);
    }
    closed_.notify_all();
  }
}

void HttpServer::Open(int fd) {
  const std::lock_guard lock(open_mutex_);
  open_[fd] = std::chrono::steady_clock::now();
  if (stop_) ::shutdown(fd, SHUT_RDWR);  // after StopServing looked through the open ones
  if (!limits_.longest_gives_way || std::cmp_less(open_.size(), limits_.connections_max)) return;
  const auto longest = std::ranges::min_element(open_, {}, [](const auto& open) { return open.second; });
  if (longest->first != fd) ::shutdown(longest->first, SHUT_RDWR);
}

void HttpServer::Renew(int fd) {
  const std::lock_guard lock(open_mutex_);
  open_[fd] = std::chrono::steady_clock::now();
}

void HttpServer::Converse(int fd) {
  ConnectionStream stream(fd, {.head_bytes_max = limits_.head_bytes_max,
                               .head_timeout = limits_.head_timeout,
                               .read_timeout = limits_.read_timeout,
                               .write_timeout = limits_.write_timeout});
  Conversation conversation;
  conversation_ = &conversation;
  bool admitted = false;
  const auto admit = [&](httplib::Request& request) {
    admitted = true;
    stream.EndHead();
    conversation.refusal = Admit(fd, request);
    // Nothing of ours is worth compressing, and a compressed stream would be held back.
    request.headers.erase("Accept-Encoding");
    if (conversation.refusal || stop_) {
      request.headers.erase("Connection");
      request.headers.emplace("Connection", "close");
    }
  };
  for (int left = limits_.requests_max; left > 0; --left) {
    if (!stream.buffered()) {
      std::array<pollfd, 2> ready = {pollfd{.fd = fd, .events = POLLIN, .revents = 0},
                                     pollfd{.fd = wake_, .events = POLLIN, .revents = 0}};
      const auto idle = static_cast<int>(absl::ToInt64Milliseconds(limits_.idle_timeout));
      if (::poll(ready.data(), ready.size(), idle) <= 0 || (ready[0].revents & POLLIN) == 0) break;
    }
    conversation = {.stream = &stream};
    admitted = false;
    stream.BeginHead();
    bool closed = false;
    const bool good = process_request(stream, left == 1, closed, admit);
    Renew(fd);
    // What was no request, or was not read to its end, leaves bytes that would be taken for the next one.
    const bool cut = !admitted || conversation.refusal || conversation.close;
    if (cut) DrainPeer(fd);
    if (!good || closed || cut || stop_) break;
  }
  ::shutdown(fd, SHUT_RDWR);
  conversation_ = nullptr;
}

void HttpServer::DrainPeer(int fd) {
  ::shutdown(fd, SHUT_WR);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDrainMillis);
  std::array<char, 16 << 10> bytes{};
  for (size_t seen = 0; seen < kDrainBytes && !stop_;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return;
    const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (n <= 0) return;
    seen += static_cast<size_t>(n);
  }
}

}  // namespace sealift::engine
