#include <sys/stat.h>

#include <filesystem>

#include "queue/keys.h"
#include "rocksdb/db.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class StoreOpenTest : public StoreTest {};

TEST_F(StoreOpenTest, AReopenedStoreFindsEveryRow) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 1000);
  ASSERT_TRUE(store_->SetState(campaign, CampaignState::kRunning, kNow).ok());
  Reopen();
  EXPECT_EQ(RowIds(ReadAll(campaign)), Range(1, 1000));
  const auto found = store_->FindCampaign("spring");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->id, campaign);
  EXPECT_EQ(found->state, CampaignState::kRunning);
  EXPECT_EQ(found->started, kNow);
  EXPECT_EQ(found->spec.columns, (std::vector<std::string>{"name", "note"}));
  EXPECT_EQ(found->counters.accepted, 1000u);
}

TEST_F(StoreOpenTest, TheFilesAreTheOwnersAlone) {
  ::umask(022);
  Open();
  LoadRows(Create(), 1, 5000);
  struct stat found;
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700u);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
    ASSERT_EQ(::stat(entry.path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 077, 0u) << entry.path();
  }
}

TEST_F(StoreOpenTest, ADirectoryThatOthersCanReadIsRefused) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0750), 0);
  const auto store = TryOpen();
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(store.status().message()).find("chmod 0700"), std::string::npos) << store.status();
}

TEST_F(StoreOpenTest, ASecondStoreOnTheSameDataIsRefused) {
  Open();
  const auto second = TryOpen();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(second.status().message()).find("in use by another sealiftd"), std::string::npos);
}

TEST_F(StoreOpenTest, AnotherKeyIsRefusedAndHarmsNothing) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 10);
  store_.reset();
  const auto other = TryOpen(8);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(other.status().message()).find("another key"), std::string::npos) << other.status();
  Open();
  EXPECT_EQ(RowIds(ReadAll(campaign)), Range(1, 10));
}

class NewerFormatTest : public StoreOpenTest {
 protected:
  void Change(const std::function<void(rocksdb::DB*)>& change) {
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path_, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> columns;
    for (const auto& name : names) columns.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, path_, columns, &handles, &db).ok());
    change(db);
    for (auto* handle : handles) (void)db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
};

TEST_F(NewerFormatTest, ANewerVersionIsRefused) {
  Open();
  store_.reset();
  Change([](rocksdb::DB* db) { ASSERT_TRUE(db->Put({}, std::string(kFormatKey), "3").ok()); });
  const auto store = TryOpen();
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(store.status().message()).find("format 3"), std::string::npos) << store.status();
}

TEST_F(NewerFormatTest, AnUnknownColumnFamilyIsRefused) {
  Open();
  store_.reset();
  Change([](rocksdb::DB* db) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    ASSERT_TRUE(db->CreateColumnFamily({}, "holds", &handle).ok());
    (void)db->DestroyColumnFamilyHandle(handle);
  });
  const auto store = TryOpen();
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(store.status().message()).find("newer version"), std::string::npos) << store.status();
}

}  // namespace
}  // namespace sealift::queue
