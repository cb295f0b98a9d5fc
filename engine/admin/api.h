#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/admin/audit.h"
#include "engine/admin/unix_listener.h"
#include "engine/holds.h"
#include "engine/jobs.h"
#include "engine/node.h"

namespace sealift::engine {

// Api is what the CLI speaks: HTTP on the control socket, each route one method of the Node, answers in JSON.
//
// Whatever changes something or shows an address is written to the audit file, with the caller's identity from the
// kernel, before it is answered: refused and failed ones too. Addresses are masked here, so that one that nobody asked
// to see whole never leaves the daemon. While the audit file takes no entry, whatever needs one is refused before it
// does anything, without an entry. Where one cannot be written after all, nothing is revealed, and a change is answered
// with an error that says it was made. What takes long, or cannot be undone, has an entry before it begins as well: a
// crash comes between.
//
// Requests that may last as long as their sender likes, loads and followers of events, leave some of the listener's
// connections to the others. What waited in the backlog until its sender had gone is not done.
//
// Owned by:  sealiftd; outlives the listener that it was added to.
// Threads:   the listener's, any number at once.
// Errors:    {"error": {...}} with the exit code that the command ends with.
class Api {
 public:
  struct Options {
    std::string version;
    std::string data_dir;  // holds `audit`, and the spool of rejections
    std::function<absl::Time()> clock = absl::Now;
    absl::Duration follow_interval = absl::Milliseconds(250);  // how often `events --follow` looks
  };

  Api(Node& node, Audit& audit, Options options);

  void AddTo(UnixListener& listener);

 private:
  struct Call;
  using Act = absl::StatusOr<nlohmann::json> (Api::*)(Call&);
  enum class Audited { kNo, kYes, kUnlessDryRun, kWhenRevealing };

  void Add(UnixListener& listener, const char* method, const char* pattern, const char* command, Audited audited,
           Act act);
  void Answer(const char* command, Audited audited, Act act, AdminRequest& request, AdminResponse& response);
  // Whether it writes to the queue, and is refused while that cannot be written. Loads and backups ask for themselves.
  static bool Changes(Act act, const Call& call);
  static bool DryRun(const Call& call);
  // Whether it reads its body as it comes.
  static bool TakesPieces(Act act);
  // Whether it may go on for as long as whoever asks likes.
  static bool Lasts(Act act, const Call& call);
  // While it is kept, one more of these is under way. Null: there are as many as may be.
  std::shared_ptr<void> PlaceForLasting();
  // Writes down that it begins, where it is audited.
  absl::Status Begin(const Call& call);
  void Respond(Call& call, absl::StatusOr<nlohmann::json> result, AdminResponse& response);

