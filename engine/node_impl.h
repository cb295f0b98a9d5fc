#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/campaigns.h"
#include "engine/commit_news.h"
#include "engine/config_show.h"
#include "engine/expiry.h"
#include "engine/explain.h"
#include "engine/holds.h"
#include "engine/jobs.h"
#include "engine/kek.h"
#include "engine/limit_ledger.h"
#include "engine/limits.h"
#include "engine/message/finished_message.h"
#include "engine/metrics_text.h"
#include "engine/node.h"
#include "engine/restoration.h"
#include "engine/restraints.h"
#include "engine/returned_mail.h"
#include "engine/shard.h"
#include "engine/signers.h"
#include "engine/signing_keys.h"
#include "engine/start_parts.h"
#include "engine/suppressions.h"
#include "engine/tls_reports.h"
#include "engine/warmups.h"

namespace sealift::engine {

// The node as it runs: node.h says what for. What it does not do itself stands beside it: campaigns.h decides what is
// sent, campaign_loader.h takes in recipients, explain.h asks the shards why rows wait.
class NodeImpl final : public Node {
 public:
  NodeImpl(std::shared_ptr<const Options> options, ReadOptions read, RecordAct record);
  ~NodeImpl() override;

  absl::Status Prepare();

  absl::Status Start() override;
  void Interrupt(absl::Duration limit) override;
  void Drain() override;
  std::shared_ptr<const Options> options() const override;
  std::string MetricsText() override;
  absl::Status AdmitChange() const override;
  absl::Status Ready() const override;
  absl::StatusOr<std::vector<std::string>> Reload(bool allow_weaker) override;
  absl::StatusOr<ConfigDiff> DiffConfig() const override;

  absl::StatusOr<std::unique_ptr<CampaignLoader>> Load(LoadRequest request) override;
  absl::StatusOr<CampaignStatus> Show(std::string_view name) override;
  absl::StatusOr<std::vector<CampaignStatus>> List() override;
  absl::Status StartCampaign(std::string_view name, std::optional<absl::Time> at) override;
  absl::Status Pause(std::string_view name, const PauseCause& cause) override { return campaigns_->Pause(name, cause); }
  absl::Status Resume(std::string_view name, const PauseCause& cause) override {
    return campaigns_->Resume(name, cause);
  }
  absl::StatusOr<CampaignStatus> Cancel(std::string_view name, bool erase) override;
  absl::StatusOr<std::string> Preview(std::string_view name, uint32_t row, std::optional<absl::Time> date) override;

  absl::StatusOr<PreflightReport> RunPreflight(std::string_view name) override;
  absl::StatusOr<TlsProbeReport> ProbeTls(std::string_view domain) override;
  absl::StatusOr<TestMail> SendTestMail(std::string_view name, const TestMailRequest& request) override;

  absl::StatusOr<QueueShape> Shape(const QueueFilter& filter, size_t max) override;
  absl::StatusOr<QueuePage> ListRows(const QueueFilter& filter, std::string cursor, int max) override;
  absl::StatusOr<RowCount> ReleaseInDoubt(const QueueFilter& filter) override;
  absl::StatusOr<RowCount> CountRows(const QueueFilter& filter, absl::Duration patience) override;
  Holds& holds() override { return *holds_; }
  Jobs& jobs() override { return *jobs_; }
  TlsReports& tls_reports() override { return *tls_reports_; }
  Suppressions& suppressions() override { return *suppressions_; }
  ReturnedMail& returned_mail() override { return *returned_mail_; }
  absl::StatusOr<BackupMade> Backup() override;
  Restoration& restoration() override { return *restoration_; }
  queue::KeyReport Keys() override { return store_->DescribeKeys(); }
  absl::StatusOr<queue::KeyReport> RotateKey(const std::string& file) override;
  absl::StatusOr<DomainExplanation> Explain(std::string_view text) override;
  std::vector<LimitStatus> Throttles() override;
  std::vector<SourceStatus> Sources() override;
  std::vector<SourceStatus::Restraint> EndSuspensions(const std::string& source, const std::string& provider,
                                                      bool dry_run) override;
  std::vector<SourceStatus::Restraint> EndSuspension(const std::string& limit, bool dry_run) override;
  absl::StatusOr<std::vector<WarmupStatus>> ShowWarmup(const std::string& source) override;
  absl::StatusOr<std::vector<WarmupStatus>> SetWarmup(const std::string& source, const WarmupOrder& order) override;
  absl::StatusOr<MessageTrace> Trace(std::string_view id) override;
  absl::StatusOr<std::vector<MessageTrace>> FindMessages(std::string_view recipient) override;
  absl::StatusOr<queue::EventsPage> Events(std::string after, int max, const queue::EventFilter& filter) override;
  std::string MessageId(const queue::MessageKey& key) const override;

