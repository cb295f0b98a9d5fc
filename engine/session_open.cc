// How a session finds a host that answers, and secures the connection before it says anything that matters.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "engine/runtime/deadline.h"
#include "engine/session.h"
#include "engine/smtp/command.h"
#include "engine/tls_stream.h"

namespace sealift::engine {

Task<bool> Session::Open() {
  std::vector<dns::MxHost> hosts = path_.site.hosts;
  dns::ShuffleTies(hosts, [this](size_t n) { return services_.random() % n; });
  bool no_tls = !hosts.empty();  // every host let us in and offered too little
  for (const dns::MxHost& host : hosts) {
    const Opened opened = co_await OpenHost(host);
    if (opened == Opened::kYes) {
      failure_.reset();
      co_return true;
    }
    no_tls = no_tls && opened == Opened::kNoTls;
    const Scope& scope = co_await CurrentScope();
    if (scope.ended()) co_return false;
  }
  Attempt attempt = failure_.has_value() ? *failure_ : FromFailure(ReasonClass::kConnection, "no host could be tried");
  if (no_tls) attempt.verdict = ClassifyFailure(ReasonClass::kTls);
  // Whatever a host says before MAIL is not about the row.
  attempt.verdict.action = Action::kDefer;
  scheduler_.paths().OnUnreachable(path_, no_tls, std::move(attempt));
  co_return false;
}

Task<Session::Opened> Session::OpenHost(dns::MxHost host) {
  host_ = host.name;
  server_ = fmt::format("{}:{}", host.name, options_->smtp.port);
  const std::vector<Endpoint> endpoints = co_await Endpoints(host.name);
  Opened opened = Opened::kNo;
  for (const Endpoint& endpoint : endpoints) {
    peer_ = fmt::format("{} [{}]", host_, endpoint.ToString());
    opened = co_await Connect(endpoint);
    if (opened == Opened::kYes) break;
    Close();
    if (opened == Opened::kNoTls) break;  // another address of the host is the same server
  }
  co_return opened;
}

Task<std::vector<Endpoint>> Session::Endpoints(std::string host) {
  std::vector<Endpoint> endpoints;
  if (options_->delivery == Delivery::kSink) {
    const absl::StatusOr<Endpoint> sink = Endpoint::Parse(options_->sink.address);
    if (sink.ok()) endpoints.push_back(*sink);
    co_return endpoints;
  }
  peer_ = host;
  const dns::AddressAnswer answer = co_await services_.resolver.ResolveAddresses(host, source_.family);
  if (answer.verdict != dns::Verdict::kFound) {
    failure_ =
        FromFailure(ReasonClass::kDns, fmt::format("the address lookup failed ({})", dns::ToString(answer.verdict)));
  }
  for (const dns::Address& address : answer.addresses) {
    if (!options_->dns.allow_private_addresses && (address.IsLoopback() || address.IsPrivate())) {
      failure_ = FromFailure(ReasonClass::kNoMx,
                             "its address is private or loopback, and dns.allow_private_addresses is false");
      continue;
    }
    const size_t bytes = address.family == AF_INET ? 4 : 16;
    endpoints.push_back(Endpoint::Ip(address.family, std::span(address.bytes).first(bytes),
                                     static_cast<uint16_t>(options_->smtp.port)));
  }
  co_return endpoints;
}

Task<Session::Opened> Session::Connect(Endpoint to) {
  std::optional<Endpoint> from;
  const std::optional<dns::Address> address = dns::Address::Parse(source_.address);
  // In sink mode nothing leaves this machine, so a public source address need not be one of its own.
  if (address.has_value() && (options_->delivery == Delivery::kLive || address->IsLoopback())) {
    from = Endpoint::Ip(address->family, std::span(address->bytes).first(address->family == AF_INET ? 4 : 16), 0);
  }
  if (from.has_value() && from->family() != to.family()) from.reset();
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      co_await WithDeadline(services_.ring, options_->smtp.connect_timeout, services_.network.Connect(to, from));
  if (!stream.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kConnection, stream.status()));
  stream_ = *std::move(stream);
  replies_ = ReplyParser();
  capabilities_ = Capabilities();
  in_tls_ = false;
  security_.tls_version = "none";
  security_.cipher.clear();
  security_.verified_name.clear();
  co_return co_await Greet();
}

