#include "engine/resolver.h"

#include <poll.h>

#include <optional>
#include <utility>

#include "engine/runtime/signal.h"

namespace sealift::engine {
namespace {

// What a question and its callback share. The callback may come after the awaiting coroutine has gone.
template <typename Answer>
struct Pending {
  std::optional<Answer> answer;
  Signal arrived;
};

template <typename Answer>
Task<Answer> Await(std::shared_ptr<Pending<Answer>> pending) {
  while (!pending->answer.has_value()) {
    const absl::Status waited = co_await pending->arrived.Wait();
    if (!waited.ok()) {
      Answer none;
      none.verdict = dns::Verdict::kTimeout;
      co_return none;
    }
  }
  co_return *std::move(pending->answer);
}

template <typename Answer>
auto Deliver(const std::shared_ptr<Pending<Answer>>& pending) {
  return [pending](const Answer& answer) {
    pending->answer = answer;
    pending->arrived.NotifyAll();
  };
}

}  // namespace

// A descriptor of c-ares. Once forgotten, its number may stand for another socket, so its poll must not report any
// more.
struct DnsResolver::Watched {
  int fd = -1;
  short events = 0;
  bool forgotten = false;
  Scope* scope = nullptr;  // of its poll, while that runs
};

absl::StatusOr<std::unique_ptr<DnsResolver>> DnsResolver::Create(Ring& ring, const dns::Resolver::Options& options,
                                                                 std::shared_ptr<dns::Cache> cache) {
  std::unique_ptr<DnsResolver> resolver(new DnsResolver(ring));
  absl::StatusOr<std::unique_ptr<dns::Resolver>> inner = dns::Resolver::Create(options, *resolver, std::move(cache));
  if (!inner.ok()) return inner.status();
  resolver->resolver_ = *std::move(inner);
  return resolver;
}

DnsResolver::DnsResolver(Ring& ring) : ring_(ring), polls_(ring), timer_(Timer::Calling<&DnsResolver::OnTimer>(this)) {}

DnsResolver::~DnsResolver() = default;

Task<dns::MxAnswer> DnsResolver::ResolveMx(std::string domain) {
  auto pending = std::make_shared<Pending<dns::MxAnswer>>();
  resolver_->ResolveMx(std::move(domain), Deliver(pending));
  co_return co_await Await(std::move(pending));
}

Task<dns::AddressAnswer> DnsResolver::ResolveAddresses(std::string host, int family) {
  auto pending = std::make_shared<Pending<dns::AddressAnswer>>();
  resolver_->ResolveAddresses(std::move(host), family, Deliver(pending));
  co_return co_await Await(std::move(pending));
}

Task<dns::TlsaAnswer> DnsResolver::ResolveTlsa(std::string service) {
  auto pending = std::make_shared<Pending<dns::TlsaAnswer>>();
  resolver_->ResolveTlsa(std::move(service), Deliver(pending));
  co_return co_await Await(std::move(pending));
}

Task<dns::TxtAnswer> DnsResolver::ResolveTxt(std::string name) {
  auto pending = std::make_shared<Pending<dns::TxtAnswer>>();
  resolver_->ResolveTxt(std::move(name), Deliver(pending));
  co_return co_await Await(std::move(pending));
}

void DnsResolver::Watch(int fd, bool read, bool write) {
  const short events = static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
  if (const auto found = watched_.find(fd); found != watched_.end()) {
    Watched& before = *found->second;
    if (before.events == events) return;
    before.forgotten = true;
    if (before.scope != nullptr) before.scope->Cancel();
    watched_.erase(found);
  }
  if (events == 0) return;
  auto watched = std::make_shared<Watched>();
  watched->fd = fd;
  watched->events = events;
  watched_.emplace(fd, watched);
  polls_.Start(Poll(std::move(watched)));
}

Task<void> DnsResolver::Poll(std::shared_ptr<Watched> watched) {
  watched->scope = &co_await CurrentScope();
  while (!watched->forgotten) {
    const absl::StatusOr<unsigned> ready = co_await ring_.Poll(watched->fd, watched->events);
    if (!ready.ok() || watched->forgotten) break;
    const bool broken = (*ready & (POLLERR | POLLHUP)) != 0;
    resolver_->OnReady(watched->fd, broken || (*ready & POLLIN) != 0, broken || (*ready & POLLOUT) != 0);
  }
  watched->scope = nullptr;
}

void DnsResolver::SetTimer(absl::Duration after) {
  if (after == absl::InfiniteDuration()) {
    ring_.timers().Disarm(timer_);
  } else {
    ring_.timers().Arm(timer_, ring_.NowNanos() + absl::ToInt64Nanoseconds(after));
  }
}

Task<void> DnsResolver::Stop() {
  ring_.timers().Disarm(timer_);
  polls_.Cancel();
  co_await polls_.Join();
}

}  // namespace sealift::engine
