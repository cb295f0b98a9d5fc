#include "engine/node.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "engine/binding_rates.h"
#include "engine/campaign_settings.h"
#include "engine/config_place.h"
#include "engine/config_show.h"
#include "engine/directory.h"
#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "engine/kek.h"
#include "engine/log.h"
#include "engine/node_impl.h"
#include "engine/providers.h"
#include "engine/recurrence.h"
#include "tls/sp800_52.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kUpkeepEvery = absl::Seconds(1);
// For the outcomes of what may be unsettled; what the queue buffers in memory comes to it.
constexpr uint64_t kReserveBytes = 16 << 20;
constexpr absl::Duration kSweepEvery = absl::Hours(1);
constexpr absl::Duration kFirstSweepAfter = absl::Minutes(1);  // a node may never run for an hour
constexpr absl::Duration kLookForSweep = absl::Seconds(10);
constexpr absl::Duration kEraseEvery = absl::Seconds(10);

void WarnOf(const std::vector<std::string>& unavailable) {
  for (const std::string& source : unavailable)
    LogWarning("a source is unavailable: its address is not one of this machine", {{"source", source}});
}

int ShardsFor(const Options& options) {
  if (options.node.shards > 0) return options.node.shards;
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Node>> Node::Open(std::shared_ptr<const Options> options, ReadOptions read,
                                                 RecordAct record) {
  auto node = std::make_unique<NodeImpl>(std::move(options), std::move(read), std::move(record));
  const absl::Status prepared = node->Prepare();
  if (!prepared.ok()) return prepared;
  return node;
}

NodeImpl::NodeImpl(std::shared_ptr<const Options> options, ReadOptions read, RecordAct record)
    : options_(std::move(options)), read_(std::move(read)), record_(std::move(record)) {}

NodeImpl::~NodeImpl() {
  Drain();
  ledger_.reset();
  gives_up_ = {};
  // Commits what is left. Its threads call the shards, so it goes before them.
  store_.reset();
}

absl::Status NodeImpl::Prepare() {
  const absl::StatusOr<StartParts> parts = StartParts::Of(*options_);
  if (!parts.ok()) return parts.status();
  WarnOf(parts->unavailable);
  const std::shared_ptr<const Options> options = options_ = parts->options;
  signing_keys_ = parts->signing_keys;
  tls_ = parts->tls;
  const absl::StatusOr<Kek> kek = LoadKek(*options);
  if (!kek.ok()) return WithExit(kek.status(), ExitCode::kConfig);
  if (options->tls.fips) {
    LogInfo("TLS is held to the algorithms of NIST SP 800-52r2",
            {{"fips_module", tls::FipsModuleActive() ? "active" : "not active: OpenSSL's configuration loads none"}});
  }

  const int shards = ShardsFor(*options);
  absl::StatusOr<std::unique_ptr<queue::Store>> store = queue::Store::Open({
      .path = options->node.data_dir + "/queue",
      .kek = *kek,
      .memory_bytes = options->node.memory.bytes / 2,  // the other half: windows, sessions, caches
      .shards = shards,
      .on_durable =
          [this](int shard, uint64_t number) {
            if (shards_made_.load(std::memory_order_acquire)) shards_[static_cast<size_t>(shard)]->OnDurable(number);
            commits_.Announce();
          },
      .on_suppressions = [this](const queue::SuppressionNews& news) { Announce(news); },
      .on_failure =
          [this](const absl::Status& why) {
            if (why.ok()) return;
            storage_stopped_ = true;
            LogError("the queue cannot be written: accepting and sending have stopped", {{"why", why}});
          },
      .key_field = KeyFieldOf,
      .reserve_bytes = options->node.memory.bytes / 8 + kReserveBytes,
  });
  if (!store.ok()) return SetAt(*options, "node.data_dir", store.status());
  store_ = *std::move(store);
  const uint64_t disk = store_->Disk().bytes;
  if (options->storage.stop_load_below.Bytes(disk) < options->storage.stop_send_below.Bytes(disk)) {
    LogWarning("on this disk sending stops before loads do: what is loaded then waits",
               {{"next", "raise storage.stop_load_below above storage.stop_send_below"}});
  }

  if (absl::Status recalled = RecallDestinations(); !recalled.ok()) return recalled;
  if (absl::Status adopted = restraints_.Adopt(options); !adopted.ok()) return WithExit(adopted, ExitCode::kConfig);
  restraints_.OnPause([this] {
    {
      const std::lock_guard lock(upkeep_mutex_);
      pause_at_once_ = true;
    }
    upkeep_wakes_.notify_all();
  });
  if (absl::Status recalled = RecallLimits(absl::Now()); !recalled.ok()) return recalled;
  holds_ = std::make_unique<Holds>(
      *store_, [this] { return this->options(); },
      [this](const std::shared_ptr<const HoldSet>& holds) {
        AskShards([&](Scheduler& scheduler) { scheduler.AdoptHolds(holds); });
      });
  if (absl::Status opened = holds_->Open(absl::Now()); !opened.ok()) return opened;
  if (absl::Status followed = holds_->FollowNames(*options, absl::Now(), Holds::Since::kStart); !followed.ok())
    return followed;
  holds_->Followed();
  dns_cache_ = std::make_shared<dns::Cache>(dns::Cache::Options{.bytes_max = options->dns.cache.bytes});
  https_ =
      std::make_unique<HttpsFetcher>(HttpsFetcher::Options{.ca_file = options->tls.ca_file, .fips = options->tls.fips});
  // One a core, as the shards: where mail is signed, that is what the cores do most.
  signers_ = std::make_unique<Signers>(std::max(1, static_cast<int>(std::thread::hardware_concurrency())), metrics_);
  warmups_->Adopt(*options);
  ledger_->Start();
  const int share = std::max(1, options->node.unsettled_max / shards);
  std::vector<Shard*> peers;
  for (int i = 0; i < shards; ++i) {
    absl::StatusOr<std::unique_ptr<Shard>> shard = Shard::Create({.index = i,
                                                                  .shards = shards,
                                                                  .unsettled_share = share,
                                                                  .store = store_.get(),
                                                                  .limits = &limits_,
                                                                  .warmups = warmups_.get(),
                                                                  .restraints = &restraints_,
                                                                  .signers = signers_.get(),
                                                                  .dns_cache = dns_cache_,
                                                                  .https = https_.get(),
                                                                  .sts_policies = &sts_policies_,
                                                                  .tls_memory = &tls_memory_,
                                                                  .tls = tls_,
                                                                  .options = options,
                                                                  .signing_keys = signing_keys_,
                                                                  .holds = holds_->in_force()});
    if (!shard.ok()) return shard.status();
    peers.push_back(shard->get());
    shards_.push_back(*std::move(shard));
  }
  shards_made_.store(true, std::memory_order_release);
  restoration_ = std::make_unique<Restoration>(*store_, std::string(Campaigns::ModeName(options->delivery)),
                                               [this] { return campaigns_->Recover(); });
  campaigns_ = std::make_unique<Campaigns>(
      *store_, shards_, options->delivery,
      Campaigns::Surroundings{
          .may_send = [this] { return restoration_->MaySend(); },
          .cancelled =
              [this](const queue::Campaign& before, uint64_t rows) {
                metrics_.counter(Metric::kMessagesCancelled, {before.spec.stream})->Add(rows);
                jobs_->GiveUp(before.id);
              },
          .stays_settled = [this](const queue::Campaign& campaign) { return !jobs_->MayReplay(campaign); },
      });
  suppressions_ = std::make_unique<Suppressions>(
      *store_, [this] { return this->options(); },
      Suppressions::Shards{.heard = [this] { AskShards([](Scheduler&) {}); },
                           .judge_again = [this] { AskShards([](Scheduler& scheduler) { scheduler.JudgeAgain(); }); }});
  returned_mail_ = std::make_unique<ReturnedMail>(
      *store_, ReturnedMail::Surroundings{
                   .options = [this] { return this->options(); },
                   .heard = [this] { AskShards([](Scheduler&) {}); },
                   .reread = [this](queue::CampaignId id) { Reread(id); },
                   .bounced = [this](const ReturnedMail::Bounce& bounce) { CountBounce(bounce); },
                   .doubts =
                       [this](const std::string& mx) {
                         return restraints_.Doubts(JudgeOf(*this->options(), {dns::MxHost{.name = mx}}), absl::Now());
                       }});
  AddMetrics();
  for (const std::unique_ptr<Shard>& shard : shards_) shard->Start(peers);
  expiry_ = std::make_unique<Expiry>(*store_, [this](const queue::Campaign& campaign, uint64_t rows) {
    metrics_.counter(Metric::kMessagesExpired, {campaign.spec.stream})->Add(rows);
    LogInfo("messages have expired", {{"campaign", campaign.spec.name}, {"rows", rows}});
    Reread(campaign.id);
  });
  PrepareBackups();
  jobs_ = MakeJobs();
  if (absl::Status opened = jobs_->Open(); !opened.ok()) return opened;
  tls_reports_ = MakeTlsReports();
  return tls_reports_->Open();
}

absl::Status NodeImpl::Start() {
  if (absl::Status recovered = campaigns_->Recover(); !recovered.ok()) return recovered;
  expiry_->Start();
  jobs_->Begin();
  tls_reports_->Start();
  upkeep_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "upkeep");
    Upkeep();
  });
  forgetting_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "forgetting");
    Forget();
  });
  return absl::OkStatus();
}

