#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/answer.h"
#include "engine/options.h"
#include "engine/resolver.h"
#include "engine/runtime/task.h"
#include "engine/tls_requirement.h"
#include "tls/client_context.h"
#include "tls/dane.h"
#include "tls/policy.h"

namespace sealift::engine {

// HostPolicy is what one host must show before any mail is spoken to it: what the mail demands, and what the host has
// published in the DNS (RFC 7672).
//
// TLSA records are looked up only where the host's own addresses came with the resolver's word for them, and
// `dns.trust_ad` says that the word is good. Usable records decide about the certificate, whatever the stream asks for;
// records that are all unusable still make TLS mandatory; a lookup that fails leaves the host alone, because the answer
// that did not come may be the one that forbids cleartext. A name that is an alias is asked about by the name at the
// end of its aliases first (RFC 7672 2.2.2). An MTA-STS policy asks for a certificate of the host's own, and never
// stands in for DANE that fails (RFC 8461 2).
struct HostPolicy {
  // Why the host is not to be spoken to at all.
  struct Refusal {
    enum class Kind : uint8_t {
      kLookup,   // a lookup failed, and may work later
      kNoProof,  // nothing that can be relied on says that it is the domain's host, or what its certificate is
    };
    Kind kind = Kind::kLookup;
    std::string text;
  };

  tls::Policy policy = tls::Policy::kRequire;
  std::string name;                   // the SNI, and with kVerify and kDane what the certificate is checked for
  std::string other_name;             // with kDane: the host's own, which does too where `name` is what it stands for
  std::vector<tls::TlsaRecord> tlsa;  // usable ones, with kDane
  bool tlsa_unusable = false;         // there are some, and none of them can be used
  std::string_view set_by;            // the word for events: a stream's policy, "requiretls", "dane" or "mta-sts"
  bool promised = false;              // asked for by what the host published, beyond what the mail demands
  std::optional<Refusal> refusal;

  // `addresses` is what was found for `host`. Nothing is asked in sink mode: do not call it there.
  static Task<HostPolicy> Find(Resolver& resolver, std::shared_ptr<const tls::ClientContext> context,
                               std::shared_ptr<const Options> options, TlsRequirement requirement, std::string host,
                               dns::AddressAnswer addresses);

  // What the mail alone demands of a host.
  static HostPolicy Of(const TlsRequirement& requirement, std::string host);
};

}  // namespace sealift::engine
