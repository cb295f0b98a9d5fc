#include "engine/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <random>
#include <span>
#include <utility>

#include "engine/egress_proxy.h"
#include "engine/mx_filter.h"
#include "engine/runtime/deadline.h"
#include "engine/smtp/command.h"
#include "engine/smtp/redact.h"
#include "engine/source_address.h"
#include "engine/tls_stream.h"

namespace sealift::engine {
namespace {

constexpr int kReadyForTls = 220;     // RFC 3207 4
constexpr int kServiceClosing = 421;  // RFC 5321 3.8: at any time, whatever is asked

// Of a host, drawn by lot: each may be silent for minutes, and they are the same server.
constexpr size_t kAddressesMax = 4;

std::optional<TlsTry::Failure> FailureOf(const tls::Channel& channel) {
  const std::optional<tls::CertificateFault> fault = channel.certificate_fault();
  if (!fault.has_value()) return std::nullopt;
  TlsTry::Failure failure{.reason = std::string(fault->words)};
  switch (fault->kind) {
    case tls::CertificateFault::Kind::kName:
      failure.what = TlsFailure::kCertificateHostMismatch;
      break;
    case tls::CertificateFault::Kind::kExpired:
      failure.what = TlsFailure::kCertificateExpired;
      break;
    case tls::CertificateFault::Kind::kNotTrusted:
      failure.what = TlsFailure::kCertificateNotTrusted;
      break;
    case tls::CertificateFault::Kind::kOther:
      break;
  }
  return failure;
}

// Without its port.
std::string AddressOf(const Endpoint& endpoint) {
  std::string text = endpoint.ToString();
  text.resize(std::min(text.rfind(':'), text.size()));
  if (text.starts_with('[') && text.ends_with(']')) return text.substr(1, text.size() - 2);
  return text;
}

// As RFC 8460 4.4 has the records of a zone file.
ReportedPolicy PublishedBy(const HostPolicy& policy) {
  std::vector<std::string> records;
  records.reserve(policy.tlsa.size());
  for (const tls::TlsaRecord& record : policy.tlsa) {
    records.push_back(
        fmt::format("{} {} {} {:02x}", record.usage, record.selector, record.matching, fmt::join(record.data, "")));
  }
  return ReportedPolicy::Tlsa(std::move(records));
}

absl::Status ServerHasClosed() { return absl::UnavailableError("the server closed the connection"); }

}  // namespace

Connection::Connection(Services services, std::shared_ptr<const Options> options, const SourceOptions& source,
                       const TlsRequirement& requirement)
    : services_(std::move(services)), options_(std::move(options)), source_(source), requirement_(requirement) {
  security_.source = source.name;
  security_.policy = std::string(tls::ToString(requirement.policy));
}

// ---------------------------------------------------------------------------------------------------------------------
// Opening

Task<Connection::Opened> Connection::Open(std::string host) {
  host_ = std::move(host);
  const std::vector<Endpoint> endpoints = co_await Endpoints();
  security_.policy = std::string(policy_.set_by);
  offered_tls_ = false;
  tls_tries_.clear();
  address_.clear();
  Opened opened = Opened::kNo;
  if (!endpoints.empty() && policy_.refusal.has_value()) {
    NoteRefusal();
    const bool no_proof = policy_.refusal->kind == HostPolicy::Refusal::Kind::kNoProof;
    co_return Failed(no_proof ? Opened::kNoTls : Opened::kNo,
                     FromFailure(no_proof ? ReasonClass::kTls : ReasonClass::kDns, policy_.refusal->text));
  }
  for (const Endpoint& endpoint : endpoints) {
    address_ = AddressOf(endpoint);
    peer_ = fmt::format("{} [{}]", host_, endpoint.ToString());
    if (services_.may_connect && !co_await services_.may_connect()) co_return Opened::kNotNow;
    opened = co_await Connect(endpoint);
    if (opened == Opened::kYes) break;
    Close();
    if (opened != Opened::kNo) break;  // another address of the host is the same server
  }
  if (opened == Opened::kYes) failure_.reset();
  co_return opened;
}

Task<std::vector<Endpoint>> Connection::Endpoints() {
  std::vector<Endpoint> endpoints;
  policy_ = HostPolicy::Of(requirement_, host_);
  if (options_->delivery == Delivery::kSink) {
    // The sink is not the MX host, so its certificate cannot be the MX host's; everything short of that holds.
    policy_.policy = std::min(policy_.policy, tls::Policy::kRequire);
    const absl::StatusOr<Endpoint> sink = Endpoint::Parse(options_->sink.address);
    if (sink.ok()) endpoints.push_back(*sink);
    co_return endpoints;
  }
  peer_ = host_;
  const dns::AddressAnswer answer = co_await services_.resolver.ResolveAddresses(host_, source_.family);
  if (answer.verdict != dns::Verdict::kFound) {
    failure_ =
        FromFailure(ReasonClass::kDns, fmt::format("the address lookup failed ({})", dns::ToString(answer.verdict)));
  }
  const MxFilter filter(options_->dns);
  thread_local std::minstd_rand random(std::random_device{}());
  std::vector<dns::Address> addresses = answer.addresses;
  if (addresses.size() > kAddressesMax) std::ranges::shuffle(addresses, random);
  for (const dns::Address& address : addresses) {
    if (endpoints.size() == kAddressesMax) break;
    if (!MayBeOfOthers(address, *options_)) {
      failure_ = FromFailure(
          ReasonClass::kNoMx,
          "its address is private, loopback or this machine's own, and dns.allow_private_addresses is false");
      continue;
    }
    if (!filter.Allows(host_, address)) {
      failure_ = FromFailure(ReasonClass::kMxDenied, "dns.mx_deny or dns.mx_allow keep mail from its address");
      continue;
    }
    const size_t bytes = address.family == AF_INET ? 4 : 16;
    endpoints.push_back(Endpoint::Ip(address.family, std::span(address.bytes).first(bytes),
                                     static_cast<uint16_t>(options_->smtp.port)));
  }
  if (!endpoints.empty()) {
    policy_ = co_await HostPolicy::Find(services_.resolver, services_.tls, options_, requirement_, host_, answer);
  }
  co_return endpoints;
}

Task<Connection::Opened> Connection::Connect(Endpoint to) {
  std::optional<Endpoint> from;
  const std::optional<dns::Address> address = dns::Address::Parse(source_.address);
  // In sink mode nothing leaves this machine, so a public source address need not be one of its own.
  if (address.has_value() && (options_->delivery == Delivery::kLive || address->IsLoopback())) {
    from = Endpoint::Ip(address->family, std::span(address->bytes).first(address->family == AF_INET ? 4 : 16), 0);
  }
  if (from.has_value() && from->family() != to.family()) from.reset();
  // In sink mode nothing leaves this machine, so nothing goes through a proxy either.
  const std::optional<EgressProxy> proxy =
      options_->delivery == Delivery::kLive ? EgressProxy::Of(source_) : std::nullopt;
  Task<absl::StatusOr<std::unique_ptr<Stream>>> connecting =
      proxy.has_value() ? proxy->Connect(services_.network, to, from) : services_.network.Connect(to, from);
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      co_await WithDeadline(services_.ring, options_->smtp.connect_timeout, std::move(connecting));
  if (!stream.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kConnection, stream.status()));
  stream_ = *std::move(stream);
  if (services_.on_connected) services_.on_connected();
  replies_ = ReplyParser();
  next_reply_.reset();
  capabilities_ = Capabilities();
  in_tls_ = false;
  security_.tls_version = "none";
  security_.cipher.clear();
  security_.verified_name.clear();
  co_return co_await Greet();
}

