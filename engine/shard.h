#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dns/cache.h"
#include "engine/metrics.h"
#include "engine/runtime/inbox.h"
#include "engine/runtime/ring.h"
#include "engine/scheduler.h"
#include "engine/shard_services.h"

namespace sealift::engine {

// Shard is one thread and everything on it: a ring, a resolver, the sessions, and the scheduler that feeds them.
// Nothing in it locks, blocks or waits on a disk.
//
// Owned by:  the node.
// Threads:   its own. From others: Post, Ask, Tell, OnDurable, Drain, and the metrics.
class Shard {
 public:
  struct Setup {
    int index = 0;
    int shards = 1;
    int unsettled_share = 4096;
    queue::Store* store = nullptr;
    Limits* limits = nullptr;
    Warmups* warmups = nullptr;
    Restraints* restraints = nullptr;
    Signers* signers = nullptr;
    std::shared_ptr<dns::Cache> dns_cache;
    HttpsFetcher* https = nullptr;
    StsPolicies* sts_policies = nullptr;
    TlsMemory* tls_memory = nullptr;
    std::shared_ptr<tls::ClientContext> tls;
    std::shared_ptr<const Options> options;
    std::shared_ptr<const SigningKeys> signing_keys;
    std::shared_ptr<const HoldSet> holds = std::make_shared<const HoldSet>();
  };

  // The ring's error where this machine forbids io_uring; a resolver's where its servers are wrong.
  static absl::StatusOr<std::unique_ptr<Shard>> Create(Setup setup);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Starts the thread. `peers` are all shards of the node, by index.
  void Start(std::vector<Shard*> peers);

  // Runs `message` on this shard; false when it has stopped. Waits while the inbox is full: not for shards.
  bool Post(ShardServices::Message message);
  // Runs `question` on this shard and waits until it has run. After the shard has stopped it is not run.
  void Ask(const std::function<void(Scheduler&)>& question);
  // Runs it there, after all that was posted before, and does not wait for it.
  void Tell(std::function<void(Scheduler&)> what);

  // The store has made this shard's outcomes durable up to that number.
  void OnDurable(uint64_t number);

  // Somebody was suppressed: known to the scheduler before whatever is asked of it next.
  void Hear(std::shared_ptr<const queue::SuppressionNews> news);

  // Begins to finish what is under way, within `limit`; the shard goes on to answer.
  void Drain(absl::Duration limit);
  // Ends the thread once that is done.
  void Join();

  bool started() const { return thread_.joinable(); }

  Metrics& metrics() { return metrics_; }
  // What nobody has taken yet; once the thread has ended.
  const TlsTally& tls_tally() const { return services_->tls_tally; }
  dns::Resolver::Counts dns_counts() const { return resolver_->counts(); }

 private:
  explicit Shard(Setup setup);

  absl::Status Prepare();
  Task<void> Main();
  Task<void> Housekeep();
  void EndOfTurn();
  // Runs `what` on another shard; kept and tried again while its inbox is full.
  void SendTo(int shard, std::function<void(Scheduler&)> what);
  void SendAgain();

  const Setup setup_;
  Metrics metrics_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<DnsResolver> resolver_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Web> web_;
  std::unique_ptr<tls::SessionCache> tls_sessions_;
  std::unique_ptr<Inbox<ShardServices::Message>> inbox_;
  std::unique_ptr<ShardServices> services_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<Shard*> peers_;
  std::vector<std::pair<int, std::function<void(Scheduler&)>>> unsent_;
  std::atomic<uint64_t> durable_{0};
  uint64_t durable_seen_ = 0;
  std::atomic<bool> ended_{false};
  Signal stop_;
  bool draining_ = false, ending_ = false;
  absl::Duration drain_limit_;
  std::thread thread_;
};

}  // namespace sealift::engine
