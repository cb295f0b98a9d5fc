// One bit of a stored queue flips, in any of its files: it is found, the message says what is damaged and what to do;
// or the bit did not matter and everything is there. Never less, and never something else.
#include <algorithm>
#include <fstream>
#include <random>
#include <set>

#include "queue/backup.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class BitFlipTest : public StoreTest {
 protected:
  // A queue with tables, a log with records behind them, and a manifest that names files which were ingested last.
  void Build() {
    Open();
    campaign_ = Create();
    LoadRows(campaign_, 1, 4'000, 20);  // ingested
    auto packs = ReadAll(campaign_);
    for (size_t i = 0; i < 5; ++i) Settle(AllOf(packs[i], OutcomeKind::kDelivered));
    Reopen();  // what the log held becomes tables
    packs = ReadAll(campaign_);
    for (size_t i = 0; i < 5; ++i) {
      Settle(AllOf(packs[i], OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(5)));
    }
    LoadRows(campaign_, 4'001, 4'010, 3);
    Settle(AllOf(ReadAll(campaign_).back(), OutcomeKind::kBounced));
    expected_ = See();
    ASSERT_TRUE(expected_.ok()) << expected_.status();
    store_.reset();
    std::filesystem::copy(path_, root_ + "/whole", std::filesystem::copy_options::recursive);
  }

  // All that a queue says: rows with their due times, events, counts, lanes.
  absl::StatusOr<std::string> See() {
    auto campaign = store_->FindCampaign("spring");
    if (!campaign.ok()) return campaign.status();
    const Counters& counters = campaign->counters;
    std::string seen = fmt::format("{} {} {} {} {} {}\n", counters.accepted, counters.delivered, counters.bounced,
                                   counters.deferrals, counters.retrying, campaign->spec.template_text);
    std::string cursor;
    for (bool done = false; !done;) {
      auto page = store_->ListRows(campaign->id, {.fields = true}, cursor, 1000);
      if (!page.ok()) return page.status();
      for (const StoredRow& row : page->rows) {
        seen += fmt::format("{} {} {} {}\n", static_cast<uint32_t>(row.message.row), row.recipient, row.attempts,
                            absl::ToUnixMillis(row.due));
      }
      cursor = page->cursor;
      done = page->done;
    }
    for (cursor.clear();;) {
      auto page = store_->ReadEvents(cursor, 1000, {});
      if (!page.ok()) return page.status();
      if (page->events.empty()) break;
      for (const Event& event : page->events) {
        seen += fmt::format("{} {}\n", static_cast<uint32_t>(event.message.row), ToString(event.kind));
      }
      cursor = page->events.back().cursor;
    }
    std::promise<LanesPage> promise;
    store_->ReadLanes(campaign->id, "", 1000, 0, 1, [&](LanesPage read) { promise.set_value(std::move(read)); });
    LanesPage lanes = promise.get_future().get();
    if (!lanes.status.ok()) return lanes.status;
    for (const LaneRecord& lane : lanes.lanes) {
      seen += fmt::format("{} {} {}\n", lane.domain, lane.queued, lane.retrying);
    }
    for (const uint32_t row : {1U, 2'000U, 4'005U}) {
      auto found = store_->FindRecipient(campaign->id, MakeRow(row, row > 4'000 ? 3 : 20).recipient);
      if (!found.ok()) return found.status();
      seen += fmt::format("{}\n", *found ? static_cast<uint32_t>((*found)->row) : 0);
    }
    return seen;
  }

  void Restore() {
    store_.reset();
    std::filesystem::remove_all(path_);
    std::filesystem::copy(root_ + "/whole", path_, std::filesystem::copy_options::recursive);
  }

  std::vector<std::string> FilesLike(const std::string& part) const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(root_ + "/whole")) {
      const std::string name = entry.path().filename();
      if (entry.is_regular_file() && entry.file_size() > 0 && name.find(part) != std::string::npos)
        files.push_back(name);
    }
    return files;
  }

  void FlipBit(const std::string& name, uint64_t bit) {
    std::fstream file(path_ + "/" + name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(bit / 8));
    const char byte = static_cast<char>(file.get() ^ (1 << (bit % 8)));
    file.seekp(static_cast<std::streamoff>(bit / 8));
    file.put(byte);
  }

  // Flips `flips` bits drawn from the file, one at a time; every bit when that is fewer. Returns how many were found.
  int FlipIn(const std::string& name, size_t flips) {
    const uint64_t bits = std::filesystem::file_size(root_ + "/whole/" + name) * 8;
    std::mt19937_64 random(bits);
    int found = 0;
    for (size_t i = 0; i < std::min<uint64_t>(flips, bits); ++i) {
      const uint64_t bit = flips >= bits ? i : random() % bits;
      SCOPED_TRACE(fmt::format("bit {} of byte {} of {}", bit % 8, bit / 8, name));
      Restore();
      FlipBit(name, bit);
      auto store = TryOpen();
      absl::StatusOr<std::string> seen;
      if (store.ok()) {
        store_ = *std::move(store);
        seen = See();
      } else {
        seen = store.status();
      }
      if (seen.ok()) {
        EXPECT_TRUE(*seen == *expected_) << "the damage changed what is shown, and nobody said so";
      } else {
        ++found;
        EXPECT_TRUE(absl::IsDataLoss(seen.status())) << seen.status();
        EXPECT_NE(seen.status().message().find("sealift backup restore"), absl::string_view::npos) << seen.status();
        if (store_ != nullptr) EXPECT_TRUE(absl::IsDataLoss(store_->damage())) << "it was met, and is forgotten";
      }
      if (HasFailure()) return found;
    }
    return found;
  }

  CampaignId campaign_{};
  absl::StatusOr<std::string> expected_;
};