Task<Connection::Opened> Connection::Greet() {
  const Answer greeting = co_await WithDeadline(services_.ring, options_->smtp.greeting_timeout, ReadReply());
  if (!greeting.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kGreeting, greeting.status()));
  if (services_.on_greeting) services_.on_greeting(**greeting);  // before QUIT, whose answer may take its time
  if (!(*greeting)->IsPositive()) {
    Attempt refused = FromReply(Phase::kGreeting, **greeting, {});
    co_await Quit();
    co_return Failed(Opened::kNo, std::move(refused));
  }
  const Opened hello = co_await Hello();
  if (hello != Opened::kYes || forgo_tls_) co_return hello;
  if (!capabilities_.starttls) co_return co_await GoOnInClear();
  offered_tls_ = true;
  const Opened opened = co_await StartTls();
  // However TLS failed: mail that goes all the same does without it the next time.
  co_return requirement_.despite_tls && !in_tls_ ? Opened::kNoTls : opened;
}

bool Connection::IsKnownForTls() const {
  return services_.tls_memory != nullptr && options_->delivery == Delivery::kLive &&
         services_.tls_memory->Knows(host_, services_.ring.Now());
}

// The server offers no TLS. Where it did before, the offer may have been taken out on the way.
Task<Connection::Opened> Connection::GoOnInClear() {
  const bool stripped = IsKnownForTls();
  if (stripped && services_.metrics != nullptr) {
    services_.metrics->counter(Metric::kTlsStripped, {tls::ToString(policy_.policy)})->Add();
  }
  NoteTry(TlsTry::Failure{.what = TlsFailure::kStartTlsNotSupported, .reason = {}});
  if (policy_.policy == tls::Policy::kOpportunistic && !offered_tls_) co_return Opened::kYes;
  co_await Quit();
  std::string why = "the server does not offer STARTTLS";
  if (policy_.promised) {
    why += fmt::format(", which {} promises", policy_.set_by == "dane" ? "DANE" : "MTA-STS");
  } else if (offered_tls_) {
    why += ", as another address of the host does";
  } else if (stripped) {
    why += ", as it did before: somebody may take the offer out on the way";
  }
  co_return Failed(offered_tls_ ? Opened::kNoPromisedTls : LackingTls(),
                   FromFailure(ReasonClass::kTls, std::move(why)));
}

