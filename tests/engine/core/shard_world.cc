#include "tests/engine/core/shard_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "engine/campaigns.h"
#include "engine/runtime/check.h"
#include "engine/runtime/deadline.h"
#include "engine/runtime/run_messages.h"
#include "engine/runtime/task_group.h"

namespace sealift::engine {

ShardWorld::ShardWorld() {
  options_.delivery = Delivery::kLive;
  options_.node.hostname = "mail.sender.test";
  options_.dns.allow_private_addresses = true;
  options_.smtp.connections = 1;
  options_.smtp.messages_per_connection = 1000;
  options_.sources.push_back(
      {.name = "ip1", .address = "127.0.0.1", .family = AF_INET, .hostname = "mail.sender.test"});
  options_.pools.push_back({.name = "main", .sources = {"ip1"}, .source_indexes = {0}});
  AddStream("news");

  absl::StatusOr<std::unique_ptr<Ring>> ring =
      Ring::Create({.wall_clock = [this] { return absl::Now() + absl::Nanoseconds(clock_set_by_nanos_.load()); }});
  CHECK(ring.ok(), "the tests need io_uring");
  ring_ = *std::move(ring);
  internet_ = std::make_unique<Internet>(*ring_);
  inbox_ = std::make_unique<Inbox<Message>>(*ring_, 4096);

  disk_ = std::make_shared<queue::FaultFileSystem>(folder_.path() + "/graveyard");
  OpenStore();
}

void ShardWorld::OpenStore() {
  queue::Store::Options store;
  store.path = folder_.path() + "/queue";
  store.kek.fill(7);
  store.memory_bytes = 32 << 20;
  store.commit_interval = absl::ZeroDuration();
  store.file_system = disk_;
  store.on_durable = [this](int, uint64_t durable) {
    durable_.store(durable, std::memory_order_release);
    // Only to wake the ring: when the inbox is full, it is awake.
    const bool woken = inbox_->TryPush([] {});
    (void)woken;
  };
  store.on_suppressions = [this](const queue::SuppressionNews& news) {
    inbox_->Push([this, news] { scheduler_->Hear(news); });
  };
  absl::StatusOr<std::unique_ptr<queue::Store>> opened = queue::Store::Open(std::move(store));
  CHECK(opened.ok(), "the store opens");
  store_ = *std::move(opened);
}

ShardWorld::~ShardWorld() { CloseStore(); }

void ShardWorld::CloseStore() {
  Stop();
  signers_.reset();
  scheduler_.reset();
  store_.reset();
}

void ShardWorld::ReopenStore() {
  CloseStore();
  OpenStore();
}

StreamOptions& ShardWorld::AddStream(const std::string& name) {
  StreamOptions& stream = options_.streams.emplace_back();
  stream.name = name;
  stream.pool = "main";
  stream.pool_index = 0;
  stream.tls = TlsPolicy::kOpportunistic;
  stream.retry = {absl::Hours(1)};
  return stream;
}

MailServer& ShardWorld::AddDomain(const std::string& domain) {
  internet_->SetMx(domain, {{10, "mx." + domain}});
  return internet_->AddHost("mx." + domain);
}

void ShardWorld::Start() {
  const absl::StatusOr<std::shared_ptr<tls::ClientContext>> tls =
      tls::ClientContext::Create({.ca_file = options_.tls.ca_file});
  ASSERT_TRUE(tls.ok()) << tls.status();
  const absl::StatusOr<std::shared_ptr<const SigningKeys>> keys = SigningKeys::Load(options_);
  ASSERT_TRUE(keys.ok()) << keys.status();
  signers_ = std::make_unique<Signers>(2, metrics_);
  tls_sessions_ = std::make_unique<tls::SessionCache>(tls::SessionCache::Options{});
  services_.reset(new ShardServices{
      .shards = shards_,
      .ring = *ring_,
      .store = *store_,
      .limits = limits_,
      .restraints = restraints_,
      .warmups = warmups_,
      .metrics = metrics_,
      .signers = *signers_,
      .network = *internet_,
      .resolver = *internet_,
      .web = *internet_,
      .sts_policies = sts_policies_,
      .tls_memory = tls_memory_,
      .tls_sessions = *tls_sessions_,
      .tls = *tls,
      .options = std::make_shared<const Options>(options_),
      .signing_keys = *keys,
      .random = std::mt19937_64(4),
      .post = [this](Message message) { inbox_->Push(std::move(message)); },
      .send_lane =
          [this](int, LaneHandover lane) {
            CHECK(shards_ > 1, "there is one shard");
            if (on_handover_ == nullptr) return ReceiveLater(std::move(lane));
            on_handover_(std::move(lane));
          },
      .send_home =
          [this](int, queue::CampaignId campaign, absl::Time when) {
            CHECK(shards_ > 1, "there is one shard");
            if (on_handed_back_ != nullptr) on_handed_back_(campaign, when);
          },
  });
  scheduler_ = std::make_unique<Scheduler>(*services_, unsettled_share_);
  ring_->SetEndOfTurn([this] { EndOfTurn(); });
  thread_ = std::thread([this] { ring_->Run(Main()); });
}

void ShardWorld::ReceiveLater(LaneHandover lane) {
  CHECK(inbox_->TryPush([this, lane = std::move(lane)] { scheduler_->Receive(lane); }), "a lane finds room");
}

Task<void> ShardWorld::Main() {
  TaskGroup reading(*ring_);
  reading.Start(RunMessages(*ring_, *inbox_, absl::Milliseconds(1)));
  while (!stopping_) {
    const absl::Status woken = co_await stop_.Wait();
    if (!woken.ok()) break;
  }
  co_await WithDeadline(*ring_, drain_limit_, scheduler_->Drain());
  co_await internet_->Stop();
  inbox_->Close();
  co_await reading.Join();
}

void ShardWorld::EndOfTurn() {
  const uint64_t durable = durable_.load(std::memory_order_acquire);
  if (durable > durable_seen_) {
    durable_seen_ = durable;
    scheduler_->OnDurable(durable);
    if (also_on_durable_) also_on_durable_(durable);
  }
  std::erase_if(watches_, [](const std::function<bool()>& watch) { return watch(); });
  scheduler_->EndOfTurn();
  if (at_end_of_turn_) at_end_of_turn_();
}

void ShardWorld::Stop(absl::Duration limit) {
  if (!thread_.joinable()) return;
  inbox_->Push([this, limit] {
    drain_limit_ = limit;
    stopping_ = true;
    stop_.NotifyAll();
  });
  thread_.join();
}

void ShardWorld::SetClock(absl::Duration by) {
  clock_set_by_nanos_ += absl::ToInt64Nanoseconds(by);
  const absl::Time before = absl::Now() - absl::Seconds(1);
  // Several questions may be answered in a turn that began before.
  bool seen = false;
  while (!seen) {
    OnShard([&](Scheduler&) {
      const absl::Duration ahead = ring_->Now() - before - absl::Nanoseconds(clock_set_by_nanos_.load());
      seen = ahead > absl::ZeroDuration() && ahead < absl::Minutes(1);
    });
  }
}

void ShardWorld::OnShard(const std::function<void(Scheduler&)>& question) {
  std::promise<void> asked;
  inbox_->Push([&] {
    question(*scheduler_);
    asked.set_value();
  });
  asked.get_future().wait();
}

bool ShardWorld::Eventually(std::function<bool()> condition, absl::Duration patience) {
  struct Watch {
    std::promise<void> seen;
    std::atomic<bool> given_up{false};
  };
  auto watch = std::make_shared<Watch>();
  std::future<void> seen = watch->seen.get_future();
  inbox_->Push([this, watch, condition = std::move(condition)] {
    watches_.push_back([watch, condition] {
      if (watch->given_up.load()) return true;
      if (!condition()) return false;
      watch->seen.set_value();
      return true;
    });
  });
  if (seen.wait_for(absl::ToChronoNanoseconds(patience)) == std::future_status::ready) return true;
  watch->given_up = true;
  OnShard([](Scheduler&) {});  // a turn in which it may still be looked at has passed
  return false;
}

std::optional<Assignment> ShardWorld::NextFor(Scheduler& scheduler, Path& path, Refusal& refusal, Slots::For what) {
  Carriage carriage(path.carried);
  return scheduler.Next(path, refusal, carriage, what);
}

queue::CampaignId ShardWorld::Load(const std::string& name, const std::vector<std::string>& recipients,
                                   const Content& content) {
  queue::CampaignSpec spec{
      .name = name, .stream = content.stream, .mode = "live", .template_text = content.text, .settings_json = "{}"};
  if (!content.key.empty()) spec.columns = {"key"};
  const std::vector<std::string_view> fields(spec.columns.size(), content.key);
  const absl::StatusOr<queue::Campaign> campaign = store_->CreateCampaign(spec, content.accepted);
  CHECK(campaign.ok(), "a campaign of that name is new");
  LoadMore(campaign->id, 1, recipients, fields, content.accepted);

  absl::StatusOr<Template> compiled = CompileTemplate(spec);
  if (!compiled.ok()) ADD_FAILURE() << compiled.status();
  active_[campaign->id] = std::make_shared<ActiveCampaign>(
      campaign->id, name, content.stream, content.accepted, content.limits, *std::move(compiled),
      content.key.empty() ? std::nullopt : std::optional<size_t>(0), content.tls_report, content.weight);
  return campaign->id;
}

void ShardWorld::LoadMore(queue::CampaignId id, uint32_t first, const std::vector<std::string>& recipients,
                          std::span<const std::string_view> fields, absl::Time accepted) {
  absl::StatusOr<std::unique_ptr<queue::Load>> load = store_->BeginLoad(id, accepted);
  CHECK(load.ok(), "nobody else loads it");
  uint32_t row = first;
  for (const std::string& recipient : recipients) {
    const std::string domain = recipient.substr(recipient.find('@') + 1);
    const absl::StatusOr<queue::Load::Added> added =
        (*load)->Add({.id = queue::RowId{row++}, .recipient = recipient, .domain = domain, .fields = fields});
    CHECK(added.ok(), "a row fits");
  }
  CHECK((*load)->Commit(row, "digest", true).ok(), "a load is committed");
}

void ShardWorld::Run(queue::CampaignId id) {
  CHECK(store_->SetState(id, queue::CampaignState::kRunning, absl::Now()).ok(), "a campaign may run");
  const std::shared_ptr<ActiveCampaign> active = active_.at(id);
  active->sending = true;
  OnShard([&](Scheduler& scheduler) { scheduler.Run(active); });
}

std::shared_ptr<std::atomic<bool>> ShardWorld::Pause(queue::CampaignId id) {
  CHECK(store_->SetState(id, queue::CampaignState::kPaused, absl::Now()).ok(), "a campaign may be paused");
  active_.at(id)->sending = false;
  auto stopped = std::make_shared<std::atomic<bool>>(false);
  OnShard([&](Scheduler& scheduler) { scheduler.Stop(id, [stopped] { *stopped = true; }); });
  return stopped;
}

queue::CampaignId ShardWorld::Send(const std::string& name, const std::vector<std::string>& recipients,
                                   const Content& content) {
  const queue::CampaignId id = Load(name, recipients, content);
  Run(id);
  return id;
}

void ShardWorld::Suppress(const std::string& address, queue::SuppressionKind kind, bool announce) {
  queue::SuppressionChange change{.address = address, .entry = {}};
  change.entry.what.kind = kind;
  change.entry.time = absl::Now();
  CHECK(store_->ChangeSuppressions({change}, announce).ok(), "a suppression is committed");
  if (announce) OnShard([](Scheduler&) {});  // it has heard
}

queue::Counters ShardWorld::CountersOf(queue::CampaignId id) {
  const absl::StatusOr<queue::Campaign> campaign = store_->GetCampaign(id);
  CHECK(campaign.ok(), "the campaign is there");
  return campaign->counters;
}

std::vector<queue::Event> ShardWorld::EventsOf(queue::CampaignId id) {
  absl::StatusOr<queue::EventsPage> page = store_->ReadEvents("", 10'000, {.campaign = id});
  CHECK(page.ok(), "events can be read");
  return std::move(page->events);
}

std::vector<queue::StoredRow> ShardWorld::RowsOf(queue::CampaignId id) {
  absl::StatusOr<queue::RowsPage> page = store_->ListRows(id, {}, "", 10'000);
  CHECK(page.ok(), "rows can be listed");
  return std::move(page->rows);
}

bool ShardWorld::EventuallyDelivered(queue::CampaignId id, uint64_t rows) {
  return Eventually([this, id, rows] { return CountersOf(id).delivered >= rows; });
}

bool ShardWorld::EventuallyTried(queue::CampaignId id, uint64_t deferrals) {
  return Eventually([this, id, deferrals] { return CountersOf(id).deferrals >= deferrals; });
}

size_t ShardWorld::RowsReady(const std::string& domain) {
  const Site* const site = scheduler_->directory().FindSite(domain);
  if (site == nullptr) return 0;
  size_t rows = 0;
  for (const std::unique_ptr<SendQueue>& queue : site->queues) rows += queue->rows_ready;
  return rows;
}

Path& ShardWorld::PathTo(Scheduler& scheduler, const std::string& domain, tls::Policy policy) {
  Site* const site = scheduler.directory().FindSite(domain);
  CHECK(site != nullptr, "the domain is resolved");
  return scheduler.paths().PathOf(*site, 0, {.policy = policy});
}

std::vector<std::string> Recipients(int count, const std::string& domain) {
  std::vector<std::string> recipients;
  for (int i = 1; i <= count; ++i) recipients.push_back(fmt::format("a{}@{}", i, domain));
  return recipients;
}

}  // namespace sealift::engine
