#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/config_show.h"
#include "engine/holds.h"
#include "engine/jobs.h"
#include "engine/node.h"
#include "engine/options.h"
#include "engine/preflight/report.h"
#include "engine/restoration.h"
#include "engine/returned_mail.h"
#include "engine/suppressions.h"
#include "engine/tls_probe_report.h"
#include "engine/tls_reports.h"

namespace sealift::tools {

// FakeNode is a node that remembers what it was asked and answers what a test told it to.
//
// Threads: calls come from the listener's threads, one at a time in these tests; `calls` is read after an answer.
class FakeNode final : public engine::Node {
 public:
  FakeNode();
  ~FakeNode() override;

  absl::Status Start() override { return absl::OkStatus(); }
  void Interrupt(absl::Duration) override {}
  void Drain() override {}
  std::shared_ptr<const engine::Options> options() const override { return options_; }
  std::string MetricsText() override { return metrics; }
  absl::Status AdmitChange() const override { return admits_change; }
  absl::Status Ready() const override { return ready; }
  absl::StatusOr<std::vector<std::string>> Reload(bool allow_weaker) override;
  absl::StatusOr<engine::ConfigDiff> DiffConfig() const override { return config_diff; }
  absl::StatusOr<std::unique_ptr<engine::CampaignLoader>> Load(engine::LoadRequest request) override;
  absl::StatusOr<engine::CampaignStatus> Show(std::string_view name) override;
  absl::StatusOr<std::vector<engine::CampaignStatus>> List() override;
  absl::Status StartCampaign(std::string_view name, std::optional<absl::Time> at) override;
  absl::Status Pause(std::string_view name, const engine::PauseCause& cause) override;
  absl::Status Resume(std::string_view name, const engine::PauseCause& cause) override;
  absl::StatusOr<engine::CampaignStatus> Cancel(std::string_view name, bool erase) override;
  absl::StatusOr<std::string> Preview(std::string_view name, uint32_t row, std::optional<absl::Time> date) override;
  absl::StatusOr<engine::PreflightReport> RunPreflight(std::string_view name) override;
  absl::StatusOr<engine::TlsProbeReport> ProbeTls(std::string_view domain) override;
  absl::StatusOr<engine::TestMail> SendTestMail(std::string_view name, const engine::TestMailRequest& request) override;
  absl::StatusOr<QueueShape> Shape(const engine::QueueFilter& filter, size_t max) override;
  absl::StatusOr<QueuePage> ListRows(const engine::QueueFilter& filter, std::string cursor, int max) override;
  absl::StatusOr<engine::RowCount> ReleaseInDoubt(const engine::QueueFilter& filter) override;
  absl::StatusOr<engine::DomainExplanation> Explain(std::string_view domain) override;
  std::vector<engine::LimitStatus> Throttles() override;
  std::vector<engine::SourceStatus> Sources() override;
  std::vector<engine::SourceStatus::Restraint> EndSuspensions(const std::string& source, const std::string& provider,
                                                              bool dry_run) override;
  std::vector<engine::SourceStatus::Restraint> EndSuspension(const std::string& limit, bool dry_run) override;
  absl::StatusOr<std::vector<engine::WarmupStatus>> ShowWarmup(const std::string& source) override;
  absl::StatusOr<std::vector<engine::WarmupStatus>> SetWarmup(const std::string& source,
                                                              const engine::WarmupOrder& order) override;
  absl::StatusOr<engine::MessageTrace> Trace(std::string_view id) override;
  absl::StatusOr<std::vector<engine::MessageTrace>> FindMessages(std::string_view recipient) override;
  absl::StatusOr<queue::EventsPage> Events(std::string after, int max, const queue::EventFilter& filter) override;
  std::string MessageId(const queue::MessageKey& key) const override;
  absl::StatusOr<engine::RowCount> CountRows(const engine::QueueFilter& filter, absl::Duration patience) override;
  engine::Holds& holds() override;
  engine::Jobs& jobs() override;
  // Real ones, in the same store, that have counted what `tls_counts` has; everybody wants reports at tls@d1.test.
  engine::TlsReports& tls_reports() override;
  // The real list, in a store of its own that is made when it is first asked for.
  engine::Suppressions& suppressions() override;
  // On the same store.
  engine::ReturnedMail& returned_mail() override;

  absl::StatusOr<engine::BackupMade> Backup() override;
  // Of the store that the suppressions are in.
  engine::Restoration& restoration() override;
  queue::KeyReport Keys() override;
  absl::StatusOr<queue::KeyReport> RotateKey(const std::string& file) override;

  // What was asked, a line a call: "pause spring".
  std::vector<std::string> calls() const;

  // Makes the list, and has hard bounces on it: these addresses, as ip1 was told by google at that
  // time, or by the sink in its place.
  void Bounce(const std::vector<std::string>& addresses, absl::Time when, bool sink = false);
  int judged_again = 0;

  // What List-Unsubscribe of a message to this address would carry; the message waits in a campaign `letter` of the
  // stream `newsletter`.
  std::string UnsubscribeToken(const std::string& address);

  // One campaign, `spring`, is there.
  engine::CampaignStatus spring;
  std::string preview;  // of any row; empty: a short one to kSecret
  std::string metrics;
  absl::StatusOr<engine::ConfigDiff> config_diff = engine::ConfigDiff{};
  absl::Status admits_change;
  absl::Status ready;
  absl::Status refuse;                                        // what loads answer when not Ok
  std::function<void(const std::string& call)> on_call = {};  // what it is asked, before it answers
  engine::LoadRequest loaded;
  engine::PreflightReport preflight;
  engine::TlsProbeReport tls_probe;
  engine::TlsTally tls_counts;
  absl::StatusOr<engine::TestMail> test_mail = engine::TestMail{};
  std::string loaded_bytes;
  std::vector<engine::CampaignLoader::Rejection> rejections;
  std::vector<queue::Event> events;

 private:
  void Note(std::string call);
  void OpenStore();

  std::shared_ptr<engine::Options> options_;  // `newsletter` is a marketing stream, `receipts` a transactional one
  std::string directory_;                     // of the store
  std::unique_ptr<queue::Store> store_;
  std::unique_ptr<engine::Suppressions> suppressions_;
  std::unique_ptr<engine::ReturnedMail> returned_mail_;
  std::unique_ptr<engine::Restoration> restoration_;
  std::unique_ptr<engine::Holds> holds_;
  std::unique_ptr<engine::Jobs> jobs_;
  engine::Metrics metrics_;
  std::unique_ptr<engine::TlsReports> tls_reports_;
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
};

// An address that must not be shown to who did not ask: what these tests look for.
inline constexpr char kSecret[] = "jane.doe@d1.test";
inline constexpr char kMasked[] = "j***@d1.test";

}  // namespace sealift::tools