Task<Connection::Opened> Connection::Hello() {
  const std::string& name = source_.hostname;
  const Answer ehlo = co_await Command(Ehlo(name, source_.address), options_->smtp.ehlo_timeout);
  if (!ehlo.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kEhlo, ehlo.status()));
  if ((*ehlo)->IsPositive()) {
    capabilities_ = Capabilities::FromEhlo(**ehlo);
    co_return Opened::kYes;
  }
  capabilities_ = Capabilities();
  Attempt refused = FromReply(Phase::kEhlo, **ehlo, {});
  // HELO only where EHLO is refused for good (RFC 5321 4.1.1.1), and never to escape a requirement of TLS.
  if ((*ehlo)->IsPermanent() && (in_tls_ || policy_.policy == tls::Policy::kOpportunistic)) {
    const Answer helo = co_await Command(Helo(name), options_->smtp.ehlo_timeout);
    if (!helo.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kEhlo, helo.status()));
    if ((*helo)->IsPositive()) co_return Opened::kYes;
  }
  co_await Quit();
  co_return Failed(Opened::kNo, std::move(refused));
}

Task<Connection::Opened> Connection::StartTls() {
  const Answer ready = co_await Command(std::string(kStartTls), options_->smtp.starttls_timeout);
  if (!ready.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kStartTls, ready.status()));
  if ((*ready)->code != kReadyForTls) {
    Attempt refused = FromReply(Phase::kStartTls, **ready, {});
    const bool later = (*ready)->IsTransient();
    NoteTry(TlsTry::Failure{.reason = fmt::format("STARTTLS was answered with {}", (*ready)->code)});
    co_await Quit();
    co_return Failed(later ? Opened::kNo : LackingTls(), std::move(refused));
  }
  // What came in clear is not taken for what comes encrypted: RFC 3207 5.
  replies_.Clear();
  next_reply_.reset();
  const bool verify = policy_.policy >= tls::Policy::kVerify && !look_only_;
  absl::StatusOr<std::unique_ptr<tls::Channel>> channel =
      tls::Channel::Client(services_.tls, {.sni = policy_.name,
                                           .policy = look_only_ ? tls::Policy::kRequire : policy_.policy,
                                           .verify_name = verify ? policy_.name : std::string(),
                                           .other_name = verify ? policy_.other_name : std::string(),
                                           .tlsa = policy_.tlsa,
                                           .sessions = services_.tls_sessions,
                                           .session_key = fmt::format("{}:{}", host_, options_->smtp.port)});
  if (!channel.ok()) co_return Failed(Opened::kNo, FromStatus(Phase::kStartTls, channel.status()));
  auto secured = std::make_unique<TlsStream>(std::move(stream_), *std::move(channel));
  TlsStream& tls = *secured;
  stream_ = std::move(secured);
  const absl::Status shaken = co_await WithDeadline(services_.ring, options_->smtp.handshake_timeout, tls.Handshake());
  if (!shaken.ok()) {
    const bool waited = absl::IsDeadlineExceeded(shaken) || absl::IsCancelled(shaken);
    const std::string why = fmt::format("the TLS handshake failed: {}", std::string(shaken.message()));
    std::optional<TlsTry::Failure> fault = FailureOf(tls.channel());
    if (!fault.has_value()) fault = TlsTry::Failure{.reason = std::string(shaken.message())};
    if (!absl::IsCancelled(shaken)) NoteTry(std::move(fault));
    Opened opened = Opened::kNo;  // a connection that was lost says nothing of TLS
    if (tls.channel().failed()) opened = absl::IsUnauthenticated(shaken) ? Lacking() : LackingTls();
    co_return Failed(opened, FromFailure(waited ? ReasonClass::kTimeout : ReasonClass::kTls, why));
  }
  in_tls_ = true;
  NoteTry(std::nullopt, FailureOf(tls.channel()));
  if (services_.tls_memory != nullptr && options_->delivery == Delivery::kLive) {
    services_.tls_memory->Note(host_, services_.ring.Now());
  }
  const tls::Channel::Details details = tls.channel().details();
  if (look_only_) certificate_ = tls.channel().peer_certificate();
  security_.tls_version = details.version;
  security_.cipher = details.cipher;
  security_.verified_name = details.verified_name;
  if (services_.metrics != nullptr) {
    services_.metrics->counter(Metric::kTlsHandshakes, {details.version, details.resumed ? "yes" : "no"})->Add();
  }
  co_return co_await GreetAgain();
}