 private:
  std::shared_ptr<const SigningKeys> signing_keys() const;
  // The configuration as its file is now, what it needs, and how it differs from what is in force.
  struct Candidate {
    StartParts parts;
    ConfigDiff diff;
  };
  absl::StatusOr<Candidate> ReadCandidate() const;
  absl::StatusOr<MessageTrace> TraceOf(const queue::MessageKey& key);
  CampaignStatus StatusOf(const queue::Campaign& campaign);
  // The campaigns that a filter means; an error for a name that is none.
  absl::StatusOr<std::vector<queue::Campaign>> Matching(const QueueFilter& filter);
  // Every lane of them that a filter means. How many rows (of those that `counted` says) are in lanes that it means if
  // their domains are of its provider, which could not be told until then.
  absl::StatusOr<uint64_t> ForEachLane(
      const QueueFilter& filter, absl::Time until,
      const std::function<void(const queue::Campaign&, const queue::LaneRecord&)>& visit,
      uint64_t queue::LaneRecord::* counted = &queue::LaneRecord::queued);
  // Of filters that ask about each row, which are all read.
  absl::StatusOr<QueueShape> ShapeOfRows(const QueueFilter& filter, size_t max);
  absl::StatusOr<QueuePage> ListRowsWithin(const QueueFilter& filter, const std::string& cursor, int max,
                                           absl::Time until);
  // As far as the shards know. Empty: its hosts are not known, nor whose they are.
  std::string ProviderOf(const std::string& domain);
  // Adds those of domains that are not among them: the shards are asked, then the DNS until that time. False: it came
  // before all were looked up.
  bool FindProviders(const std::set<std::string>& domains, absl::Time until,
                     std::map<std::string, std::string>& providers);
  std::map<std::string, std::vector<dns::MxHost>> HostsOf(std::vector<std::string> domains, absl::Time until);
  // Of a retry whose filter asks about rows.
  absl::StatusOr<uint64_t> MakeDue(queue::CampaignId id, const std::vector<queue::LaneRecord>& lanes, absl::Time due);
  // The shard at which a lane begins that none has.
  Shard& HomeOf(const queue::LaneId& lane);
  void Returned(queue::CampaignId id, const std::vector<queue::ReplayedRows::Lane>& lanes);
  absl::StatusOr<uint64_t> MakeRowsDue(queue::CampaignId id, const queue::LaneId& lane, bool in_doubt,
                                       const JobNode::DueJudge& judge, const std::atomic<bool>* stop);
  // How many of its queued rows only an extension carries, by domain; nothing when there are too many rows to look at.
  struct RowsNeeding {
    uint64_t smtputf8 = 0, eightbitmime = 0;  // the latter alone
  };
  absl::StatusOr<std::optional<std::map<std::string, RowsNeeding>>> CountNeeds(const queue::Campaign& campaign);
  // How many of a campaign's queued rows are suppressed now; nothing when the list is too long to compare.
  absl::StatusOr<std::optional<uint64_t>> CountSuppressed(const queue::Campaign& campaign, StreamKind kind);

