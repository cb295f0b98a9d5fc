#include "tests/queue/fault_fixture.h"

#include <set>

#include "absl/cleanup/cleanup.h"

namespace sealift::queue {
namespace {

constexpr uint32_t kLogged = 60, kIngested = 4'100;

}  // namespace

FaultTest::FaultTest() {
  disk_ = std::make_shared<FaultFileSystem>(root_ + "/graveyard");
  steps_ = {
      [this] { return OpenNow(); },
      [this] { return CreateNow("spring", &campaign_); },
      [this] { return Load(1, kLogged); },
      [this] { return SettleNow(1, OutcomeKind::kDelivered); },
      [this] { return SettleNow(1, OutcomeKind::kDeferred, 3); },
      [this] { return Load(kLogged + 1, kLogged + kIngested); },
      [this] { return SettleNow(20, OutcomeKind::kDelivered); },
      [this] { return OpenNow(); },
      [this] { return SettleNow(2, OutcomeKind::kBounced, 2); },
      [this] { return EraseAnother(); },
      [this] { return SettleNow(3, OutcomeKind::kDelivered, 5); },
      [this] { return Load(kLogged + kIngested + 1, kLogged + kIngested + 30); },
      [this] { return SettleNow(1, OutcomeKind::kDeferred, 1); },
  };
}

void FaultTest::Configure(Store::Options& options) {
  options.file_system = disk_;
  options.memory_bytes = 8 << 20;
  options.on_failure = [this](const absl::Status& status) {
    bool relieve = false;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = status;
      if (!status.ok()) relieved_ = relieve = !settling_;
      changed_.notify_all();
    }
    if (relieve) relieve_(status);
  };
}

void FaultTest::Live() {
  while (step_ < steps_.size()) {
    const absl::Status done = steps_[step_]();
    const absl::Status status = done.ok() && store_ ? store_->failure() : done;
    if (!status.ok() && !mend_(status)) return;
    if (done.ok()) ++step_;
  }
}

void FaultTest::Crash() {
  store_.reset();
  disk_->Heal();
  const absl::Status opened = OpenNow();
  ASSERT_TRUE(opened.ok()) << opened;
  ASSERT_NO_FATAL_FAILURE(ExpectWhatWasAcknowledged());
}

absl::Status FaultTest::OpenNow() {
  store_.reset();
  {
    const std::lock_guard lock(mutex_);
    stopped_ = absl::OkStatus();
    durable_.clear();
    next_.clear();
  }
  auto store = TryOpen();
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  return absl::OkStatus();
}

absl::Status FaultTest::CreateNow(const std::string& name, CampaignId* id) {
  CampaignSpec spec;
  spec.name = name;
  spec.stream = "news";
  spec.mode = "sink";
  spec.template_text = "Subject: Hello\r\n\r\nBody\r\n";
  spec.columns = {"name", "note"};
  spec.settings_json = "{}";
  const auto campaign = store_->CreateCampaign(spec, kNow);
  if (campaign.ok()) *id = campaign->id;
  return campaign.status();
}

absl::Status FaultTest::Load(uint32_t first, uint32_t last) {
  auto load = store_->BeginLoad(campaign_, kNow);
  if (!load.ok()) return load.status();
  for (uint32_t id = first; id <= last; ++id) {
    if (auto added = Add(**load, MakeRow(id, 5)); !added.ok()) return added.status();
    rows_.try_emplace(id);
  }
  if (absl::Status committed = (*load)->Commit(last, "digest", false); !committed.ok()) return committed;
  for (uint32_t id = first; id <= last; ++id) rows_[id].loaded = true;
  return absl::OkStatus();
}