void NodeImpl::BeginDrain(absl::Duration limit) {
  if (interrupted_.exchange(true)) return;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    if (shard->started()) shard->Drain(limit);
  }
  commits_.Announce();
}

void NodeImpl::Interrupt(absl::Duration limit) {
  BeginDrain(limit);
  gives_up_ = std::jthread([this, limit](const std::stop_token& over) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any wakes;
    (void)wakes.wait_for(lock, over, absl::ToChronoNanoseconds(limit), [] { return false; });
    if (!over.stop_requested()) store_->GiveUpOnRoom();
  });
}

void NodeImpl::Drain() {
  if (std::exchange(drained_, true)) return;
  BeginDrain(absl::ZeroDuration());
  {
    const std::lock_guard lock(upkeep_mutex_);
    stopping_ = true;
  }
  upkeep_wakes_.notify_all();
  if (upkeep_.joinable()) upkeep_.join();
  if (forgetting_.joinable()) forgetting_.join();
  if (expiry_ != nullptr) expiry_->Stop();
  if (jobs_ != nullptr) jobs_->Stop();
  if (tls_reports_ != nullptr) tls_reports_->Stop();
  for (const std::unique_ptr<Shard>& shard : shards_) shard->Join();
  if (store_ == nullptr) return;
  if (tls_reports_ != nullptr) {
    for (const std::unique_ptr<Shard>& shard : shards_) tls_reports_->Keep(shard->tls_tally());
  }
  NoteDestinations();
  if (ledger_ != nullptr) ledger_->Stop();
  CloseLimits();
}

