#include "tools/sink/connection.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "absl/time/time.h"
#include "engine/runtime/deadline.h"
#include "engine/runtime/scope.h"
#include "engine/runtime/task_group.h"

namespace sealift::tools::sink {
namespace {

using engine::Task;

constexpr size_t kInputBytes = 64 << 10;
constexpr size_t kCipherBytes = 32 << 10;
constexpr absl::Duration kLinger = absl::Seconds(2);  // for the peer to read our last words
constexpr absl::Duration kHandshake = absl::Seconds(60);

static_assert(kInputBytes > Session::kLineBytesMax);

}  // namespace

Connection::Connection(engine::Ring& ring, Socket socket, const Server& server, CountCell& counts, Receiver& receiver,
                       std::string source)
    : ring_(ring),
      socket_(std::move(socket)),
      server_(server),
      session_(server, counts, receiver, std::move(source)),
      input_(std::make_unique_for_overwrite<char[]>(kInputBytes)),
      last_input_nanos_(ring.NowNanos()),
      line_(ring, socket_.fd(), server.provider.latency) {}

void Connection::StopReading() { shutdown(socket_.fd(), SHUT_RD); }

void Connection::EndIfIdleSince(int64_t nanos) {
  if (last_input_nanos_ < nanos) shutdown(socket_.fd(), SHUT_RDWR);
}

Task<void> Connection::Serve() {
  if (line_.on()) {
    engine::TaskGroup far_end(co_await engine::CurrentScope());
    far_end.Start(line_.Deliver());
    co_await Converse();
    line_.Close();
    co_await far_end.Join();
  } else {
    co_await Converse();
  }
  session_.Leave();
  if (const int fd = socket_.Release(); fd >= 0) ring_.Close(fd);
}

Task<void> Connection::Converse() {
  if (server_.host.connect == ConnectMode::kClose) co_return;
  if (server_.host.connect == ConnectMode::kHang) {
    co_await Hang();
    co_return;
  }
  Session::Step step = session_.Open(ring_.Now());
  while (true) {
    const bool performed = co_await Perform(step);
    if (!performed) co_return;
    if (step.next == Session::Next::kRead) {
      const bool filled = co_await Fill();
      if (!filled) co_return;
    }
    step = session_.Feed({input_.get() + begin_, end_ - begin_}, ring_.Now());
    begin_ += step.taken;
  }
}

Task<bool> Connection::Perform(Session::Step step) {
  const size_t before = step.next == Session::Next::kAct ? step.before : session_.out().size();
  const bool flushed = co_await Flush(before);
  if (!flushed) co_return false;
  bool go_on = true;
  switch (step.next) {
    case Session::Next::kRead:
      break;
    case Session::Next::kAct:
      go_on = co_await Act(*step.action);
      break;
    case Session::Next::kStartTls:
      go_on = co_await StartTls();
      break;
    case Session::Next::kClose:
      go_on = co_await Finish(Then::kClose);
      break;
    case Session::Next::kReset:
      go_on = co_await Finish(Then::kReset);
      break;
    case Session::Next::kHang:
      go_on = co_await Finish(Then::kHang);
      break;
  }
  co_return go_on;
}

Task<bool> Connection::Act(const Action& action) {
  if (action.pause > absl::ZeroDuration()) {
    const absl::Status slept = co_await ring_.Sleep(action.pause);
    if (!slept.ok()) co_return false;
  }
  for (int64_t i = 0; i < action.times; ++i) {
    if (action.drip == absl::ZeroDuration()) {
      const bool sent = co_await Send(action.bytes);
      if (!sent) co_return false;
      continue;
    }
    for (const char& byte : action.bytes) {
      const bool sent = co_await Send({&byte, 1});
      if (!sent) co_return false;
      const absl::Status slept = co_await ring_.Sleep(action.drip);
      if (!slept.ok()) co_return false;
    }
  }
  const bool go_on = co_await Finish(action.then);
  co_return go_on;
}

Task<bool> Connection::Finish(Then then) {
  switch (then) {
    case Then::kContinue:
      co_return true;
    case Then::kClose:
      session_.Leave();
      if (channel_ != nullptr && channel_->handshake_done()) {
        channel_->Shutdown();
        co_await SendTlsOutput();
      }
      co_await Linger();
      break;
    case Then::kReset: {
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      setsockopt(socket_.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      break;
    }
    case Then::kHang:
      co_await Hang();
      break;
  }
  co_return false;
}

// A close with unread input would reset the connection, and the peer might lose what it was told.
Task<void> Connection::Linger() {
  co_await line_.WaitUntilEmpty();
  shutdown(socket_.fd(), SHUT_WR);
  co_await engine::WithDeadline(ring_, kLinger, Drain());
}

Task<void> Connection::Drain() {
  while (true) {
    const absl::StatusOr<size_t> received = co_await ring_.Recv(socket_.fd(), {input_.get(), kInputBytes});
    if (!received.ok() || *received == 0) co_return;
  }
}

Task<void> Connection::Hang() {
  // Nothing is read; that the peer has gone is all that counts.
  while (true) {
    const absl::StatusOr<unsigned> events = co_await ring_.Poll(socket_.fd(), POLLRDHUP);
    if (!events.ok() || (*events & (POLLRDHUP | POLLHUP | POLLERR)) != 0) co_return;
  }
}

Task<bool> Connection::StartTls() {
  begin_ = end_ = 0;  // RFC 3207 4: what came in clear behind the command is not believed
  const bool shaken = co_await engine::WithDeadline(ring_, kHandshake, Handshake());
  if (shaken) {
    session_.TlsStarted(channel_->details().resumed);
  } else {
    session_.TlsFailed();
  }
  co_return shaken;
}

Task<bool> Connection::Handshake() {
  absl::StatusOr<std::unique_ptr<tls::Channel>> channel = tls::Channel::Server(server_.tls);
  if (!channel.ok()) co_return false;
  channel_ = *std::move(channel);
  cipher_ = std::make_unique_for_overwrite<char[]>(kCipherBytes);
  while (true) {
    const absl::StatusOr<bool> done = channel_->Handshake();
    const bool sent = co_await SendTlsOutput();  // an alert too, when it failed
    if (!done.ok() || !sent) co_return false;
    if (*done) co_return true;
    const absl::StatusOr<size_t> received = co_await ring_.Recv(socket_.fd(), {cipher_.get(), kCipherBytes});
    if (!received.ok() || *received == 0) co_return false;
    if (!channel_->Feed({cipher_.get(), *received}).ok()) co_return false;
  }
}

Task<bool> Connection::Fill() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ > 0) {
    memmove(input_.get(), input_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (channel_ != nullptr) {
    const bool filled = co_await FillFromTls();
    co_return filled;
  }
  const absl::StatusOr<size_t> received = co_await ring_.Recv(socket_.fd(), {input_.get() + end_, kInputBytes - end_});
  if (!received.ok() || *received == 0) co_return false;
  last_input_nanos_ = ring_.NowNanos();
  end_ += *received;
  co_return true;
}

Task<bool> Connection::FillFromTls() {
  while (true) {
    size_t plain_bytes = 0;
    while (end_ < kInputBytes) {
      const absl::StatusOr<size_t> plain = channel_->Read({input_.get() + end_, kInputBytes - end_});
      if (!plain.ok()) co_return plain_bytes > 0;
      if (*plain == 0) break;
      end_ += *plain;
      plain_bytes += *plain;
    }
    if (plain_bytes > 0) co_return true;
    if (channel_->closed()) co_return false;
    const bool sent = co_await SendTlsOutput();
    if (!sent) co_return false;
    const absl::StatusOr<size_t> received = co_await ring_.Recv(socket_.fd(), {cipher_.get(), kCipherBytes});
    if (!received.ok() || *received == 0) co_return false;
    last_input_nanos_ = ring_.NowNanos();
    if (!channel_->Feed({cipher_.get(), *received}).ok()) co_return false;
  }
}

Task<bool> Connection::Flush(size_t bytes) {
  if (bytes == 0) co_return true;
  std::string& out = session_.out();
  const bool sent = co_await Send(std::string_view(out).substr(0, bytes));
  out.erase(0, bytes);
  co_return sent;
}

Task<bool> Connection::Send(std::string_view bytes) {
  if (!spoken_) {
    spoken_ = true;
    int waiting = 0;
    if (ioctl(socket_.fd(), FIONREAD, &waiting) == 0 && waiting > 0) session_.NoteEarlyTalker();
  }
  if (channel_ != nullptr && channel_->handshake_done()) {
    if (!channel_->Write(bytes).ok()) co_return false;
    const bool sent = co_await SendTlsOutput();
    co_return sent;
  }
  const bool sent = co_await SendRaw(bytes);
  co_return sent;
}

Task<bool> Connection::SendTlsOutput() {
  while (!channel_->Outgoing().empty()) {
    const std::span<const char> bytes = channel_->Outgoing();
    const bool sent = co_await SendRaw(bytes);
    channel_->ConsumeOutgoing(bytes.size());
    if (!sent) co_return false;
  }
  co_return true;
}

Task<bool> Connection::SendRaw(std::span<const char> bytes) {
  const bool sent = co_await (line_.on() ? line_.Put(bytes) : SendAll(ring_, socket_.fd(), bytes));
  co_return sent;
}

}  // namespace sealift::tools::sink
