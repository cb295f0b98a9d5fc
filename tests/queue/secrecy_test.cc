#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <tuple>
#include <utility>

#include "queue/database.h"
#include "queue/keys.h"
#include "queue/rows_merge.h"
#include "rocksdb/file_system.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

// While it is armed no table is written.
class NoTables : public rocksdb::FileSystemWrapper {
 public:
  NoTables() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "sealift.no_tables"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    if (armed && path.ends_with(".sst")) return rocksdb::IOStatus::IOError("none is written");
    return FileSystemWrapper::NewWritableFile(path, options, file, debug);
  }
  std::atomic<bool> armed = false;
};

class SecrecyTest : public StoreTest {
 protected:
  void Configure(Store::Options& options) override { options.file_system = file_system_; }

  std::shared_ptr<NoTables> file_system_;

  // How often `needle` stands in a file under the data directory, in whatever letter case it was given.
  std::vector<std::string> FilesWith(const std::string& needle) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      if (bytes.find(needle) != std::string::npos) found.push_back(entry.path());
    }
    return found;
  }

  // Opens the files beneath the store, as somebody with the disk would.
  void Tamper(const std::function<void(Database&)>& change) {
    auto database = Database::Open({.path = path_, .memory_bytes = 32 << 20});
    ASSERT_TRUE(database.ok()) << database.status();
    change(**database);
  }

  // As it stands in the files. Closes the store.
  std::string WrappedKeyOf(CampaignId campaign) {
    store_.reset();
    std::string wrapped;
    Tamper([&](Database& database) {
      const std::string key = NumberedKey(kCampaignKeyPrefix, static_cast<uint32_t>(campaign));
      EXPECT_TRUE(database->Get({}, database.handle(Column::kMeta), key, &wrapped).ok());
    });
    return wrapped;
  }

  // A record of the database: column, key, value.
  using Kept = std::tuple<Column, std::string, std::string>;

  // Rows and campaigns as they stand, of a copy. The store is closed for it: files that are written to cannot be copied
  // as they were at one moment.
  std::vector<Kept> Keep() {
    store_.reset();
    const std::string copy = root_ + "/copy", path = std::exchange(path_, copy);
    std::filesystem::remove_all(copy);
    std::filesystem::copy(path, copy, std::filesystem::copy_options::recursive);
    std::vector<Kept> kept;
    Tamper([&](Database& database) {
      for (const Column column : {Column::kRows, Column::kCampaigns}) {
        const std::unique_ptr<rocksdb::Iterator> it(database->NewIterator({}, database.handle(column)));
        for (it->SeekToFirst(); it->Valid(); it->Next()) {
          kept.emplace_back(column, it->key().ToString(), it->value().ToString());
        }
      }
    });
    path_ = path;
    Open();
    return kept;
  }

  void PutBack(const std::vector<Kept>& records) {
    Tamper([&](Database& database) {
      for (const auto& [column, key, value] : records) {
        ASSERT_TRUE(database->Put({}, database.handle(column), key, value).ok());
      }
    });
  }

  // Rows and campaigns are these and no others.
  void Become(const std::vector<Kept>& records) {
    Tamper([&](Database& database) {
      for (const Column column : {Column::kRows, Column::kCampaigns}) {
        ASSERT_TRUE(database->DeleteRange({}, database.handle(column), "", std::string(40, '\xff')).ok());
      }
      ASSERT_TRUE(database->Put({}, std::string(kFormatKey), std::to_string(Database::kFormatVersion)).ok());
    });
    PutBack(records);
  }

  // What is said names what the reader needs to know.
  void ExpectRefused(const std::vector<std::string>& named = {}) {
    const auto store = TryOpen();
    ASSERT_FALSE(store.ok()) << "nobody noticed";
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
    EXPECT_NE(store.status().message().find("sealift backup restore"), std::string::npos) << store.status();
    for (const std::string& name : named) {
      EXPECT_NE(store.status().message().find(name), std::string::npos) << name << " is not in: " << store.status();
    }
  }
};