std::shared_ptr<const Options> NodeImpl::options() const {
  const std::lock_guard lock(options_mutex_);
  return options_;
}

std::shared_ptr<const SigningKeys> NodeImpl::signing_keys() const {
  const std::lock_guard lock(options_mutex_);
  return signing_keys_;
}

absl::Status NodeImpl::AdmitChange() const {
  const absl::Status failed = store_->failure();
  if (failed.ok() || absl::IsDataLoss(failed)) return failed;
  if (!absl::IsResourceExhausted(failed)) return WithExit(failed, ExitCode::kIo);
  return WithNext(WithExit(failed, ExitCode::kTryLater),
                  "Nothing was changed. Free some space and give the same command again.");
}

absl::Status NodeImpl::Ready() const {
  if (interrupted_) return absl::UnavailableError("sealiftd is stopping");
  const absl::Status failed = store_->failure();
  if (!failed.ok()) return failed;
  if (absl::Status damage = store_->damage(); !damage.ok()) return damage;
  if (!storage_ok_.load()) {
    return absl::ResourceExhaustedError(
        "the data directory has less free space than storage.stop_send_below: sending waits");
  }
  return restoration_->MaySend();
}

absl::StatusOr<NodeImpl::Candidate> NodeImpl::ReadCandidate() const {
  absl::StatusOr<std::shared_ptr<const Options>> read = read_();
  if (!read.ok()) return WithExit(read.status(), ExitCode::kConfig);
  absl::StatusOr<StartParts> parts = StartParts::Of(**read);
  if (!parts.ok()) return parts.status();
  const std::shared_ptr<const Options> before = options();
  const absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  const auto queued = [&campaigns](std::string_view stream) {
    uint64_t rows = 0;
    for (const queue::Campaign& campaign : *campaigns) {
      if (campaign.spec.stream != stream) continue;
      const queue::Counters& counters = campaign.counters;
      rows += counters.queued();
      if (!campaign.erased) rows += counters.bounced + counters.expired + counters.cancelled;
    }
    return rows;
  };
  ConfigDiff diff{.changes = DiffOptions(*before, **read),
                  .keys = ReplacedKeys(*signing_keys(), *parts->signing_keys),
                  .weaker = WeakerPolicies(*before, **read, queued)};
  return Candidate{*std::move(parts), std::move(diff)};
}