// What was offered before TLS counts for nothing (RFC 3207 4.2).
Task<Connection::Opened> Connection::GreetAgain() {
  const Opened hello = co_await Hello();
  if (hello != Opened::kYes || !requirement_.requiretls || capabilities_.requiretls) co_return hello;
  co_await Quit();
  co_return Failed(Opened::kNoRequireTls,
                   FromFailure(ReasonClass::kRequireTls, "the server does not offer REQUIRETLS"));
}

Task<void> Connection::Quit() {
  const bool said = co_await SayQuit();
  if (said) co_await HearBye();
  Close();
}

Task<bool> Connection::SayQuit() {
  if (stream_ == nullptr || Unasked().has_value()) co_return false;
  const absl::Status sent = co_await Send(kQuit, options_->smtp.quit_timeout);
  co_return sent.ok();
}

Task<void> Connection::HearBye() {
  const Answer bye = co_await WithDeadline(services_.ring, options_->smtp.quit_timeout, ReadReply());
  if (!bye.ok()) co_return;  // else whatever it is, the conversation is over
  const absl::Status ended = co_await WithDeadline(services_.ring, options_->smtp.quit_timeout, stream_->End());
  (void)ended;
}

// ---------------------------------------------------------------------------------------------------------------------
// For reports about TLS

void Connection::NoteTry(std::optional<TlsTry::Failure> failure, std::optional<TlsTry::Failure> fault) {
  TlsTry made{.host = host_, .address = address_, .failure = std::move(failure), .fault = std::move(fault)};
  if (!policy_.tlsa.empty() || policy_.tlsa_unusable) made.dane = PublishedBy(policy_);
  // RFC 8460 4.3.2.1: the host has published what nobody can check it by.
  if (policy_.tlsa_unusable && !made.failure.has_value()) {
    made.failure = TlsTry::Failure{.what = TlsFailure::kTlsaInvalid, .reason = {}};
  }
  tls_tries_.push_back(std::move(made));
}

