#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dns/answer.h"
#include "dns/mta_sts.h"
#include "tls/policy.h"

namespace sealift::engine {

// DomainSecurity is what a domain's own records say about how its mail is to be sent, found together with its site.
// MTA-STS (RFC 8461) is kept as what it comes to: which of the site's hosts may take the mail. So domains whose
// policies differ in words only share connections.
struct DomainSecurity {
  bool mx_authenticated = false;  // a validating resolver that is trusted vouches for its MX records (DNSSEC)
  bool sts = false;               // an MTA-STS policy is enforced
  uint32_t sts_hosts = 0;         // with it: a bit for each of the site's hosts that it names

  void Enforce(const dns::StsPolicy& policy, std::span<const dns::MxHost> hosts) {
    sts = true;
    for (size_t i = 0; i < hosts.size(); ++i) sts_hosts |= policy.Admits(hosts[i].name) ? uint32_t{1} << i : 0;
  }

  friend bool operator==(const DomainSecurity&, const DomainSecurity&) = default;
};
static_assert(dns::kMxHostsMax <= 32, "a bit each");

// TlsRequirement is what some mail demands of the connection that carries it: the policy of its stream and destination,
// and what its domain has published. What a host has published (DANE) is added when the host is looked up.
struct TlsRequirement {
  tls::Policy policy = tls::Policy::kRequire;
  DomainSecurity domain = {};
  bool requiretls = false;   // RFC 8689: a host that is who it says, and that asks the same of the next
  bool despite_tls = false;  // a report about TLS goes whatever the TLS: RFC 8460 3

  // Whether anything that nobody can forge has named the hosts (RFC 8689 4.2.1).
  bool hosts_proven() const { return domain.sts || domain.mx_authenticated; }

  // Those of the site's hosts that may take the mail.
  std::vector<dns::MxHost> Admitted(std::span<const dns::MxHost> hosts) const {
    std::vector<dns::MxHost> admitted;
    for (size_t i = 0; i < hosts.size(); ++i) {
      if (!domain.sts || (domain.sts_hosts >> i & 1) != 0) admitted.push_back(hosts[i]);
    }
    return admitted;
  }

  friend bool operator==(const TlsRequirement&, const TlsRequirement&) = default;
};

// A report is not kept by the failure that it is about: neither what the domain has published nor what the operator
// asks of other mail binds it. TLS is used where there is any.
inline TlsRequirement RequirementOfReport() {
  return {.policy = tls::Policy::kOpportunistic, .domain = {}, .despite_tls = true};
}

// What a domain's security adds to a policy: only what makes a difference, so that mail with the same needs shares
// connections.
inline TlsRequirement RequirementOf(tls::Policy policy, bool requiretls, DomainSecurity domain) {
  if (policy != tls::Policy::kDane && !requiretls) domain.mx_authenticated = false;
  return {.policy = policy, .domain = domain, .requiretls = requiretls};
}

}  // namespace sealift::engine