absl::StatusOr<ConfigDiff> NodeImpl::DiffConfig() const {
  absl::StatusOr<Candidate> candidate = ReadCandidate();
  if (!candidate.ok()) return candidate.status();
  return std::move(candidate->diff);
}

absl::StatusOr<std::vector<std::string>> NodeImpl::Reload(bool allow_weaker) {
  const std::lock_guard one_at_a_time(reload_);
  const absl::StatusOr<Candidate> candidate = ReadCandidate();
  if (!candidate.ok()) return candidate.status();
  std::vector<std::string> changes = candidate->diff.keys;
  std::string restart;
  for (const ConfigChange& change : candidate->diff.changes) {
    changes.push_back(fmt::format("{}: {} -> {}", change.key, change.before.empty() ? "(none)" : change.before,
                                  change.after.empty() ? "(none)" : change.after));
    if (change.restart) restart += (restart.empty() ? "" : ", ") + change.key;
  }
  if (!restart.empty()) {
    return WithExit(
        absl::FailedPreconditionError(fmt::format(
            "{} cannot change while the daemon runs; nothing was changed. Restart sealiftd, or take the change back",
            restart)),
        ExitCode::kConfig);
  }
  std::vector<std::string> weaker;
  for (const WeakerPolicy& policy : candidate->diff.weaker) weaker.push_back(policy.text);
  if (!weaker.empty() && !allow_weaker) {
    return WithExit(absl::PermissionDeniedError(fmt::format(
                        "{}; nothing was changed. `sealift reload --allow-weaker --reason TEXT` does it all the same",
                        fmt::join(weaker, "; "))),
                    ExitCode::kDenied);
  }
  WarnOf(candidate->parts.unavailable);
  auto next = std::make_shared<Options>(*candidate->parts.options);
  next->generation = options()->generation + 1;
  KeepCounts(*options(), *next);
  const std::shared_ptr<const Options> before = options();
  const auto follow = [&](const Options& to) { return holds_->FollowNames(to, absl::Now(), Holds::Since::kReload); };
  if (absl::Status followed = follow(*next); !followed.ok()) return followed;
  if (absl::Status adopted = restraints_.Adopt(next); !adopted.ok()) {
    if (absl::Status back = follow(*before); !back.ok()) return back;
    holds_->Followed();
    return WithExit(adopted, ExitCode::kConfig);
  }
  warmups_->Adopt(*next);
  for (const ProviderOptions& was : before->providers) {
    const std::string now = ProviderNow(*next, was.name, was.mx);
    if (now.empty() || now == was.name) continue;
    LogWarning("a provider has another name: warm-ups there and what triggers count begin anew, all else goes on",
               {{"before", was.name}, {"now", now}, {"next", "take the old name back if it was not meant"}});
  }
  SetLogLevel(next->log.level);
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->Ask([&](Scheduler& scheduler) { scheduler.Adopt(next, candidate->parts.signing_keys); });
  }
  holds_->Followed();
  const std::lock_guard lock(options_mutex_);
  options_ = std::move(next);
  signing_keys_ = candidate->parts.signing_keys;
  return changes;
}

