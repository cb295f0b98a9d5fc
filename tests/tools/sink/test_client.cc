#include "tests/tools/sink/test_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

namespace sealift::tools::sink {

TestClient::TestClient(const std::string& address, uint16_t port) {
  const engine::Endpoint to = *engine::Endpoint::Parse(fmt::format("{}:{}", address, port));
  socket_ = Socket(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  connected_ = connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&to.addr), to.size) == 0;
}

void TestClient::SendRaw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void TestClient::Send(std::string_view bytes) {
  if (channel_ == nullptr) return SendRaw(bytes);
  if (!channel_->Write({bytes.data(), bytes.size()}).ok()) return;
  const std::span<const char> out = channel_->Outgoing();
  SendRaw({out.data(), out.size()});
  channel_->ConsumeOutgoing(out.size());
}

bool TestClient::Receive() {
  char buffer[16384];
  while (true) {
    if (channel_ != nullptr && channel_->handshake_done()) {
      const absl::StatusOr<size_t> plain = channel_->Read({buffer, sizeof(buffer)});
      if (plain.ok() && *plain > 0) {
        received_.append(buffer, *plain);
        return true;
      }
      if (!plain.ok() || channel_->closed()) return false;
    }
    const ssize_t size = recv(socket_.fd(), buffer, sizeof(buffer), 0);
    if (size < 0 && errno == EINTR) continue;  // a ring of this thread's that is taken down interrupts it
    if (size <= 0) return false;
    if (channel_ == nullptr) {
      received_.append(buffer, static_cast<size_t>(size));
      return true;
    }
    if (!channel_->Feed({buffer, static_cast<size_t>(size)}).ok()) return false;
    if (!channel_->handshake_done()) return true;
  }
}

std::string TestClient::Reply() {
  std::string reply;
  while (true) {
    const size_t end = received_.find('\n');
    if (end == std::string::npos) {
      if (!Receive()) return "";
      continue;
    }
    reply += received_.substr(0, end + 1);
    const bool last = end < 4 || received_[3] != '-';
    received_.erase(0, end + 1);
    if (last) return reply;
  }
}

bool TestClient::Closed() { return received_.empty() && !Receive(); }

absl::Status TestClient::StartTls(const std::shared_ptr<tls::ClientContext>& context, tls::SessionCache* sessions) {
  tls::Channel::ClientOptions options;
  options.policy = tls::Policy::kRequire;
  options.sessions = sessions;
  options.session_key = "server";
  absl::StatusOr<std::unique_ptr<tls::Channel>> channel = tls::Channel::Client(context, options);
  if (!channel.ok()) return channel.status();
  channel_ = *std::move(channel);
  while (true) {
    const absl::StatusOr<bool> done = channel_->Handshake();
    const std::span<const char> out = channel_->Outgoing();
    SendRaw({out.data(), out.size()});
    channel_->ConsumeOutgoing(out.size());
    if (!done.ok()) return done.status();
    if (*done) return absl::OkStatus();
    if (!Receive()) return absl::UnavailableError("the connection ended");
  }
}

}  // namespace sealift::tools::sink