TEST_F(SecrecyTest, NothingThatWasLoadedStandsInAFile) {
  Open();
  CampaignSpec spec;
  spec.name = "canary-name";
  spec.stream = "canary-stream";
  spec.mode = "sink";
  spec.template_text = "Subject: canary-subject\r\n\r\ncanary-body\r\n";
  spec.columns = {"canary-column"};
  spec.defaults = {{"canary-column", "canary-default"}};
  spec.settings_json = "canary-settings";
  const CampaignId campaign = store_->CreateCampaign(spec, kNow)->id;
  for (const auto& [first, last] : {std::pair(1u, 6000u), std::pair(6001u, 6050u)}) {
    auto load = store_->BeginLoad(campaign, kNow);
    ASSERT_TRUE(load.ok());
    for (uint32_t id = first; id <= last; ++id) {
      const InputRow row{
          id, fmt::format("canary-local{}@canary-domain.test", id), "canary-domain.test", {"canary-field"}};
      ASSERT_TRUE(Add(**load, row).ok());
    }
    ASSERT_TRUE((*load)->Commit(last, "canary-digest", true).ok());
  }
  auto packs = ReadAll(campaign);
  packs.resize(20);
  for (const OutcomeKind kind : {OutcomeKind::kDelivered, OutcomeKind::kBounced, OutcomeKind::kDeferred}) {
    Outcome outcome = MakeOutcome(packs.back(), 0, kind, kNow, kNow + absl::Hours(1));
    outcome.reply = "canary-reply";
    outcome.evidence = std::make_shared<const Evidence>(Evidence{"s", "canary-source", "canary-mx", "", "", "", ""});
    packs.pop_back();
    Settle({outcome});
  }
  SuppressionChange opt_out{"canary-local7@canary-domain.test",
                            {.what = {.kind = SuppressionKind::kOptOut}, .time = kNow}};
  opt_out.entry.what.scope = {SuppressionScope::Of::kCampaign, "canary-name"};
  opt_out.entry.reason = "canary-reason";
  ASSERT_TRUE(store_->ChangeSuppressions({opt_out}, true).ok());
  const auto expect_none = [&] {
    for (const char* canary : {"canary", "local12", "CANARY"}) EXPECT_TRUE(FilesWith(canary).empty()) << canary;
  };
  expect_none();  // while the log holds it
  store_.reset();
  expect_none();
  // The search finds what is there.
  EXPECT_FALSE(FilesWith("sealift.rows.1").empty());
}

TEST_F(SecrecyTest, ASwappedValueIsDetected) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 48, 1);
  const LaneId lane = Lanes(campaign).at(0).lane;
  store_.reset();
  Tamper([&](Database& database) {
    const std::string first = RowsKey{lane, 0, 1}.Encode(), second = RowsKey{lane, 0, 17}.Encode();
    std::string value;
    ASSERT_TRUE(database->Get({}, database.handle(Column::kRows), first, &value).ok());
    ASSERT_TRUE(database->Put({}, database.handle(Column::kRows), second, value).ok());
  });
  ExpectRefused();
}

TEST_F(SecrecyTest, AChangedValueIsDetected) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const LaneId lane = Lanes(campaign).at(0).lane;
  store_.reset();
  Tamper([&](Database& database) {
    const std::string key = RowsKey{lane, 0, 1}.Encode();
    std::string value;
    ASSERT_TRUE(database->Get({}, database.handle(Column::kRows), key, &value).ok());
    value[value.size() / 2] = static_cast<char>(value[value.size() / 2] ^ 1);
    ASSERT_TRUE(database->Put({}, database.handle(Column::kRows), key, value).ok());
  });
  ExpectRefused({"campaign 'spring'", "does not authenticate"});
}

// One row of a pack is settled, all of another, and some rows are deferred, held in doubt and replayed. Then somebody
// puts back what was there before.
TEST_F(SecrecyTest, ARowThatWasPutBackIsDetected) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 64, 1);
  ASSERT_TRUE(store_->SetState(campaign, CampaignState::kRunning, kNow).ok());
  const auto packs = ReadAll(campaign);
  const std::vector<Kept> before = Keep();
  Settle({MakeOutcome(packs[0], 3, OutcomeKind::kDelivered)});
  Settle(AllOf(packs[1], OutcomeKind::kBounced));
  Settle({MakeOutcome(packs[2], 0, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1)),
          MakeOutcome(packs[2], 1, OutcomeKind::kDeferred, kNow, absl::InfiniteFuture())});
  Settle(AllOf(packs[3], OutcomeKind::kDelivered));
  Reopen();
  EXPECT_EQ(CountersOf(campaign).queued(), 31u);
  const std::vector<Kept> after = Keep();
  store_.reset();
  const auto rows_of = [&](const Kept& kept) { return std::get<0>(kept) == Column::kRows; };
  for (const Kept& old : before) {
    if (!rows_of(old) || std::find(after.begin(), after.end(), old) != after.end()) continue;
    SCOPED_TRACE("a pack as it was before");
    PutBack({old});
    ExpectRefused();
    Become(after);
  }
  for (const Kept& kept : after) {
    if (!rows_of(kept)) continue;
    SCOPED_TRACE("a pack is taken away");
    Tamper([&](Database& database) {
      ASSERT_TRUE(database->Delete({}, database.handle(Column::kRows), std::get<1>(kept)).ok());
    });
    ExpectRefused();
    Become(after);
  }
  {
    SCOPED_TRACE("the counts of before");
    std::vector<Kept> old;
    for (const Kept& kept : before) {
      if (std::get<0>(kept) == Column::kCampaigns) old.push_back(kept);
    }
    Tamper([&](Database& database) {
      const std::string tally = CampaignKey(campaign, CampaignPart::kTally);
      ASSERT_TRUE(database->Delete({}, database.handle(Column::kCampaigns), tally).ok());
    });
    PutBack(old);
    ExpectRefused();
    Become(after);
  }
  {
    SCOPED_TRACE("an older format");
    Tamper([&](Database& database) { ASSERT_TRUE(database->Put({}, std::string(kFormatKey), "1").ok()); });
    ExpectRefused();
    Become(after);
  }
  Open();
  EXPECT_EQ(RowIds(ReadAll(campaign, kNow + absl::Hours(2))).size(), 30u) << "all but the one in doubt";
}

