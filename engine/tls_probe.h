#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "engine/connection.h"
#include "engine/options.h"
#include "engine/runtime/task.h"
#include "engine/sts_policies.h"
#include "engine/tls_probe_report.h"

namespace sealift::engine {

// TlsProbe looks at the hosts of one domain as sending would: the same resolver, the same Connection, up to EHLO, and
// never MAIL.
//
// Owned by:  the request, with a ring of its own.
// Threads:   the ring's.
// Time:      a minute for all of it.
// Errors:    none: what is found is the answer.
class TlsProbe {
 public:
  static constexpr absl::Duration kLimit = absl::Minutes(1);
  static constexpr size_t kHostsMax = 8;

  // `services` without a cache of TLS sessions: a resumed one shows no certificate. `tls12`: speaks TLS 1.2 only.
  TlsProbe(Connection::Services services, StsSearch sts, std::shared_ptr<tls::ClientContext> tls12,
           std::shared_ptr<const Options> options, const SourceOptions& source);

  Task<void> Run(std::string domain);

  const TlsProbeReport& report() const { return report_; }

 private:
  Task<void> Look(std::string domain);
  Task<void> LookAtHost(TlsProbeReport::Host& host);
  Task<void> Judge(TlsProbeReport::Outcome& outcome, tls::Policy policy, DomainSecurity security);

  const Connection::Services services_;
  const StsSearch sts_;
  const std::shared_ptr<tls::ClientContext> tls12_;
  const std::shared_ptr<const Options> options_;
  const SourceOptions& source_;
  std::vector<dns::MxHost> hosts_;
  TlsProbeReport report_;
};

}  // namespace sealift::engine
