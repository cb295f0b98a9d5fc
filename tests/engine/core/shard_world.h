#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/active_campaign.h"
#include "engine/runtime/inbox.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/signal.h"
#include "engine/scheduler.h"
#include "engine/shard_services.h"
#include "queue/store.h"
#include "tests/engine/core/internet.h"
#include "tests/engine/core/temporary_folder.h"
#include "tests/queue/fault_file_system.h"

namespace sealift::engine {

// ShardWorld is one shard with everything that it works with: a real store in a folder of its own, the real scheduler
// and sessions on a ring and a thread of their own, and an Internet in memory.
//
// The test's body is plain code on the test's thread: it scripts servers, calls Start, sends, waits with Eventually,
// calls Stop, and then looks at what the servers saw.
class ShardWorld : public testing::Test {
 public:
  ~ShardWorld() override;

 protected:
  struct Content {
    std::string stream = "news";
    std::string text = "From: news@sender.test\r\nSubject: Hello\r\n\r\nHello {{email}}.\r\n";
    absl::Time accepted = absl::Now();
    CampaignLimits limits;
    std::string key;  // of every row; "": rows are named by their number
    bool tls_report = false;
    int weight = 1;
  };

  ShardWorld();
  void TearDown() override { Stop(); }

  // A stream of `options` in the only pool, opportunistic TLS, and a retry after an hour.
  StreamOptions& AddStream(const std::string& name);
  // One host "mx.<domain>" that takes mail for the domain.
  MailServer& AddDomain(const std::string& domain);

  void Start();
  // Drains for at most `limit`; the rest is cut. Everything may be looked at from the test's thread afterwards.
  void Stop(absl::Duration limit = absl::Seconds(30));
  // Stops, and opens the store as the next start would: with all that was handed over to it.
  void ReopenStore();

  // Sets the shard's clock forward, or back; nobody tells the shard.
  void SetClock(absl::Duration by);
  // Runs `question` on the shard's thread and waits for it.
  void OnShard(const std::function<void(Scheduler&)>& question);
  // Whether `condition` came true, asked on the shard's thread at the end of every turn.
  bool Eventually(std::function<bool()> condition, absl::Duration patience = absl::Seconds(30));

  // Rows of a new campaign, in this order from 1.
  queue::CampaignId Load(const std::string& name, const std::vector<std::string>& recipients, const Content& content);
  queue::CampaignId Load(const std::string& name, const std::vector<std::string>& recipients) {
    return Load(name, recipients, Content());
  }
  // Further rows of it, from `first` on.
  void LoadMore(queue::CampaignId id, uint32_t first, const std::vector<std::string>& recipients,
                std::span<const std::string_view> fields = {}, absl::Time accepted = absl::Now());
  void Run(queue::CampaignId id);
  // As a pause does; `stopped` becomes true once nothing of it is being sent.
  std::shared_ptr<std::atomic<bool>> Pause(queue::CampaignId id);
  // Load, then Run.
  queue::CampaignId Send(const std::string& name, const std::vector<std::string>& recipients, const Content& content);
  queue::CampaignId Send(const std::string& name, const std::vector<std::string>& recipients) {
    return Send(name, recipients, Content());
  }

  // Commits an entry of the suppression list, as an operator's command does; `announce`: the shard hears of it.
  void Suppress(const std::string& address, queue::SuppressionKind kind, bool announce = true);

  queue::Counters CountersOf(queue::CampaignId id);
  std::vector<queue::Event> EventsOf(queue::CampaignId id);
  std::vector<queue::StoredRow> RowsOf(queue::CampaignId id);
  bool EventuallyDelivered(queue::CampaignId id, uint64_t rows);
  bool EventuallyTried(queue::CampaignId id, uint64_t deferrals);

  // On the shard's thread, as in a condition of Eventually: the scheduler, and the rows that stand ready at a site.
  Scheduler& scheduler() { return *scheduler_; }
  size_t RowsReady(const std::string& domain);

  // The path of the first source to the domain's site.
  static Path& PathTo(Scheduler& scheduler, const std::string& domain,
                      tls::Policy policy = tls::Policy::kOpportunistic);

  // What a session of the path would get that has just begun.
  static std::optional<Assignment> NextFor(Scheduler& scheduler, Path& path, Refusal& refusal,
                                           Slots::For what = Slots::For::kAnything);

  Options options_;
  int unsettled_share_ = 4096;
  // With two, this shard stands for both: it finds the lanes that shard 0 finds, and receives what it gives to shard 1.
  int shards_ = 1;
  std::function<void(LaneHandover)> on_handover_;                      // on the shard's thread: receives it instead
  std::function<void(queue::CampaignId, absl::Time)> on_handed_back_;  // on the shard's thread: what it has no room for
  std::function<void()> at_end_of_turn_;                               // on the shard's thread
  std::function<void(uint64_t)> also_on_durable_;                      // on the shard's thread

  TemporaryFolder folder_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<Internet> internet_;
  std::shared_ptr<queue::FaultFileSystem> disk_;  // the store's
  std::unique_ptr<queue::Store> store_;
  Limits limits_;
  Metrics metrics_;
  StsPolicies sts_policies_;
  TlsMemory tls_memory_;
  Restraints restraints_{limits_, metrics_};
  Warmups warmups_{limits_, metrics_, "live"};
  std::map<queue::CampaignId, std::shared_ptr<ActiveCampaign>> active_;

 private:
  using Message = ShardServices::Message;

  void OpenStore();
  void CloseStore();
  void ReceiveLater(LaneHandover lane);
  Task<void> Main();
  void EndOfTurn();

  std::unique_ptr<tls::SessionCache> tls_sessions_;
  std::unique_ptr<Inbox<Message>> inbox_;
  std::unique_ptr<ShardServices> services_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Signers> signers_;
  std::atomic<int64_t> clock_set_by_nanos_{0};
  std::atomic<uint64_t> durable_{0};
  uint64_t durable_seen_ = 0;
  std::vector<std::function<bool()>> watches_;  // true: it is done
  Signal stop_;
  bool stopping_ = false;
  absl::Duration drain_limit_;
  std::thread thread_;
};

// "a1@d1.test", "a2@d1.test", ...
std::vector<std::string> Recipients(int count, const std::string& domain);

}  // namespace sealift::engine
