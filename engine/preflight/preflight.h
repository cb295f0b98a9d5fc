#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dns/cache.h"
#include "engine/campaign_limits.h"
#include "engine/options.h"
#include "engine/preflight/destination_survey.h"
#include "engine/preflight/report.h"
#include "engine/signing_keys.h"
#include "engine/units.h"
#include "engine/warmups.h"
#include "queue/campaign.h"
#include "tls/client_context.h"

namespace sealift::engine {

// A preflight looks at a campaign before a byte of it is sent: who takes its mail and how it would be secured, whether
// the sender's keys, addresses and names are published, and when the last row could leave.
//
// In sink mode nothing leaves this machine: the sink is connected to, no name is asked for, and the checks of the
// sender are skipped.
//
// Owned by:  a request of the API, on whose thread it runs, with a ring of its own.
// Threads:   one, a blocking one; it ends early once `stop` is set.
// Time:      about two minutes at most.
class Preflight {
 public:
  struct Context {
    std::shared_ptr<const Options> options;
    std::shared_ptr<const SigningKeys> keys;
    std::shared_ptr<dns::Cache> dns_cache;  // the node's: what is asked here need not be asked again to send
    HttpsFetcher& https;
    StsPolicies& sts_policies;
    std::shared_ptr<tls::ClientContext> tls;
    Warmups& warmups;
    const std::atomic<bool>& stop;
    DestinationSurvey::Limits limits = {};
  };
  struct Subject {
    const queue::Campaign& campaign;
    CampaignLimits limits;                           // of its load
    std::optional<absl::Time> start_at;              // when it is to start
    std::vector<DestinationSurvey::Domain> domains;  // its queued rows, in any order
    std::optional<uint64_t> suppressed_now;
    bool needs_counted = true;  // rows_utf8 and rows_8bit of `domains`
  };

  explicit Preflight(Context context) : context_(std::move(context)) {}

  // Errors: the stream is not in the configuration; this machine forbids io_uring; it was stopped.
  absl::StatusOr<PreflightReport> Run(Subject subject);

 private:
  absl::Status Survey(const StreamOptions& stream, std::vector<DestinationSurvey::Domain> domains);
  void CheckCampaign(const Subject& subject);
  void CheckFrom(const StreamOptions& stream, const queue::Campaign& campaign);
  void CheckSender(const StreamOptions& stream);
  void CheckExtensions(PreflightSite& found);
  void CheckDestinations();
  void CheckFinish(const StreamOptions& stream, const Subject& subject);
  // What sources that warm up make of the finish that the rates allow; empty: nothing.
  std::string CheckWarmups(const StreamOptions& stream);

  const Context context_;
  std::vector<DestinationSurvey::Site> sites_;
  PreflightReport report_;
  bool own_unsubscribe_ = false;  // the template has a List-Unsubscribe
};

}  // namespace sealift::engine
