#pragma once

#include <stdlib.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "queue/store.h"

namespace sealift::queue {

// A day in the simulated life of the tests; no test reads the clock.
inline const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

inline std::array<uint8_t, 32> TestKek(uint8_t fill = 7) {
  std::array<uint8_t, 32> kek;
  kek.fill(fill);
  return kek;
}

struct InputRow {
  uint32_t id = 0;
  std::string recipient, domain;
  std::vector<std::string> fields;
};

inline InputRow MakeRow(uint32_t id, int domains = 3) {
  const std::string domain = fmt::format("d{}.test", id % static_cast<uint32_t>(domains));
  return {id, fmt::format("patient{}@{}", id, domain), domain, {fmt::format("Name{}", id), "x"}};
}

// Opens a store in a temporary directory of its own, and turns its callbacks into waits.
class StoreTest : public ::testing::Test {
 public:
  StoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sealift-queue-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    path_ = root_ + "/queue";
  }
  ~StoreTest() override {
    store_.reset();
    std::filesystem::remove_all(root_);
  }

 protected:
  absl::StatusOr<std::unique_ptr<Store>> TryOpen(uint8_t kek = 7) {
    Store::Options options;
    options.path = path_;
    options.kek = TestKek(kek);
    options.memory_bytes = 32 << 20;
    options.shards = 2;
    options.inbox_outcomes_max = inbox_outcomes_max_;
    options.commit_interval = absl::ZeroDuration();
    options.on_durable = [this](int shard, uint64_t durable) {
      const std::lock_guard lock(mutex_);
      durable_[shard] = durable;
      changed_.notify_all();
    };
    Configure(options);
    return Store::Open(std::move(options));
  }

  // What a test wants of its own.
  virtual void Configure(Store::Options& /*options*/) {}

  void Open() {
    auto store = TryOpen();
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    durable_.clear();
    next_ = {};
  }

  void Reopen() {
    store_.reset();
    Open();
  }

  CampaignId Create(std::string name = "spring") {
    CampaignSpec spec;
    spec.name = std::move(name);
    spec.stream = "newsletter";
    spec.mode = "sink";
    spec.template_text = "Subject: Hello {{name}}\r\n\r\nBody\r\n";
    spec.columns = {"name", "note"};
    spec.defaults = {{"note", "none"}};
    spec.settings_json = "{}";
    auto campaign = store_->CreateCampaign(spec, kNow);
    EXPECT_TRUE(campaign.ok()) << campaign.status();
    return campaign->id;
  }

  static absl::StatusOr<Load::Added> Add(Load& load, const InputRow& row) {
    const std::vector<std::string_view> fields(row.fields.begin(), row.fields.end());
    return load.Add({RowId{row.id}, row.recipient, row.domain, fields});
  }

  // Loads rows [first, last].
  void LoadRows(CampaignId campaign, uint32_t first, uint32_t last, int domains = 3, absl::Time now = kNow) {
    auto load = store_->BeginLoad(campaign, now);
    ASSERT_TRUE(load.ok()) << load.status();
    for (uint32_t id = first; id <= last; ++id) {
      auto added = Add(**load, MakeRow(id, domains));
      ASSERT_TRUE(added.ok()) << added.status();
    }
    const absl::Status committed = (*load)->Commit(uint64_t{last} * 10, "digest", true);
    ASSERT_TRUE(committed.ok()) << committed;
  }

  LaneWindow ReadOne(LaneRead read) {
    std::vector<LaneRead> reads;
    reads.push_back(std::move(read));
    return std::move(ReadMany(std::move(reads))[0]);
  }

  std::vector<LaneWindow> ReadMany(std::vector<LaneRead> reads) {
    std::promise<std::vector<LaneWindow>> promise;
    store_->ReadRows(std::move(reads), [&](std::vector<LaneWindow> windows) { promise.set_value(std::move(windows)); });
    return promise.get_future().get();
  }

