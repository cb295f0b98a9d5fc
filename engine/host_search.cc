#include "engine/host_search.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/failed_hosts.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);  // with a limit on connections, where a host has turned it away
// No further host is asked after that, however many there are: it holds a connection of its source. The next search
// passes over those that this one has asked.
constexpr absl::Duration kSearchMax = absl::Minutes(10);

// The shard-wide words for how a session ended; values of sealift_smtp_sessions_total's label.
std::string_view ResultOf(const std::optional<Attempt>& failure) {
  if (!failure.has_value()) return "ok";
  switch (failure->verdict.reason_class) {
    case ReasonClass::kTls:
      return "tls";
    case ReasonClass::kTimeout:
      return "timeout";
    case ReasonClass::kConnection:
      return "connect";
    case ReasonClass::kProtocol:
      return "protocol";
    default:
      return failure->code != 0 ? "refused" : "connect";
  }
}

// It did not answer as a mail server that is well does; the next domain of the host would find the same.
bool IsOfTheHost(const std::optional<Attempt>& failure) {
  if (!failure.has_value()) return false;
  const ReasonClass reason = failure->verdict.reason_class;
  return failure->code / 100 == 5 || reason == ReasonClass::kConnection || reason == ReasonClass::kTimeout ||
         reason == ReasonClass::kProtocol;
}

// It has as many connections of ours as it likes.
bool IsTooMany(const std::optional<Attempt>& failure) {
  return failure.has_value() && failure->code / 100 == 4 && failure->verdict.reason_class == ReasonClass::kRate;
}

Lack LackOf(Connection::Opened opened) {
  switch (opened) {
    case Connection::Opened::kNoTls:
      return Lack::kTls;
    case Connection::Opened::kNoPromisedTls:
      return Lack::kPromised;
    case Connection::Opened::kNoRequireTls:
      return Lack::kRequireTls;
    default:
      return Lack::kNone;
  }
}

}  // namespace

HostSearch::HostSearch(Scheduler& scheduler, Path& path, Reception::Visit& visit,
                       const std::shared_ptr<const Options>& options, ConnectionPermits permits)
    : scheduler_(scheduler),
      services_(scheduler.services()),
      failed_hosts_(scheduler.paths().failed_hosts()),
      path_(path),
      visit_(visit),
      permits_(std::move(permits)),
      connection_({.ring = services_.ring,
                   .network = services_.network,
                   .resolver = services_.resolver,
                   .tls = services_.tls,
                   .tls_sessions = &services_.tls_sessions,
                   .metrics = &services_.metrics,
                   .tls_memory = &services_.tls_memory,
                   .on_greeting = [this](const Reply& reply) { OnGreeting(reply); },
                   .may_connect = [this] { return MayConnect(); },
                   .on_connected = [this] { permitted_ = false; }},
                  options, *options->FindSource(path.source_name), path.requirement),
      tls_account_(services_, path.requirement, options->FindSource(path.source_name)->address) {}

HostSearch::~HostSearch() {
  if (greeted_) --path_.greeted;
}

Task<bool> HostSearch::Run() {
  const std::vector<dns::MxHost> admitted = path_.requirement.Admitted(path_.site.hosts);
  if (admitted.empty()) {
    NoneAdmitted();
    co_return false;
  }
  if (path_.requirement.despite_tls && path_.block.lack != Lack::kNone) connection_.ForgoTls();
  std::vector<dns::MxHost> hosts = failed_hosts_.Without(admitted, path_.source_name, services_.Now());
  dns::ShuffleTies(hosts, [this](size_t n) { return services_.random() % n; });
  co_return co_await Ask(hosts, admitted.size());
}

