#include "engine/host_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sealift::engine {
namespace {

constexpr std::string_view kRequireTls = "requiretls";

// What the lookups of a host's TLSA records came to.
struct Published {
  bool failed = false;
  dns::Verdict verdict = dns::Verdict::kNoData;
  std::string base;  // with records: the TLSA base domain
  std::vector<tls::TlsaRecord> records;
};

Task<Published> LookUp(Resolver& resolver, int port, std::vector<std::string> bases) {
  for (std::string& base : bases) {
    const dns::TlsaAnswer answer = co_await resolver.ResolveTlsa(fmt::format("_{}._tcp.{}", port, base));
    if (dns::IsTemporary(answer.verdict)) co_return Published{.failed = true, .verdict = answer.verdict};
    if (answer.verdict != dns::Verdict::kFound || !answer.authenticated) continue;  // not signed: worth nothing
    Published found{.verdict = answer.verdict, .base = std::move(base)};
    for (const dns::Tlsa& record : answer.records) {
      found.records.push_back({record.usage, record.selector, record.matching, record.data});
    }
    co_return found;
  }
  co_return Published{};
}

HostPolicy Refused(HostPolicy policy, HostPolicy::Refusal::Kind kind, std::string text) {
  policy.refusal = HostPolicy::Refusal{.kind = kind, .text = std::move(text)};
  return policy;
}

}  // namespace

HostPolicy HostPolicy::Of(const TlsRequirement& requirement, std::string host) {
  HostPolicy policy;
  policy.policy = requirement.policy;
  policy.name = std::move(host);
  policy.set_by = tls::ToString(requirement.policy);
  if (requirement.requiretls && policy.policy < tls::Policy::kVerify) {
    policy.policy = tls::Policy::kVerify;
    policy.set_by = kRequireTls;
  }
  if (requirement.domain.sts && requirement.policy < tls::Policy::kVerify) {
    policy.policy = tls::Policy::kVerify;
    policy.set_by = "mta-sts";
    policy.promised = true;
  }
  return policy;
}

Task<HostPolicy> HostPolicy::Find(Resolver& resolver, std::shared_ptr<const tls::ClientContext> context,
                                  std::shared_ptr<const Options> options, TlsRequirement requirement, std::string host,
                                  dns::AddressAnswer addresses) {
  using Kind = Refusal::Kind;
  HostPolicy policy = Of(requirement, host);
  if (requirement.despite_tls) co_return policy;
  const bool dane_only = requirement.policy == tls::Policy::kDane;
  if (requirement.requiretls && !requirement.hosts_proven()) {
    co_return Refused(std::move(policy), Kind::kNoProof,
                      "REQUIRETLS is asked for, and neither signed MX records nor an MTA-STS policy name this host");
  }
  if (dane_only && !requirement.domain.mx_authenticated) {
    // Whoever can forge them names a host of his own, whose TLSA records are in order.
    co_return Refused(std::move(policy), Kind::kNoProof, "tls is \"dane\", and the domain's MX records are not signed");
  }
  if (!options->dns.trust_ad || !addresses.authenticated) {
    if (!dane_only) co_return policy;
    co_return Refused(std::move(policy), Kind::kNoProof, "tls is \"dane\", and the host's addresses are not signed");
  }
  std::vector<std::string> bases;
  if (!addresses.canonical.empty() && addresses.canonical != host) bases.push_back(addresses.canonical);
  bases.push_back(std::move(host));
  Published published = co_await LookUp(resolver, options->smtp.port, std::move(bases));
  if (published.failed) {
    policy.policy = std::max(policy.policy, tls::Policy::kRequire);
    co_return Refused(std::move(policy), Kind::kLookup,
                      fmt::format("the lookup of its TLSA records failed ({})", dns::ToString(published.verdict)));
  }
  if (published.records.empty()) {
    if (!dane_only) co_return policy;
    co_return Refused(std::move(policy), Kind::kNoProof, "tls is \"dane\", and the host has no signed TLSA records");
  }
  policy.tlsa = tls::UsableRecords(*context, published.records);
  if (!policy.tlsa.empty()) {
    policy.promised = !dane_only;
    policy.policy = tls::Policy::kDane;
    if (published.base != policy.name) policy.other_name = std::exchange(policy.name, std::move(published.base));
    policy.set_by = tls::ToString(tls::Policy::kDane);
    co_return policy;
  }
  policy.tlsa_unusable = true;
  if (dane_only) {
    co_return Refused(std::move(policy), Kind::kNoProof, "tls is \"dane\", and none of its TLSA records can be used");
  }
  // RFC 7672 2.2: they say that it speaks TLS, though not with which certificate.
  if (policy.policy < tls::Policy::kRequire) {
    policy.policy = tls::Policy::kRequire;
    policy.promised = true;
    policy.set_by = tls::ToString(tls::Policy::kDane);
  }
  co_return policy;
}

}  // namespace sealift::engine
