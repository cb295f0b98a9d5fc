// A disk that does not keep up: whoever must not wait does not, whoever adds to it is refused, and nothing is lost.
#include <algorithm>
#include <random>

#include "rocksdb/file_system.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

// The real file system, on which no new table is begun while it is held: what is buffered cannot be flushed.
class SlowTables : public rocksdb::FileSystemWrapper {
 public:
  SlowTables() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "sealift.slow"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    if (path.ends_with(".sst")) {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [this] { return !held_; });
    }
    return FileSystemWrapper::NewWritableFile(path, options, file, debug);
  }

  void Hold(bool held) {
    {
      const std::lock_guard lock(mutex_);
      held_ = held;
    }
    released_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  bool held_ = false;
};

class StallTest : public StoreTest {
 protected:
  static constexpr uint32_t kRows = 3900;  // below what is ingested as a file
  static constexpr size_t kReplyBytes = 2048;

  ~StallTest() override { disk_->Hold(false); }

  void Configure(Store::Options& options) override {
    options.memory_bytes = 8 << 20;  // a buffer has 1 MiB, and four are the most
    options.file_system = disk_;
    options.stall_patience = absl::Milliseconds(20);
  }

  // Hands over what it says, and returns whether it was taken.
  bool Offer(std::vector<Outcome>& outcomes) {
    for (Outcome& outcome : outcomes) {
      outcome.reply.resize(kReplyBytes);
      std::ranges::generate(outcome.reply,
                            [this] { return static_cast<char>('!' + random_() % 94); });  // incompressible
    }
    const uint64_t count = outcomes.size();
    if (!store_->Settle(0, next_[0] + count, outcomes)) return false;
    next_[0] += count;
    return true;
  }

  // Waits until everything that was taken is durable, or writes are stopped.
  bool Stopped() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (store_->Stats().stall == 2) return true;
      if (durable_[0] == next_[0]) return false;
      changed_.wait_for(lock, std::chrono::milliseconds(5));
    }
  }

  std::shared_ptr<SlowTables> disk_ = std::make_shared<SlowTables>();
  std::minstd_rand random_{1};
};

TEST_F(StallTest, AStallBlocksNobodyOnAShardAndRefusesLoads) {
  inbox_outcomes_max_ = 256;
  Open();
  const CampaignId campaign = Create(), other = Create("summer");
  LoadRows(campaign, 1, kRows);
  EXPECT_EQ(store_->Stats().stall, 0);
  const std::vector<std::shared_ptr<Pack>> packs = ReadAll(campaign);
  disk_->Hold(true);

  size_t next = 0;
  const auto offer = [&] {
    std::vector<Outcome> outcomes;
    for (size_t i = 0; i < 8 && next + i < packs.size(); ++i) {
      for (Outcome& outcome : AllOf(packs[next + i], OutcomeKind::kDelivered)) outcomes.push_back(std::move(outcome));
    }
    const bool taken = Offer(outcomes);
    if (taken) next += 8;
    return taken;
  };
  while (!Stopped()) {
    ASSERT_LT(next, packs.size()) << "everything was written";
    ASSERT_TRUE(offer());
  }
  // The committer waits; the inbox of the shard takes what it has room for, and then says no instead of waiting.
  for (int i = 0; i < 4 && offer(); ++i) ASSERT_LT(next, packs.size());
  EXPECT_FALSE(offer());
  const uint64_t taken = next_[0];

  // Who asks is answered.
  EXPECT_EQ(CountersOf(campaign).accepted, kRows);
  EXPECT_FALSE(Lanes(campaign).empty());
  EXPECT_FALSE(ReadAll(campaign).empty());
  EXPECT_TRUE(store_->writable());

  const auto add = [&](Load& load) { return Add(load, MakeRow(1)).ok(); };
  {
    auto load = store_->BeginLoad(other, kNow);
    ASSERT_TRUE(load.ok() && add(**load));
    const absl::Status refused = (*load)->Commit(1, "digest", true);
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_NE(refused.message().find("sealift_queue_stalled"), std::string_view::npos) << refused;
  }

  // Who creates a campaign or changes one is refused: he does not wait for the disk without an end.
  const auto created = store_->CreateCampaign({.name = "autumn"}, kNow);
  const std::vector<absl::Status> refusals = {created.status(),
                                              store_->SetState(campaign, CampaignState::kRunning, kNow),
                                              store_->PutNotes({{NoteKind::kPause, "spring", "by hand"}}),
                                              store_->Cancel(campaign, /*erase=*/false, kNow).status()};
  for (const absl::Status& refused : refusals) EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(store_->FindCampaign("spring")->state, CampaignState::kReady);
  EXPECT_EQ(store_->ListCampaigns()->size(), 2u);

  disk_->Hold(false);
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return durable_[0] == taken; });
  }
  EXPECT_EQ(CountersOf(campaign).delivered, taken);
  auto load = store_->BeginLoad(other, kNow);
  ASSERT_TRUE(load.ok() && add(**load));
  absl::Status loaded = (*load)->Commit(1, "digest", true);
  while (absl::IsResourceExhausted(loaded)) {  // the last flush may be under way
    load->reset();
    load = store_->BeginLoad(other, kNow);
    ASSERT_TRUE(load.ok() && add(**load));
    loaded = (*load)->Commit(1, "digest", true);
  }
  EXPECT_TRUE(loaded.ok()) << loaded;
  EXPECT_EQ(store_->Stats().stall, 0);
}

}  // namespace
}  // namespace sealift::queue