Task<bool> HostSearch::Ask(const std::vector<dns::MxHost>& hosts, size_t admitted) {
  // Of every host; where mail goes whatever the TLS, of any: the next session does without it.
  const bool of_any = path_.requirement.despite_tls;
  Lack lack = hosts.empty() || of_any ? Lack::kNone : Lack::kRequireTls;
  bool left_some = false;
  const absl::Time last = services_.SteadyNow() + kSearchMax;
  for (const dns::MxHost& host : hosts) {
    const absl::Time begun = services_.Now();
    const int connections = connections_;
    const Connection::Opened opened = co_await connection_.Open(host.name);
    const bool connected = connections_ > connections;
    if (connected) counted_ = false;
    if (opened == Connection::Opened::kYes) {
      failure_.reset();
      failed_hosts_.Answered(host.name, path_.source_name);
      PassOverLeft(services_.Now());
      tls_account_.Opened(OpenedFor(), connection_.tls_tries());
      co_return true;
    }
    if (opened == Connection::Opened::kNotNow) {  // the next session has its permit, and asks another host
      failure_ = connection_.failure();
      if (connected) left_.push_back(host.name);  // by one of its addresses
      // However far apart permits are, each host has one before the first has another.
      PassOverLeft(services_.Now() + permit_wait_ * static_cast<double>(admitted));
      co_return false;
    }
    tls_account_.Failed(OpenedFor(), connection_.tls_tries());
    lack = of_any ? std::max(lack, LackOf(opened)) : std::min(lack, LackOf(opened));
    const Scope& scope = co_await CurrentScope();
    if (scope.ended()) {
      counted_ = true;  // it ended for us, whatever the host would have said
      co_return false;
    }
    if (IsTooMany(connection_.failure()) && path_.reception->let_in() > 0) break;  // his other hosts count together
    if (path_.answering == 0 && IsOfTheHost(connection_.failure())) {
      failed_hosts_.Failed(host.name, path_.source_name, services_.Now());
    }
    left_.push_back(host.name);
    if (&host == &hosts.back()) break;
    left_some = !GoesOn(host.name, begun) || services_.SteadyNow() >= last;
    if (left_some) break;
  }
  if (!left_some) failure_ = connection_.failure();
  // One that was not asked may offer it.
  if (!of_any && (left_some || hosts.size() < admitted)) lack = Lack::kNone;
  NoneFound(lack);
  co_return false;
}

Task<bool> HostSearch::MayConnect() {
  const absl::Time patience = services_.SteadyNow() + kPatience;
  ++path_.looking;
  while (!permitted_) {
    const RateInForce* const refused = permits_.Take(services_.Now(), permit_wait_);
    permitted_ = refused == nullptr;
    if (permitted_) break;
    services_.metrics.counter(Metric::kThrottleWaits, {refused->kind()})->Add();
    if (services_.SteadyNow() + permit_wait_ > patience) break;
    const absl::Status slept = co_await services_.ring.Sleep(permit_wait_);
    if (!slept.ok()) break;
  }
  --path_.looking;
  if (permitted_) ++connections_;
  co_return permitted_;
}

void HostSearch::OnGreeting(const Reply& reply) {
  if (reply.IsPositive() && !std::exchange(greeted_, true)) ++path_.greeted;
  scheduler_.paths().OnGreeting(path_, visit_, reply);
}

bool HostSearch::GoesOn(const std::string& host, absl::Time begun) {
  failure_ = connection_.failure();
  if (!failure_.has_value()) return true;
  CountEnd(failure_);
  const absl::Time suspended_until = scheduler_.paths().OnTurnedAway(path_, *failure_, begun);
  if (suspended_until <= services_.Now()) return true;
  // Another host is asked first once that is over.
  failed_hosts_.Failed(host, path_.source_name, suspended_until);
  return false;
}

void HostSearch::NoneAdmitted() {
  failure_ =
      connection_.FromFailure(ReasonClass::kTls, "none of the domain's MX hosts is one that its MTA-STS policy names");
  queue::Evidence evidence = connection_.evidence();
  evidence.policy = "mta-sts";
  failure_->evidence = std::make_shared<queue::Evidence>(std::move(evidence));
  tls_account_.NoneAdmitted(OpenedFor(), path_.site.hosts.front().name);
  scheduler_.paths().OnUnreachable(path_, Lack::kPromised, *failure_);
}

void HostSearch::NoneFound(Lack lack) {
  Attempt attempt =
      failure_.has_value() ? *failure_ : connection_.FromFailure(ReasonClass::kConnection, "no host could be tried");
  if (lack != Lack::kNone) {
    attempt.verdict = ClassifyFailure(lack == Lack::kRequireTls ? ReasonClass::kRequireTls : ReasonClass::kTls);
  }
  // Whatever a host says before MAIL is not about the row.
  attempt.verdict.action = Action::kDefer;
  scheduler_.paths().OnUnreachable(path_, lack, attempt);
}

void HostSearch::PassOverLeft(absl::Time since) {
  for (const std::string& host : left_) failed_hosts_.Failed(host, path_.source_name, since);
}

const std::string& HostSearch::OpenedFor() const {
  for (const std::unique_ptr<SendQueue>& queue : path_.site.queues) {
    if (!queue->HasRows() || queue->requirement != path_.requirement) continue;
    return queue->ahead.empty() ? queue->ready.front()->domain : queue->ahead.front().lane->domain;
  }
  return path_.site.domain;
}

void HostSearch::CountEnd(const std::optional<Attempt>& failure) {
  if (std::exchange(counted_, true)) return;
  services_.metrics.counter(Metric::kSmtpSessions, {path_.source_name, ResultOf(failure)})->Add();
}

}  // namespace sealift::engine