void NodeImpl::Announce(const queue::SuppressionNews& news) {
  if (!shards_made_.load(std::memory_order_acquire)) return;  // nothing was claimed yet
  const auto shared = std::make_shared<const queue::SuppressionNews>(news);
  for (const std::unique_ptr<Shard>& shard : shards_) shard->Hear(shared);
}

void NodeImpl::Reread(queue::CampaignId id) {
  const std::shared_ptr<ActiveCampaign> active = campaigns_->Active(id);
  if (active == nullptr || !active->sending) return;
  AskShards([&](Scheduler& scheduler) { scheduler.Reread(active); });
}

void NodeImpl::CountBounce(const ReturnedMail::Bounce& bounce) {
  metrics_.counter(Metric::kMessagesBounced, {bounce.stream, bounce.source, bounce.provider, bounce.reason_class})
      ->Add();
  if (!bounce.bad_mailbox) return;
  // It was counted as taken before: one settled message too many makes the share of hard ones smaller, never larger.
  const std::shared_ptr<const Options> options = this->options();
  if (const StreamOptions* const stream = options->FindStream(bounce.stream); stream != nullptr) {
    restraints_.Count(*stream, bounce.campaign, true);
  }
}

void NodeImpl::AskShards(const std::function<void(Scheduler&)>& question) {
  for (const std::unique_ptr<Shard>& shard : shards_) shard->Ask(question);
}

std::string NodeImpl::MessageId(const queue::MessageKey& key) const { return store_->EncodeMessageId(key); }

absl::StatusOr<queue::EventsPage> NodeImpl::Events(std::string after, int max, const queue::EventFilter& filter) {
  return store_->ReadEvents(after, max, filter);
}

void NodeImpl::WatchStorage() {
  const queue::DiskSpace disk = store_->Disk();
  const bool room = disk.free_bytes >= options()->storage.stop_send_below.Bytes(disk.bytes);
  // A stop that began and ended since the last look counts: whoever was refused meanwhile waits to be called.
  const bool stopped = storage_stopped_.exchange(false);
  const bool ok = room && store_->writable();
  if (ok == storage_ok_.exchange(ok) && !stopped) return;
  if (!room)
    LogError("the data directory is almost full: sending waits until space is freed",
             {{"free_bytes", disk.free_bytes}});
  if (ok) LogInfo("the queue can be written and has room: sending goes on");
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->Ask([&](Scheduler& scheduler) { scheduler.AllowSending(ok); });
  }
}

// Rates are spaced by the clock: one that is set back would stop them until it has caught up. What waits for a time of
// it would sleep as long as before it was set.
void NodeImpl::WatchClock() {
  constexpr absl::Duration kStep = absl::Seconds(1);  // less is waited for
  const absl::Time now = absl::Now();
  const absl::Time steady = absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  const absl::Duration ahead = now - steady;
  const absl::Duration step = ahead - clock_ahead_.value_or(ahead);
  const absl::Duration since_last = steady - std::exchange(clock_looked_at_, steady);
  clock_ahead_ = ahead;
  if (absl::AbsDuration(step) < kStep) return;
  LogWarning(step < absl::ZeroDuration() ? "the clock was set back" : "the clock was set forward",
             {{"by", absl::Trunc(absl::AbsDuration(step), absl::Seconds(1))}});
  if (step < absl::ZeroDuration()) {
    limits_.StepBack(-step, now - since_last, now);
    dns_cache_->Clear();
    sts_policies_.ForgetFailures();
  }
  AskShards([](Scheduler& scheduler) { scheduler.OnClockSet(); });
}