  std::vector<LaneRecord> Lanes(CampaignId campaign, int shard = 0, int shards = 1, int page = 100) {
    std::vector<LaneRecord> all;
    std::string cursor;
    for (;;) {
      std::promise<LanesPage> promise;
      store_->ReadLanes(campaign, cursor, page, shard, shards,
                        [&](LanesPage read) { promise.set_value(std::move(read)); });
      LanesPage read = promise.get_future().get();
      EXPECT_TRUE(read.status.ok()) << read.status;
      for (LaneRecord& lane : read.lanes) all.push_back(std::move(lane));
      if (read.done || !read.status.ok()) return all;
      cursor = read.cursor;
    }
  }

  // Every pack of every lane that is due at `now`, from the start.
  std::vector<std::shared_ptr<Pack>> ReadAll(CampaignId campaign, absl::Time now = kNow) {
    std::vector<std::shared_ptr<Pack>> packs;
    for (const LaneRecord& lane : Lanes(campaign)) {
      LaneRead read{.lane = lane.lane, .fresh = {}, .retry = {}, .now = now, .packs_max = 4};
      for (;;) {
        LaneWindow window = ReadOne(read);
        EXPECT_TRUE(window.status.ok()) << window.status;
        if (!window.status.ok() || window.packs.empty()) break;
        for (auto& pack : window.packs) packs.push_back(std::move(pack));
        read.fresh = window.fresh;
        read.retry = window.retry;
      }
    }
    return packs;
  }

  static Outcome MakeOutcome(std::shared_ptr<Pack> pack, size_t index, OutcomeKind kind, absl::Time time = kNow,
                             absl::Time due = absl::InfiniteFuture()) {
    Outcome outcome;
    outcome.attempt = static_cast<uint16_t>(pack->rows()[index].attempts + 1);
    outcome.pack = std::move(pack);
    outcome.index = static_cast<uint8_t>(index);
    outcome.kind = kind;
    outcome.time = time;
    outcome.due = due;
    outcome.date = time;
    outcome.reason_class = "none";
    outcome.code = 250;
    outcome.enhanced = "2.0.0";
    outcome.reply = "ok";
    return outcome;
  }

  static std::vector<Outcome> AllOf(const std::shared_ptr<Pack>& pack, OutcomeKind kind, absl::Time time = kNow,
                                    absl::Time due = absl::InfiniteFuture()) {
    std::vector<Outcome> outcomes;
    outcomes.reserve(pack->rows().size());
    for (size_t i = 0; i < pack->rows().size(); ++i) outcomes.push_back(MakeOutcome(pack, i, kind, time, due));
    return outcomes;
  }

  // Hands the outcomes over and waits until they are durable.
  void Settle(std::vector<Outcome> outcomes, int shard = 0) {
    if (outcomes.empty()) return;
    const uint64_t last = next_[shard] += outcomes.size();
    ASSERT_TRUE(store_->Settle(shard, last, outcomes));
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return durable_[shard] >= last; });
  }

  uint64_t MoveDue(LaneId lane, const std::string& after, absl::Time due) {
    std::promise<absl::StatusOr<uint64_t>> promise;
    store_->MoveDue(lane, after, due, [&](const absl::StatusOr<uint64_t>& rows) { promise.set_value(rows); });
    const absl::StatusOr<uint64_t> rows = promise.get_future().get();
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or(0);
  }

  Counters CountersOf(CampaignId campaign) {
    auto read = store_->GetCampaign(campaign);
    EXPECT_TRUE(read.ok()) << read.status();
    return read->counters;
  }

  std::string root_, path_;
  size_t inbox_outcomes_max_ = 4096;
  std::unique_ptr<Store> store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, uint64_t> durable_, next_;
};

inline std::vector<uint32_t> RowIds(const std::vector<std::shared_ptr<Pack>>& packs) {
  std::vector<uint32_t> ids;
  for (const auto& pack : packs) {
    for (const Row& row : pack->rows()) ids.push_back(static_cast<uint32_t>(row.id));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

inline std::vector<uint32_t> Range(uint32_t first, uint32_t last) {
  std::vector<uint32_t> ids;
  for (uint32_t id = first; id <= last; ++id) ids.push_back(id);
  return ids;
}

}  // namespace sealift::queue