TEST_F(SecrecyTest, ACancelledCampaignThatWasPutBackIsDetected) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 64, 1);
  ASSERT_TRUE(store_->SetState(campaign, CampaignState::kRunning, kNow).ok());
  Settle(AllOf(ReadAll(campaign).at(0), OutcomeKind::kDelivered));
  const std::vector<Kept> before = Keep();
  ASSERT_TRUE(store_->Cancel(campaign, /*erase=*/false, kNow).ok());
  Reopen();
  store_.reset();
  for (const Kept& kept : before) {
    if (std::get<1>(kept) == CampaignKey(campaign, CampaignPart::kHead)) PutBack({kept});
  }
  ExpectRefused();
}

TEST_F(SecrecyTest, AFlippedBitInAFileIsAnErrorAndNeverAnEmptyQueue) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 20'000, 1);
  store_.reset();
  size_t flipped = 0;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    const std::string extension = entry.path().extension();
    if (extension == ".sst" && entry.file_size() > 100'000) files.push_back(entry.path());
  }
  ASSERT_FALSE(files.empty());
  for (const auto& path : files) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
    file.seekg(middle);
    const char byte = static_cast<char>(file.get());
    file.seekp(middle);
    file.put(static_cast<char>(byte ^ 4));
    ++flipped;
  }
  ASSERT_GT(flipped, 0u);
  auto store = TryOpen();
  if (!store.ok()) {
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
    return;
  }
  store_ = *std::move(store);
  const auto lanes = Lanes(campaign);
  ASSERT_EQ(lanes.size(), 1u);
  bool detected = false;
  LaneRead read{.lane = lanes[0].lane, .fresh = {}, .retry = {}, .now = kNow, .packs_max = 64};
  for (size_t rows = 0; !detected && rows < 20'000;) {
    const LaneWindow window = ReadOne(read);
    detected = !window.status.ok();
    if (detected) {
      EXPECT_EQ(window.status.code(), absl::StatusCode::kDataLoss) << window.status;
      break;
    }
    ASSERT_FALSE(window.packs.empty()) << "rows are missing without an error";
    rows += RowIds(window.packs).size();
    read.fresh = window.fresh;
  }
  EXPECT_TRUE(detected);
}

TEST_F(SecrecyTest, AnErasedKeyIsGoneFromTheFiles) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const std::string wrapped = WrappedKeyOf(campaign);
  ASSERT_FALSE(FilesWith(wrapped).empty());
  Open();
  ASSERT_TRUE(store_->Cancel(campaign, true, kNow).ok());
  EXPECT_TRUE(FilesWith(wrapped).empty());
}

// The erasure is committed, and then no table can be written, as when the power goes.
TEST_F(SecrecyTest, AnErasureThatACrashInterruptsIsEndedByTheNextStart) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const std::string wrapped = WrappedKeyOf(campaign);
  file_system_ = std::make_shared<NoTables>();
  // A compaction of the start may be who finds out, before there is anything to commit: then once more.
  bool erased = false;
  for (int tries = 0; !erased && tries < 20; ++tries) {
    Open();
    file_system_->armed = true;
    ASSERT_FALSE(store_->Cancel(campaign, true, kNow).ok());
    ASSERT_FALSE(FilesWith(wrapped).empty());
    store_.reset();
    file_system_->armed = false;
    Open();
    erased = store_->GetCampaign(campaign)->erased;
    if (!erased) store_.reset();
  }
  ASSERT_TRUE(erased);
  EXPECT_TRUE(FilesWith(wrapped).empty());
}

}  // namespace
}  // namespace sealift::queue