TEST_F(BitFlipTest, InATable) {
  Build();
  const auto tables = FilesLike(".sst");
  ASSERT_GE(tables.size(), 5u);
  int found = 0;
  for (const std::string& table : tables) found += FlipIn(table, 12);
  EXPECT_GT(found, 0);
}

TEST_F(BitFlipTest, DamagedRowsNameTheirCampaignAndTheirFile) {
  Build();
  const std::vector<std::string> tables = FilesLike(".sst");
  const auto size = [&](const std::string& table) { return std::filesystem::file_size(root_ + "/whole/" + table); };
  const std::string rows = *std::ranges::max_element(tables, {}, size);
  Restore();
  FlipBit(rows, size(rows) / 2 * 8);  // in the middle of what is sealed
  const absl::Status refused = TryOpen().status();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  for (const std::string& named :
       {std::string("campaign 'spring'"), rows, std::string("move its data directory away"),
        std::string("`sealift backup list`"), std::string("`sealift backup restore FILE`")}) {
    EXPECT_NE(refused.message().find(named), std::string_view::npos) << named << " is not in: " << refused;
  }
}

// A lane that cannot be read would be rows that are queued, and that nobody finds.
TEST_F(BitFlipTest, DamagedLanesAreFoundAtTheStart) {
  Build();
  Restore();
  std::vector<std::string> lanes;
  {
    auto database = Database::Open({.path = path_, .memory_bytes = 32 << 20});
    ASSERT_TRUE(database.ok()) << database.status();
    std::vector<rocksdb::LiveFileMetaData> files;
    (**database)->GetLiveFilesMetaData(&files);
    for (const auto& file : files) {
      if (file.column_family_name == "lanes") lanes.push_back(file.name.substr(1));
    }
  }
  ASSERT_FALSE(lanes.empty());
  FlipBit(lanes.front(), 80);  // of the first block
  const absl::Status refused = TryOpen().status();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_NE(refused.message().find("`sealift backup restore FILE`"), std::string_view::npos) << refused;
}