Task<Session::Opened> Session::Greet() {
  const Answer greeting = co_await WithDeadline(services_.ring, options_->smtp.greeting_timeout, ReadReply());
  if (!greeting.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kGreeting, greeting.status()));
  if (!greeting->IsPositive()) {
    Attempt refused = FromReply(Phase::kGreeting, *greeting, {});
    co_await Quit();
    co_return Failed(Opened::kNo, std::move(refused));
  }
  const Opened hello = co_await Hello();
  if (hello != Opened::kYes) co_return hello;
  if (!capabilities_.starttls) {
    if (policy_ == tls::Policy::kOpportunistic) co_return Opened::kYes;
    co_await Quit();
    co_return Failed(Opened::kNoTls, FromFailure(ReasonClass::kTls, "the server does not offer STARTTLS"));
  }
  co_return co_await StartTls();
}

Task<Session::Opened> Session::Hello() {
  const std::string& name = source_.hostname;
  const Answer ehlo = co_await Command(Ehlo(name), options_->smtp.ehlo_timeout);
  if (!ehlo.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kEhlo, ehlo.status()));
  if (ehlo->IsPositive()) {
    capabilities_ = Capabilities::FromEhlo(*ehlo);
    co_return Opened::kYes;
  }
  capabilities_ = Capabilities();
  // HELO only where EHLO is refused for good (RFC 5321 4.1.1.1), and never to escape a requirement of TLS.
  if (ehlo->IsPermanent() && (in_tls_ || policy_ == tls::Policy::kOpportunistic)) {
    const Answer helo = co_await Command(Helo(name), options_->smtp.ehlo_timeout);
    if (!helo.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kEhlo, helo.status()));
    if (helo->IsPositive()) co_return Opened::kYes;
  }
  Attempt refused = FromReply(Phase::kEhlo, *ehlo, {});
  co_await Quit();
  co_return Failed(Opened::kNo, std::move(refused));
}

Task<Session::Opened> Session::StartTls() {
  const Answer ready = co_await Command(std::string(kStartTls), options_->smtp.starttls_timeout);
  if (!ready.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kStartTls, ready.status()));
  if (!ready->IsPositive()) {
    Attempt refused = FromReply(Phase::kStartTls, *ready, {});
    const bool later = ready->IsTransient();
    co_await Quit();
    co_return Failed(later ? Opened::kNo : Opened::kNoTls, std::move(refused));
  }
  // What came in clear is not taken for what comes encrypted: RFC 3207 5.
  replies_.Clear();
  absl::StatusOr<std::unique_ptr<tls::Channel>> channel =
      tls::Channel::Client(services_.tls, {.sni = host_,
                                           .policy = policy_,
                                           .verify_name = policy_ == tls::Policy::kVerify ? host_ : std::string(),
                                           .sessions = &services_.tls_sessions,
                                           .session_key = server_});
  if (!channel.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kStartTls, channel.status()));
  auto secured = std::make_unique<TlsStream>(std::move(stream_), *std::move(channel));
  TlsStream& tls = *secured;
  stream_ = std::move(secured);
  const absl::Status shaken = co_await WithDeadline(services_.ring, options_->smtp.handshake_timeout, tls.Handshake());
  if (!shaken.ok()) {
    const bool waited = absl::IsDeadlineExceeded(shaken) || absl::IsCancelled(shaken);
    const std::string why = fmt::format("the TLS handshake failed: {}", std::string(shaken.message()));
    co_return Failed(waited ? Opened::kNo : Opened::kNoTls,
                     FromFailure(waited ? ReasonClass::kTimeout : ReasonClass::kTls, why));
  }
  in_tls_ = true;
  const tls::Channel::Details details = tls.channel().details();
  security_.tls_version = details.version;
  security_.cipher = details.cipher;
  security_.verified_name = details.verified_name;
  services_.metrics.counter(Metric::kTlsHandshakes, {details.version, details.resumed ? "yes" : "no"})->Add();
  co_return co_await Hello();
}

}  // namespace sealift::engine
