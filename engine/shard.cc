#include "engine/shard.h"

#include <fmt/format.h>
#include <pthread.h>

#include <chrono>
#include <future>
#include <random>
#include <utility>

#include "engine/log.h"
#include "engine/runtime/deadline.h"
#include "engine/runtime/run_messages.h"
#include "engine/runtime/task_group.h"
#include "engine/runtime/tcp_network.h"

namespace sealift::engine {
namespace {

constexpr size_t kInboxMessages = 4096;
constexpr absl::Duration kHousekeeping = absl::Seconds(30);
constexpr absl::Duration kMessagesATurn = absl::Milliseconds(1);  // thousands may come at once

}  // namespace

absl::StatusOr<std::unique_ptr<Shard>> Shard::Create(Setup setup) {
  std::unique_ptr<Shard> shard(new Shard(std::move(setup)));
  const absl::Status prepared = shard->Prepare();
  if (!prepared.ok()) return prepared;
  return shard;
}

Shard::Shard(Setup setup) : setup_(std::move(setup)) {}

Shard::~Shard() { Join(); }

absl::Status Shard::Prepare() {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create({});
  if (!ring.ok()) return ring.status();
  ring_ = *std::move(ring);
  const Options& options = *setup_.options;
  absl::StatusOr<std::unique_ptr<DnsResolver>> resolver = DnsResolver::Create(
      *ring_, {.servers = options.dns.servers, .timeout = options.dns.timeout, .tries = options.dns.tries},
      setup_.dns_cache);
  if (!resolver.ok()) return resolver.status();
  resolver_ = *std::move(resolver);
  network_ = std::make_unique<TcpNetwork>(*ring_);
  web_ = std::make_unique<HttpsWeb>(*ring_, *setup_.https);
  tls_sessions_ = std::make_unique<tls::SessionCache>(tls::SessionCache::Options{});
  inbox_ = std::make_unique<Inbox<ShardServices::Message>>(*ring_, kInboxMessages);
  services_.reset(new ShardServices{
      .index = setup_.index,
      .shards = setup_.shards,
      .ring = *ring_,
      .store = *setup_.store,
      .limits = *setup_.limits,
      .restraints = *setup_.restraints,
      .warmups = *setup_.warmups,
      .metrics = metrics_,
      .signers = *setup_.signers,
      .network = *network_,
      .resolver = *resolver_,
      .web = *web_,
      .sts_policies = *setup_.sts_policies,
      .tls_memory = *setup_.tls_memory,
      .tls_sessions = *tls_sessions_,
      .tls = setup_.tls,
      .options = setup_.options,
      .signing_keys = setup_.signing_keys,
      .random = std::mt19937_64(std::random_device()()),
      .post = [this](ShardServices::Message message) { Post(std::move(message)); },
      .send_lane =
          [this](int shard, LaneHandover lane) {
            SendTo(shard, [lane = std::move(lane)](Scheduler& there) { there.Receive(lane); });
          },
      .send_home =
          [this](int shard, queue::CampaignId campaign, absl::Time when) {
            SendTo(shard, [campaign, when](Scheduler& there) { there.HandedBack(campaign, when); });
          },
      .holds = setup_.holds,
  });
  scheduler_ = std::make_unique<Scheduler>(*services_, setup_.unsettled_share);
  ring_->SetEndOfTurn([this] { EndOfTurn(); });
  return absl::OkStatus();
}

void Shard::Start(std::vector<Shard*> peers) {
  peers_ = std::move(peers);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), fmt::format("shard {}", setup_.index).c_str());
    ring_->Run(Main());
    ended_.store(true, std::memory_order_release);
  });
}

Task<void> Shard::Main() {
  TaskGroup reading(*ring_);
  TaskGroup housekeeping(*ring_);
  reading.Start(RunMessages(*ring_, *inbox_, kMessagesATurn));
  housekeeping.Start(Housekeep());
  while (!draining_) {
    const absl::Status woken = co_await stop_.Wait();
    if (!woken.ok()) break;
  }
  // Commits go on arriving through the inbox meanwhile.
  co_await WithDeadline(*ring_, drain_limit_, scheduler_->Drain());
  while (!ending_) {
    const absl::Status woken = co_await stop_.Wait();
    if (!woken.ok()) break;
  }
  inbox_->Close();
  co_await reading.Join();
  housekeeping.Cancel();
  co_await housekeeping.Join();
  co_await resolver_->Stop();
}

Task<void> Shard::Housekeep() {
  while (true) {
    const absl::Status slept = co_await ring_->Sleep(kHousekeeping);
    if (!slept.ok()) co_return;
    scheduler_->directory().Sweep();
  }
}

void Shard::EndOfTurn() {
  const uint64_t durable = durable_.load(std::memory_order_acquire);
  if (durable > durable_seen_) {
    durable_seen_ = durable;
    scheduler_->OnDurable(durable);
  }
  if (!unsent_.empty()) SendAgain();
  scheduler_->EndOfTurn();
}

bool Shard::Post(ShardServices::Message message) { return inbox_->Push(std::move(message)); }

void Shard::Ask(const std::function<void(Scheduler&)>& question) {
  // Shared with the message, which is dropped unrun when the shard stops: the broken promise then ends the wait.
  auto asked = std::make_shared<std::promise<void>>();
  std::future<void> answered = asked->get_future();
  if (!Post([this, &question, asked = std::move(asked)] {
        question(*scheduler_);
        asked->set_value();
      })) {
    return;
  }
  while (answered.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
    if (ended_.load(std::memory_order_acquire)) return;
  }
}

void Shard::Tell(std::function<void(Scheduler&)> what) {
  Post([this, what = std::move(what)] { what(*scheduler_); });
}

void Shard::OnDurable(uint64_t number) {
  durable_.store(number, std::memory_order_release);
  // Only to wake the ring. A full inbox means that it is awake, and it looks at the number at the end of every turn.
  const bool woken = inbox_->TryPush([] {});
  (void)woken;
}

void Shard::Hear(std::shared_ptr<const queue::SuppressionNews> news) {
  Tell([news = std::move(news)](Scheduler& scheduler) { scheduler.Hear(*news); });
}

void Shard::SendTo(int shard, std::function<void(Scheduler&)> what) {
  unsent_.emplace_back(shard, std::move(what));
  SendAgain();
}

void Shard::SendAgain() {
  std::vector<std::pair<int, std::function<void(Scheduler&)>>> waiting = std::move(unsent_);
  unsent_.clear();
  for (auto& [index, what] : waiting) {
    Shard* const peer = peers_[static_cast<size_t>(index)];
    ShardServices::Message message = [peer, run = what] { run(*peer->scheduler_); };
    if (!peer->inbox_->TryPush(std::move(message)) && !peer->inbox_->closed())
      unsent_.emplace_back(index, std::move(what));
  }
}

void Shard::Drain(absl::Duration limit) {
  Post([this, limit] {
    drain_limit_ = limit;
    draining_ = true;
    stop_.NotifyAll();
  });
}

void Shard::Join() {
  if (!thread_.joinable()) return;
  Post([this] {
    ending_ = true;
    stop_.NotifyAll();
  });
  thread_.join();
}

}  // namespace sealift::engine