  absl::StatusOr<nlohmann::json> DescribeNode(Call& call);
  absl::StatusOr<nlohmann::json> ListCampaigns(Call& call);
  absl::StatusOr<nlohmann::json> ShowCampaign(Call& call);
  absl::StatusOr<nlohmann::json> ReportCampaign(Call& call);
  absl::StatusOr<nlohmann::json> LoadCampaign(Call& call);
  absl::StatusOr<nlohmann::json> StartCampaign(Call& call);
  absl::StatusOr<nlohmann::json> PauseCampaign(Call& call);
  absl::StatusOr<nlohmann::json> ResumeCampaign(Call& call);
  absl::StatusOr<nlohmann::json> CancelCampaign(Call& call);
  absl::StatusOr<nlohmann::json> PreviewCampaign(Call& call);
  absl::StatusOr<nlohmann::json> PreflightCampaign(Call& call);
  absl::StatusOr<nlohmann::json> TestCampaign(Call& call);
  absl::StatusOr<nlohmann::json> ProbeTls(Call& call);
  absl::StatusOr<nlohmann::json> CountTls(Call& call);
  absl::StatusOr<nlohmann::json> ListTlsReports(Call& call);
  absl::StatusOr<nlohmann::json> IssueTlsReports(Call& call);
  absl::StatusOr<nlohmann::json> ListRows(Call& call);
  absl::StatusOr<nlohmann::json> ShapeQueue(Call& call);
  absl::StatusOr<nlohmann::json> RetryQueue(Call& call);
  absl::StatusOr<nlohmann::json> HoldQueue(Call& call);
  absl::StatusOr<nlohmann::json> RouteQueue(Call& call);
  absl::StatusOr<nlohmann::json> ReleaseQueue(Call& call);
  absl::StatusOr<nlohmann::json> ListHolds(Call& call);
  absl::StatusOr<nlohmann::json> BounceQueue(Call& call);
  absl::StatusOr<nlohmann::json> ExpireQueue(Call& call);
  absl::StatusOr<nlohmann::json> ReplayQueue(Call& call);
  absl::StatusOr<nlohmann::json> ListJobs(Call& call);
  absl::StatusOr<nlohmann::json> ShowJob(Call& call);
  absl::StatusOr<nlohmann::json> CancelJob(Call& call);
  absl::StatusOr<nlohmann::json> SuspendSource(Call& call);
  absl::StatusOr<nlohmann::json> ShowWarmup(Call& call);
  absl::StatusOr<nlohmann::json> SetWarmup(Call& call);
  absl::StatusOr<nlohmann::json> ResumeSource(Call& call);
  absl::StatusOr<nlohmann::json> ResumeThrottle(Call& call);
  absl::StatusOr<nlohmann::json> ExplainDomain(Call& call);
  absl::StatusOr<nlohmann::json> ListDomains(Call& call);
  absl::StatusOr<nlohmann::json> ListSources(Call& call);
  absl::StatusOr<nlohmann::json> ShowSource(Call& call);
  absl::StatusOr<nlohmann::json> ListThrottles(Call& call);
  absl::StatusOr<nlohmann::json> TraceMessage(Call& call);
  absl::StatusOr<nlohmann::json> FindMessages(Call& call);
  absl::StatusOr<nlohmann::json> StreamEvents(Call& call);
  absl::StatusOr<nlohmann::json> AddSuppression(Call& call);
  absl::StatusOr<nlohmann::json> Unsubscribe(Call& call);
  absl::StatusOr<nlohmann::json> RemoveSuppression(Call& call);
  absl::StatusOr<nlohmann::json> CheckSuppression(Call& call);
  absl::StatusOr<nlohmann::json> ShowSuppressionHistory(Call& call);
  absl::StatusOr<nlohmann::json> ListSuppressions(Call& call);
  absl::StatusOr<nlohmann::json> ImportSuppressions(Call& call);
  absl::StatusOr<nlohmann::json> ExportSuppressions(Call& call);
  absl::StatusOr<nlohmann::json> UndoSuppressions(Call& call);
  absl::StatusOr<nlohmann::json> IngestBounces(Call& call);
  absl::StatusOr<nlohmann::json> CreateBackup(Call& call);
  absl::StatusOr<nlohmann::json> ReconcileBackup(Call& call);
  absl::StatusOr<nlohmann::json> ShowKeys(Call& call);
  absl::StatusOr<nlohmann::json> RotateKey(Call& call);
  absl::StatusOr<nlohmann::json> ReloadConfig(Call& call);
  absl::StatusOr<nlohmann::json> ShowConfig(Call& call);
  absl::StatusOr<nlohmann::json> DiffConfig(Call& call);
  absl::StatusOr<nlohmann::json> ShowMetrics(Call& call);
  absl::StatusOr<nlohmann::json> TailAudit(Call& call);
  absl::StatusOr<nlohmann::json> VerifyAudit(Call& call);
  absl::StatusOr<nlohmann::json> ExportAudit(Call& call);

  absl::StatusOr<nlohmann::json> PlaceHold(Call& call, Hold::Kind kind, QueueFilter filter);
  absl::StatusOr<nlohmann::json> StartJob(Call& call, const Jobs::Request& request);
  absl::StatusOr<nlohmann::json> ReleaseInDoubt(Call& call, const QueueFilter& filter);
  absl::StatusOr<nlohmann::json> ReleaseRestored(const QueueFilter& filter, bool dry_run);
  absl::StatusOr<nlohmann::json> EndHolds(Call& call, const Holds::Which& which);
  absl::StatusOr<nlohmann::json> CampaignAnswer(const std::string& name);
  std::string CampaignName(queue::CampaignId id);
  nlohmann::json TraceAnswer(const MessageTrace& trace, bool reveal) const;
  nlohmann::json EventAnswer(const queue::Event& event, bool reveal);

  Node& node_;
  Audit& audit_;
  const Options options_;
  std::atomic<int> lasting_ = 0;
  std::mutex names_mutex_;
  std::map<queue::CampaignId, std::string> names_;  // a campaign's name never changes
};

}  // namespace sealift::engine