void NodeImpl::ActOnReplies(absl::Time now) {
  restraints_.Tick(now);
  limits_.Forget(now);
  if (!store_->writable()) return;
  for (const Restraints::Pause& pause : restraints_.Pauses()) {
    const absl::Status paused = campaigns_->Pause(
        pause.campaign, {.by = std::string(PauseCause::kBreaker), .reason = pause.reason, .time = now});
    // Where there is nothing to pause there is nothing to try again.
    const bool over = absl::IsFailedPrecondition(paused) || absl::IsNotFound(paused);
    if (paused.ok() || over) restraints_.CountAnew(pause.campaign);
    if (over) {
      LogWarning("a campaign bounced hard, and was over before it could be paused",
                 {{"campaign", pause.campaign}, {"why", pause.reason}, {"next", "check its list before the next one"}});
      continue;
    }
    if (record_) {
      record_({.command = "campaign pause",
               .target = pause.campaign,
               .reason = fmt::format("{}: {}", PauseCause::kBreaker, pause.reason),
               .result = paused.ok() ? "ok" : std::string(paused.message())});
    }
    if (paused.ok()) {
      LogError("a campaign was paused: too many of its messages bounce hard",
               {{"campaign", pause.campaign}, {"why", pause.reason}, {"next", "check its list, then campaign resume"}});
    } else {
      LogError("a campaign bounces hard and could not be paused", {{"campaign", pause.campaign}, {"why", paused}});
    }
  }
}

void NodeImpl::ForgetBouncesOfEnded() {
  for (const std::string& name : restraints_.Counted()) {
    const absl::StatusOr<queue::Campaign> campaign = campaigns_->Find(name);
    const bool over = campaign.ok() ? Campaigns::Done(*campaign) || campaign->state == queue::CampaignState::kCancelled
                                    : absl::IsNotFound(campaign.status());
    if (over) restraints_.CountAnew(name);
  }
}

void NodeImpl::Upkeep() {
  Recurrence erasures(kEraseEvery, absl::Now());
  std::unique_lock lock(upkeep_mutex_);
  while (!stopping_) {
    lock.unlock();
    WatchClock();
    const absl::Time now = absl::Now();
    WatchStorage();
    NoteDestinations();
    holds_->EndDue(now);
    campaigns_->StartDue(now);
    if (HasRoom(store_->Unflushed()).ok()) campaigns_->FinishCancelling();
    ActOnReplies(now);
    NoteLimits(now);
    if (erasures.Due(now)) {
      if (HasRoom(store_->Unflushed()).ok()) campaigns_->EraseDue(now);
      ForgetBouncesOfEnded();
    }
    lock.lock();
    upkeep_wakes_.wait_for(lock, absl::ToChronoNanoseconds(kUpkeepEvery),
                           [this] { return stopping_ || std::exchange(pause_at_once_, false); });
  }
}

void NodeImpl::Forget() {
  Recurrence sweeps(kSweepEvery, absl::Now() + kFirstSweepAfter);
  std::unique_lock lock(upkeep_mutex_);
  while (!upkeep_wakes_.wait_for(lock, absl::ToChronoNanoseconds(kLookForSweep), [this] { return stopping_; })) {
    lock.unlock();
    if (const absl::Time now = absl::Now(); sweeps.Due(now)) {
      const std::shared_ptr<const Options> current = options();
      absl::Status swept = store_->Sweep(now, current->retention.settled_rows, current->retention.events,
                                         jobs_->ReplaysOrdered(), &interrupted_);
      if (swept.ok()) swept = holds_->Forget(now - current->retention.events);
      if (swept.ok()) swept = jobs_->Forget(now - current->retention.events);
      if (!swept.ok()) LogError("retention could not be applied; it is tried again in an hour", {{"why", swept}});
    }
    lock.lock();
  }
}

}  // namespace sealift::engine
