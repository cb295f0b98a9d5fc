#include "tools/sink/worker.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

#include "engine/runtime/deadline.h"

namespace sealift::tools::sink {
namespace {

using engine::Task;

constexpr absl::Duration kGrace = absl::Milliseconds(300);  // for clients to end by themselves when the sink stops
constexpr absl::Duration kIdleCheck = absl::Seconds(5);

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> Worker::Create(const Options& options) {
  std::unique_ptr<Worker> worker(new Worker(options));
  absl::StatusOr<std::unique_ptr<engine::Ring>> ring = engine::Ring::Create({});
  if (!ring.ok()) return ring.status();
  worker->ring_ = *std::move(ring);
  worker->stop_ = std::make_unique<engine::Signal>();
  worker->stop_bell_ = std::make_unique<engine::Doorbell>(
      *worker->ring_,
      [](void* context) {
        auto* const self = static_cast<Worker*>(context);
        self->stopping_ = true;
        self->stop_->NotifyAll();
      },
      worker.get());
  return worker;
}

Worker::~Worker() { Stop(); }

void Worker::Serve(const Server& server, Socket listener) { listeners_.push_back({&server, std::move(listener)}); }

void Worker::ServeDns(DnsServer dns, const Zone& zone, absl::Time start) {
  dns_.push_back({std::move(dns), &zone, start});
}

void Worker::Start() {
  thread_ = std::thread([this] {
    ring_->SetEndOfTurn([this] { pen_.Flush(); });
    ring_->Run(Main());
  });
}

void Worker::Stop() {
  if (!thread_.joinable()) return;
  stop_bell_->Press();
  thread_.join();
}

Task<void> Worker::Main() {
  engine::Scope& scope = co_await engine::CurrentScope();
  engine::TaskGroup services(scope);
  engine::TaskGroup sessions(scope);
  for (Listener& listener : listeners_) services.Start(AcceptAll(sessions, *listener.server, listener.socket.fd()));
  for (Dns& dns : dns_) dns.server.Start(*ring_, services, *dns.zone, *options_.counters, dns.start);
  services.Start(EndIdle());
  while (!stopping_) static_cast<void>(co_await stop_->Wait());
  services.Cancel();
  co_await services.Join();
  for (Connection* connection : connections_) connection->StopReading();
  co_await engine::WithDeadline(*ring_, kGrace, sessions.Join());  // cancels what is left when the grace is over
}

Task<void> Worker::AcceptAll(engine::TaskGroup& sessions, const Server& server, int fd) {
  engine::Scope& scope = co_await engine::CurrentScope();
  while (!scope.ended()) {
    const absl::StatusOr<int> accepted = co_await ring_->Accept(fd);
    if (!accepted.ok()) {
      static_cast<void>(co_await ring_->Sleep(absl::Milliseconds(20)));  // out of descriptors, until some are freed
      continue;
    }
    Socket socket(*accepted);
    // Two replies in a row would else wait for the client's delayed acknowledgement, 40 ms.
    const int on = 1;
    setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (options_.connections->fetch_add(1) >= options_.connections_max) {
      options_.connections->fetch_sub(1);
      continue;  // closed at once
    }
    sessions.Start(ServeOne(server, std::move(socket)));
  }
}

Task<void> Worker::ServeOne(const Server& server, Socket socket) {
  engine::Endpoint peer;
  peer.size = sizeof(peer.addr);
  const bool known = getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&peer.addr), &peer.size) == 0;
  Connection connection(*ring_, std::move(socket), server,
                        options_.counters->Cell(options_.index, server.provider_index), pen_,
                        known ? AddressOf(peer) : "unknown");
  connections_.insert(&connection);
  co_await connection.Serve();
  connections_.erase(&connection);
  options_.connections->fetch_sub(1);
}

Task<void> Worker::EndIdle() {
  while (true) {
    const absl::Status slept = co_await ring_->Sleep(kIdleCheck);
    if (!slept.ok()) co_return;
    const int64_t oldest = ring_->NowNanos() - absl::ToInt64Nanoseconds(options_.idle);
    for (Connection* connection : connections_) connection->EndIfIdleSince(oldest);
  }
}

}  // namespace sealift::tools::sink
