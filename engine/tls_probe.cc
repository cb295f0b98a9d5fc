#include "engine/tls_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/binding_rates.h"
#include "engine/directory.h"
#include "engine/runtime/deadline.h"

namespace sealift::engine {
namespace {

using Opened = Connection::Opened;

std::string MxState(const dns::MxAnswer& answer) {
  if (answer.null_mx) return "null_mx";
  if (answer.verdict == dns::Verdict::kFound && answer.implicit) return "implicit";
  return std::string(dns::ToString(answer.verdict));
}

std::string_view InWords(StsFinding::Failure failure) {
  switch (failure) {
    case StsFinding::Failure::kNone:
      return "";
    case StsFinding::Failure::kFetch:
      return "its policy could not be fetched";
    case StsFinding::Failure::kInvalid:
      return "what its web server gives is no policy";
    case StsFinding::Failure::kCertificate:
      return "the certificate of its web server is not accepted";
  }
  return "";
}

std::string_view DaneOf(const HostPolicy& policy) {
  if (policy.refusal.has_value() && policy.refusal->kind == HostPolicy::Refusal::Kind::kLookup) return "failed";
  if (!policy.tlsa.empty()) return "yes";
  return policy.set_by == tls::ToString(tls::Policy::kDane) ? "unusable" : "no";
}

}  // namespace

TlsProbe::TlsProbe(Connection::Services services, StsSearch sts, std::shared_ptr<tls::ClientContext> tls12,
                   std::shared_ptr<const Options> options, const SourceOptions& source)
    : services_(std::move(services)),
      sts_(std::move(sts)),
      tls12_(std::move(tls12)),
      options_(std::move(options)),
      source_(source) {}

Task<void> TlsProbe::Run(std::string domain) { co_await WithDeadline(services_.ring, kLimit, Look(std::move(domain))); }

Task<void> TlsProbe::Look(std::string domain) {
  report_.domain = domain;
  const dns::MxAnswer answer = co_await services_.resolver.ResolveMx(domain);
  report_.mx = MxState(answer);
  report_.mx_authenticated = options_->dns.trust_ad && answer.authenticated;
  report_.sts = "no";
  if (answer.verdict != dns::Verdict::kFound || answer.null_mx) co_return;
  hosts_ = answer.hosts;
  report_.provider = std::string(options_->ProviderOf(hosts_.front().name));
  const StsFinding sts = co_await sts_.Find(domain, services_.ring.Now());
  report_.sts_trouble = InWords(sts.failure);
  DomainSecurity security{.mx_authenticated = report_.mx_authenticated};
  if (sts.record != nullptr) {
    report_.sts = dns::ToString(sts.record->policy.mode);
    report_.sts_id = sts.record->id;
    report_.sts_mx = sts.record->policy.mx;
    report_.sts_expires = sts.record->expires;
    if (sts.record->policy.mode == dns::StsPolicy::Mode::kEnforce) security.Enforce(sts.record->policy, hosts_);
  }
  for (size_t i = 0; i < std::min(hosts_.size(), kHostsMax); ++i) {
    TlsProbeReport::Host& host = report_.hosts.emplace_back();
    host.name = hosts_[i].name;
    host.preference = hosts_[i].preference;
    host.in_sts_policy = !security.sts || (security.sts_hosts >> i & 1) != 0;
    co_await LookAtHost(host);
  }
  const DestinationSettings settings = options_->DestinationFor(domain, hosts_.front().name);
  for (const tls::Policy policy :
       {tls::Policy::kOpportunistic, tls::Policy::kRequire, tls::Policy::kVerify, tls::Policy::kDane}) {
    TlsProbeReport::Outcome& outcome = report_.outcomes.emplace_back();
    outcome.policy = tls::ToString(policy);
    for (const StreamOptions& stream : options_->streams) {
      if (BindingPolicy(stream, settings) == policy) outcome.streams.push_back(stream.name);
    }
    co_await Judge(outcome, policy, security);
  }
}

// What it offers to who asks for nothing in particular.
Task<void> TlsProbe::LookAtHost(TlsProbeReport::Host& host) {
  for (const bool newest : {true, false}) {
    Connection::Services services = services_;
    if (!newest) services.tls = tls12_;
    Connection connection(std::move(services), options_, source_, {.policy = tls::Policy::kRequire});
    connection.LookOnly();
    const Opened opened = co_await connection.Open(host.name);
    if (newest) {
      host.peer = connection.peer();
      host.dane = DaneOf(connection.policy());
      host.starttls = connection.offered_tls();
    }
    if (opened != Opened::kYes) {
      if (newest && connection.failure().has_value()) host.trouble = connection.failure()->text;
      co_return;
    }
    const queue::Evidence evidence = connection.evidence();
    if (std::ranges::find(host.versions, evidence.tls_version) == host.versions.end()) {
      host.versions.push_back(evidence.tls_version);
    }
    if (newest) {
      host.cipher = evidence.cipher;
      host.requiretls = connection.capabilities().requiretls;
      if (const std::optional<tls::PeerCertificate>& shown = connection.certificate(); shown.has_value()) {
        host.certificate_names = shown->names;
        host.certificate_expires = shown->not_after;
        host.certificate_issuer = shown->issuer;
      }
    }
    co_await connection.Quit();
  }
}

Task<void> TlsProbe::Judge(TlsProbeReport::Outcome& outcome, tls::Policy policy, DomainSecurity security) {
  const TlsRequirement requirement = RequirementOf(policy, false, security);
  const std::vector<dns::MxHost> hosts = requirement.Admitted(hosts_);
  outcome.applies = security.sts && policy < tls::Policy::kVerify ? "mta-sts" : tls::ToString(policy);
  outcome.fate = "hold";
  outcome.why = "none of the domain's MX hosts is one that its MTA-STS policy names";
  for (size_t i = 0; i < std::min(hosts.size(), kHostsMax); ++i) {
    Connection connection(services_, options_, source_, requirement);
    const Opened opened = co_await connection.Open(hosts[i].name);
    const queue::Evidence evidence = connection.evidence();
    outcome.applies = evidence.policy;
    if (opened == Opened::kYes) {
      outcome.fate = "send";
      outcome.tls = evidence.tls_version;
      outcome.verified = evidence.verified_name;
      outcome.why.clear();
      co_await connection.Quit();
      co_return;
    }
    outcome.fate = opened == Opened::kNo ? "defer" : "hold";
    outcome.why = connection.failure().has_value() ? connection.failure()->text : "no address to connect to";
  }
}

}  // namespace sealift::engine