  // The key that seals backups; why none can be made.
  absl::StatusOr<Kek> BackupKey(const Options& options) const;
  // Removes what a node that was killed has left of one, and warns where none can be made; before any is made.
  void PrepareBackups() const;
  absl::Status AdmitLoad() const;
  // Ok, or why nothing is written that need not be: the queue is stopped, or there is less room than loads ask for,
  // beside so many bytes that are yet to be written.
  absl::Status HasRoom(uint64_t unflushed) const;
  absl::StatusOr<std::string> PreviewFinished(const queue::Campaign& campaign,
                                              const std::vector<std::string_view>& fields,
                                              const FinishedMessage::Identity& identity);
  void WatchStorage();
  void WatchClock();
  // What is known of destinations, from disk at the start and back as it changes.
  absl::Status RecallDestinations();
  void NoteDestinations();
  // What limits our sending, from disk at the start and back as it changes.
  absl::Status RecallLimits(absl::Time now);
  void NoteLimits(absl::Time now);
  void CloseLimits();
  bool PutLimits(std::vector<queue::Note> notes);
  // What replies ask for that a shard cannot do: it waits for the disk.
  void ActOnReplies(absl::Time now);
  void ForgetBouncesOfEnded();
  // How many of a campaign's queued rows a hold keeps that does not depend on their site, and which holds: all of them,
  // or those of single domains.
  std::vector<HeldRows> CountHeld(const queue::Campaign& campaign);
  // Adds what keeps the rows of a campaign that no shard knows of.
  void CountElsewhere(const queue::Campaign& campaign, std::vector<WaitingRows>& waiting);
  bool IsOfOtherMode(const queue::Campaign& campaign) const;  // it was loaded under the other `delivery`
  bool Runs(const queue::Campaign& campaign) const;
  // Rows of a campaign that does not run.
  WaitReason NotRunning(const queue::Campaign& campaign, uint64_t rows) const;
  WaitReason WhyRowWaits(const queue::Campaign& campaign, const queue::StoredRow& row);
  void CountQueue();
  // Rows of the campaign were settled or moved whoever has claimed them.
  void Reread(queue::CampaignId id);
  // One that came back by mail.
  void CountBounce(const ReturnedMail::Bounce& bounce);
  // Tells every shard whom a commit has suppressed.
  void Announce(const queue::SuppressionNews& news);
  std::unique_ptr<Jobs> MakeJobs();
  // They have its template, and perhaps a row's values.
  absl::Status EraseTestsOf(std::string_view name);
  std::unique_ptr<TlsReports> MakeTlsReports();
  // Where what is slowed binds a source: "everywhere", "to google", "stream news". Empty: nowhere.
  std::string WhereSlowed(const std::string& source, const Restraints::Slowed& slowed) const;
  // Whether the stream's pool has that source.
  bool LeavesFrom(const std::string& stream, const std::string& source) const;
  void AskShards(const std::function<void(Scheduler&)>& question);
  void AddMetrics();
  // Tells the shards to finish what is in flight, and all that looks to end; once.
  void BeginDrain(absl::Duration limit);
  void Upkeep();
  // Forgets what is past its retention. Apart from the upkeep, which watches the disk and the clock meanwhile.
  void Forget();

  std::mutex reload_;  // held from reading the file until all shards have it: the last one read is in force
  mutable std::mutex options_mutex_;
  std::shared_ptr<const Options> options_;
  std::shared_ptr<const SigningKeys> signing_keys_;
  const ReadOptions read_;
  const RecordAct record_;
  Limits limits_;
  Metrics metrics_;
  Restraints restraints_{limits_, metrics_};
  std::unique_ptr<Warmups> warmups_;
  std::mutex noting_limits_;
  std::shared_ptr<dns::Cache> dns_cache_;
  StsPolicies sts_policies_;
  TlsMemory tls_memory_;
  std::unique_ptr<HttpsFetcher> https_;  // goes after the shards, which it answers
  std::shared_ptr<tls::ClientContext> tls_;
  std::atomic<bool> interrupted_{false};
  std::mutex preflight_;  // one at a time, or a probe
  CommitNews commits_;
  std::unique_ptr<queue::Store> store_;
  std::unique_ptr<LimitLedger> ledger_;  // goes before the store
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<bool> shards_made_{false};
  std::unique_ptr<Signers> signers_;  // goes before the shards, which it answers
  std::unique_ptr<Restoration> restoration_;
  std::unique_ptr<Campaigns> campaigns_;
  std::unique_ptr<Suppressions> suppressions_;
  std::unique_ptr<ReturnedMail> returned_mail_;
  std::unique_ptr<Holds> holds_;
  std::unique_ptr<Jobs> jobs_;
  std::unique_ptr<TlsReports> tls_reports_;
  std::unique_ptr<engine::MetricsText> metrics_text_;
  std::unique_ptr<Expiry> expiry_;
  std::atomic<bool> storage_ok_{true}, storage_stopped_{false};

  // All that is queued, counted at one moment.
  struct QueueCount {
    std::vector<WaitingRows> waiting;
    std::map<std::string, queue::Counters> streams;  // accepted: queued
    std::map<queue::CampaignId, std::string> stream_of;
  };
  mutable std::mutex counted_mutex_;  // guards the last count
  QueueCount counted_;

  std::mutex upkeep_mutex_;
  std::condition_variable upkeep_wakes_;
  bool stopping_ = false;
  bool pause_at_once_ = false;
  bool drained_ = false;
  // How far the clock is ahead of one that nobody sets; of the upkeep's thread.
  std::optional<absl::Duration> clock_ahead_;
  absl::Time clock_looked_at_;  // last, by the latter
  std::thread upkeep_, forgetting_;
  std::jthread gives_up_;  // on room for what waits for it, at the end of a stop
};

}  // namespace sealift::engine