absl::Status FaultTest::SettleNow(size_t packs, OutcomeKind kind, size_t rows_max) {
  std::vector<Outcome> outcomes;
  std::vector<std::pair<uint32_t, OutcomeKind>> what;
  for (const auto& pack : ReadAll(campaign_)) {
    if (packs-- == 0) break;
    for (size_t i = 0; i < std::min(rows_max, pack->rows().size()); ++i) {
      outcomes.push_back(MakeOutcome(pack, i, kind, kNow, kNow + absl::Minutes(5)));
      const uint32_t id = static_cast<uint32_t>(pack->rows()[i].id);
      what.emplace_back(id, kind);
      rows_[id].tried = kind;
    }
  }
  EXPECT_FALSE(outcomes.empty());
  const uint64_t last = next_[0] + outcomes.size();
  const auto set_settling = [this](bool to) {
    const std::lock_guard lock(mutex_);
    settling_ = to;
  };
  set_settling(true);
  const absl::Cleanup settled = [&] { set_settling(false); };
  if (!store_->Settle(0, last, outcomes)) return store_->failure();
  next_[0] = last;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return durable_[0] >= last || !stopped_.ok(); });
    if (durable_[0] >= last) break;
    const absl::Status stopped = stopped_;
    lock.unlock();
    if (!mend_(stopped)) return stopped;
    lock.lock();
    changed_.wait(lock, [&] { return durable_[0] >= last || stopped_.ok(); });
  }
  for (const auto& [id, outcome] : what) rows_[id].settled = outcome;
  return absl::OkStatus();
}

absl::Status FaultTest::EraseAnother() {
  CampaignId other{};
  absl::Status created = CreateNow("other", &other);
  if (absl::IsAlreadyExists(created)) {
    const auto found = store_->FindCampaign("other");
    if (!found.ok()) return found.status();
    other = found->id;
    created = absl::OkStatus();
  }
  if (!created.ok()) return created;
  return store_->Cancel(other, /*erase=*/true, kNow).status();
}

void FaultTest::ExpectWhatWasAcknowledged() {
  const auto found = store_->FindCampaign("spring");
  if (!found.ok()) {
    for (const auto& [id, row] : rows_) ASSERT_FALSE(row.loaded) << found.status();
    return;
  }
  std::map<uint32_t, const Row*> queued;
  const auto packs = ReadAll(found->id, kNow + absl::Hours(1));
  for (const auto& pack : packs) {
    for (const Row& row : pack->rows()) {
      ASSERT_TRUE(queued.emplace(static_cast<uint32_t>(row.id), &row).second) << "row is there twice";
    }
  }
  std::map<uint32_t, OutcomeKind> shown;
  std::string cursor;
  for (bool done = false; !done;) {
    const auto page = store_->ReadEvents(cursor, 1000, {.campaign = found->id});
    ASSERT_TRUE(page.ok()) << page.status();
    for (const Event& event : page->events) {
      shown[static_cast<uint32_t>(event.message.row)] = event.kind;
      cursor = event.cursor;
    }
    done = page->events.empty();
  }
  size_t settled = 0, loaded = 0;
  for (const auto& [id, row] : rows_) {
    const bool is_queued = queued.contains(id);
    const bool is_settled = shown.contains(id) && shown[id] != OutcomeKind::kDeferred;
    settled += is_settled;
    loaded += is_queued || is_settled;
    ASSERT_FALSE(is_queued && is_settled) << "row " << id << " is in two places";
    if (row.loaded) ASSERT_TRUE(is_queued || is_settled) << "row " << id << " is lost";
    if (row.settled) ASSERT_TRUE(shown.contains(id)) << "the outcome of row " << id << " is lost";
    if (!row.tried) ASSERT_FALSE(shown.contains(id)) << "row " << id << " has an outcome that nobody gave";
    if (row.settled == OutcomeKind::kDeferred) ASSERT_EQ(queued.at(id)->attempts, 1);
  }
  EXPECT_EQ(loaded, queued.size() + settled) << "rows that nobody loaded";
  EXPECT_EQ(found->counters.accepted, loaded);
  EXPECT_EQ(found->counters.queued(), queued.size());
  uint64_t in_lanes = 0;
  for (const LaneRecord& lane : Lanes(found->id)) in_lanes += lane.queued;
  EXPECT_EQ(in_lanes, queued.size());
}

}  // namespace sealift::queue
