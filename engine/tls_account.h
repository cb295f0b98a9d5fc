#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "engine/shard_services.h"
#include "engine/tls_report/tally.h"
#include "engine/tls_requirement.h"
#include "engine/tls_try.h"

namespace sealift::engine {

// TlsAccount says for whom a session's TLS is counted (RFC 8460 4). A session serves a site, and a report is about a
// domain: a connection that fails counts for the domain whose row it was opened for, one that is made counts once for
// each domain whose mail it carries, under the policy that this domain has published.
//
// DANE comes before MTA-STS, as it does in what is enforced. Under a policy that is only being tested the session
// counts as it would have fared if the policy had been enforced. Neither sink mode nor a report's own delivery is
// counted.
//
// Owned by:  a session.
// Threads:   the shard's; it counts into the shard's own tally.
class TlsAccount {
 public:
  static constexpr size_t kDomainsMax = 1024;  // of one connection; each is counted once

  // `source`: the address that is sent from.
  TlsAccount(ShardServices& services, const TlsRequirement& requirement, std::string source);

  // Nobody was spoken to for the domain: each of these failed.
  void Failed(std::string_view domain, const std::vector<TlsTry>& tries);
  // The domain's enforced MTA-STS policy names none of its hosts; `host` is one of them.
  void NoneAdmitted(std::string_view domain, const std::string& host);
  // The connection is made. What was tried before it failed, for the domain that it was made for.
  void Opened(std::string_view domain, const std::vector<TlsTry>& tries);
  // It carries mail of the domain.
  void Carries(const std::string& domain);

 private:
  void Count(std::string_view domain, const TlsTry& made);

  ShardServices& services_;
  const bool counts_;
  const std::string source_;
  std::optional<TlsTry> connection_;
  std::string last_;  // domain that was carried
  absl::flat_hash_set<std::string> carried_;
};

// The MTA-STS policy of the domain could not be had, or not renewed (RFC 8460 4.3.2.2).
void CountStsFailure(ShardServices& services, const std::string& domain, const StsFinding& finding);

}  // namespace sealift::engine
