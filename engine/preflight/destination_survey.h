#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "engine/connection.h"
#include "engine/options.h"
#include "engine/preflight/report.h"
#include "engine/runtime/task.h"
#include "engine/runtime/task_group.h"
#include "engine/site_identity.h"
#include "engine/sts_policies.h"
#include "engine/tls_requirement.h"

namespace sealift::engine {

// DestinationSurvey asks where mail to some domains would go and whether their hosts offer the TLS that it requires.
//
// It resolves domains and opens connections exactly as sending does, and says EHLO, STARTTLS and QUIT: never MAIL. Each
// host is first asked for a certificate that is its own; one that has none is asked again under the policy in force.
// The domains with the most rows come first; beyond the bounds nothing is asked, and that is said. In sink mode no name
// is asked for and one connection to the sink stands for all.
//
// Owned by:  a preflight, on a ring of its own, so that no shard waits for it.
// Threads:   the ring's; `stop` is set by any.
// Errors:    none: whatever is found is the answer.
class DestinationSurvey {
 public:
  struct Limits {
    size_t domains_max = 1000;  // that are resolved
    size_t sites_max = 50;      // that are connected to
    int lookups_at_once = 50;
    int probes_at_once = 10;
    absl::Duration lookups = absl::Seconds(30);  // all of them
    absl::Duration probe = absl::Seconds(20);    // one site
    absl::Duration probes = absl::Seconds(60);   // all of them
  };
  struct Domain {
    std::string name;
    uint64_t rows = 0;
    uint64_t rows_utf8 = 0, rows_8bit = 0;  // of them, as PreflightSite has it
  };
  // What is found, and what else the projection needs of it.
  struct Site {
    PreflightSite found;
    SiteIdentity identity;  // without hosts: there are none, or they were not asked for
    DestinationSettings settings;
    TlsRequirement requirement;
  };

  // `services` without a cache of TLS sessions: a resumed one shows no certificate.
  DestinationSurvey(Connection::Services services, StsSearch sts, std::shared_ptr<const Options> options,
                    const StreamOptions& stream, const SourceOptions& source, const std::atomic<bool>& stop,
                    Limits limits);

  // `domains`: those with the most rows first.
  Task<void> Run(std::vector<Domain> domains);

  const std::vector<Site>& sites() const { return sites_; }

 private:
  Task<void> Work();
  Task<void> Together(Task<void> (DestinationSurvey::*worker)(), int workers);
  Task<void> LookUpDomains();
  Task<void> ProbeSites();
  Task<void> Probe(Site& site);
  Task<Connection::Opened> ProbeHost(Site& site, std::string host);
  Task<void> WatchStop(TaskGroup& working);

  void Add(const Domain& domain, const dns::MxAnswer& answer, const StsPolicies::RecordPtr& sts);
  void AddUnasked(size_t from);

  const Connection::Services services_;
  const StsSearch sts_;
  const std::shared_ptr<const Options> options_;
  const StreamOptions& stream_;
  const SourceOptions& source_;
  const std::atomic<bool>& stop_;
  const Limits limits_;

  std::vector<Domain> domains_;
  size_t next_domain_ = 0, next_site_ = 0, probed_ = 0;
  std::vector<Site> sites_;
  // By site, destination blocks and what the domains publish: into sites_.
  std::map<std::tuple<std::string, std::vector<int>, bool, bool, uint32_t>, size_t> known_;
};

}  // namespace sealift::engine