// Of records that no start reads either: a copy of them would be found to be damaged when it is needed.
TEST_F(BitFlipTest, NoBackupIsMadeOfADamagedTable) {
  Build();
  Restore();
  Open();
  const BackupRequest request{.path = root_ + "/backup", .key = TestKek(99), .label = {.hostname = "h", .taken = kNow}};
  std::string damaged;
  for (const std::string& table : FilesLike(".sst")) {
    if (!std::filesystem::exists(path_ + "/" + table)) continue;
    SCOPED_TRACE(table);
    FlipBit(table, 100);
    const auto made = store_->Backup(request);
    EXPECT_TRUE(absl::IsDataLoss(made.status())) << made.status();
    EXPECT_EQ(store_->damage().code(), absl::StatusCode::kDataLoss);
    EXPECT_FALSE(std::filesystem::exists(request.path));
    FlipBit(table, 100);
    damaged += table;
  }
  EXPECT_NE(damaged, "") << "nothing is proved";
  EXPECT_TRUE(store_->Backup(request).ok()) << "all of it is whole again";
}

// Damage that comes while the queue is open: whoever asks is told, though the reader can only wait.
TEST_F(BitFlipTest, DamageThatAReaderMeetsIsToldOfFromThenOn) {
  Build();
  Restore();
  Open();
  EXPECT_TRUE(store_->damage().ok());
  const CampaignId campaign = store_->FindCampaign("spring")->id;
  for (const std::string& table : FilesLike(".sst")) {
    if (!std::filesystem::exists(path_ + "/" + table)) continue;
    for (uint64_t byte = 10; byte < std::filesystem::file_size(path_ + "/" + table); byte += 500) {
      FlipBit(table, byte * 8);
    }
  }
  std::promise<LanesPage> promise;
  store_->ReadLanes(campaign, "", 1000, 0, 1, [&](LanesPage read) { promise.set_value(std::move(read)); });
  const LanesPage page = promise.get_future().get();
  ASSERT_TRUE(absl::IsDataLoss(page.status)) << page.status;
  EXPECT_EQ(store_->damage(), page.status);
}

TEST_F(BitFlipTest, InTheLog) {
  Build();
  const auto logs = FilesLike(".log");
  ASSERT_FALSE(logs.empty());
  for (const std::string& log : logs) EXPECT_EQ(FlipIn(log, 150), 150) << log;
}

// Of a young queue everything is in its log.
TEST_F(BitFlipTest, AQueueWhoseOnlyLogIsGoneIsNotTakenForANewOne) {
  Open();
  LoadRows(Create(), 1, 10);
  store_.reset();
  std::string log;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    EXPECT_NE(entry.path().extension(), ".sst") << "nothing is proved";
    if (entry.path().extension() == ".log") log = entry.path();
  }
  const auto expect_found = [&] {
    const auto opened = TryOpen();
    EXPECT_TRUE(absl::IsDataLoss(opened.status())) << opened.status();
    EXPECT_NE(opened.status().message().find("sealift backup restore"), absl::string_view::npos) << opened.status();
  };
  std::filesystem::resize_file(log, 0);
  expect_found();
  std::filesystem::remove(log);
  expect_found();
}

TEST_F(BitFlipTest, InTheManifest) {
  Build();
  const auto manifests = FilesLike("MANIFEST");
  ASSERT_EQ(manifests.size(), 1u);
  EXPECT_EQ(FlipIn(manifests[0], 200), 200);
}

TEST_F(BitFlipTest, InTheNameOfTheManifest) {
  Build();
  EXPECT_GT(FlipIn("CURRENT", 1000), 100);
}

TEST_F(BitFlipTest, AManifestThatNobodyNamesIsNotTakenForAnEmptyQueue) {
  Build();
  Restore();
  std::filesystem::remove(path_ + "/CURRENT");
  const auto store = TryOpen();
  EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
  EXPECT_NE(store.status().message().find("CURRENT"), absl::string_view::npos) << store.status();
}

}  // namespace
}  // namespace sealift::queue