void Connection::NoteRefusal() {
  if (policy_.refusal->kind == HostPolicy::Refusal::Kind::kLookup) {
    NoteTry(TlsTry::Failure{.what = TlsFailure::kDnssecInvalid, .reason = {}});
  } else if (requirement_.policy == tls::Policy::kDane) {
    NoteTry(TlsTry::Failure{.what = TlsFailure::kDaneRequired, .reason = {}});
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The wire

Task<Connection::Answer> Connection::ReadReply() {
  if (next_reply_.has_value()) co_return *std::exchange(next_reply_, std::nullopt);
  while (true) {
    const Answer reply = replies_.Next();
    if (!reply.ok() || *reply != nullptr) co_return reply;
    const absl::StatusOr<size_t> received = co_await stream_->Read(incoming_);
    if (!received.ok()) co_return received.status();
    if (*received == 0) co_return ServerHasClosed();
    replies_.Feed(std::string_view(incoming_.data(), *received));
  }
}

bool Connection::HasReply() {
  while (!next_reply_.has_value()) {
    Answer reply = replies_.Next();
    if (!reply.ok() || *reply != nullptr) {
      next_reply_ = std::move(reply);
    } else {
      const absl::StatusOr<std::optional<size_t>> received = stream_->TryRead(incoming_);
      if (received.ok() && !received->has_value()) return false;
      if (!received.ok()) {
        next_reply_ = received.status();
      } else if (**received == 0) {
        next_reply_ = ServerHasClosed();
      } else {
        replies_.Feed(std::string_view(incoming_.data(), **received));
      }
    }
  }
  return true;
}

std::optional<Connection::Answer> Connection::Unasked() {
  if (HasReply()) return next_reply_;
  if (replies_.buffered() == 0) return std::nullopt;
  return absl::InvalidArgumentError("the server began to reply before it was asked");
}

absl::Status Connection::ErrorOf(const Answer& unasked) {
  if (!unasked.ok()) return unasked.status();
  return absl::InvalidArgumentError(fmt::format("the server replied ({}) before it was asked", (*unasked)->code));
}

Task<Connection::Answer> Connection::Command(std::string line, absl::Duration limit) {
  if (const std::optional<Answer> said = Unasked(); said.has_value()) {
    if (said->ok() && (**said)->code == kServiceClosing) co_return *said;
    co_return ErrorOf(*said);
  }
  const absl::Status sent = co_await Send(line, limit);
  if (!sent.ok()) co_return sent;
  co_return co_await WithDeadline(services_.ring, limit, ReadReply());
}

Task<absl::Status> Connection::Send(std::string_view bytes, absl::Duration limit) {
  co_return co_await WithDeadline(services_.ring, limit, stream_->Write(std::span(bytes.data(), bytes.size())));
}

void Connection::Close() {
  if (stream_ == nullptr) return;
  stream_->Close();
  stream_.reset();
}

// ---------------------------------------------------------------------------------------------------------------------
// What failed

Attempt Connection::FromReply(Phase phase, const Reply& reply, std::string_view recipient) const {
  return {.verdict = Classify(phase, reply),
          .code = reply.code,
          .enhanced = reply.enhanced.has_value() ? reply.enhanced->ToString() : std::string(),
          .text = RedactReply(reply.Text(), recipient)};
}

Attempt Connection::FromFailure(ReasonClass reason, std::string text) const {
  if (!peer_.empty()) text = fmt::format("{}: {}", peer_, text);
  return {.verdict = ClassifyFailure(reason), .text = std::move(text)};
}

Attempt Connection::FromStatus(Phase phase, const absl::Status& status) const {
  const std::string what(status.message());
  if (absl::IsDeadlineExceeded(status)) {
    return FromFailure(ReasonClass::kTimeout, fmt::format("timed out ({})", ToString(phase)));
  }
  if (absl::IsInvalidArgument(status)) return FromFailure(ReasonClass::kProtocol, what);
  if (absl::IsDataLoss(status)) return FromFailure(ReasonClass::kInternal, what);
  if (absl::IsUnauthenticated(status)) return FromFailure(ReasonClass::kTls, what);
  return FromFailure(ReasonClass::kConnection, fmt::format("{} ({})", what, ToString(phase)));
}

Connection::Opened Connection::Failed(Opened how, Attempt attempt) {
  attempt.evidence = std::make_shared<queue::Evidence>(evidence());
  failure_ = std::move(attempt);
  return how;
}

queue::Evidence Connection::evidence() const {
  queue::Evidence evidence = security_;
  evidence.mx = peer_;
  return evidence;
}

}  // namespace sealift::engine
