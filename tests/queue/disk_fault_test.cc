// The disk fails at every point of a fixed life that changes it: nothing acknowledged is lost, nothing is accepted that
// could be, what is there can be looked at, and a full disk is over when there is room.
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "tests/queue/fault_fixture.h"

namespace sealift::queue {
namespace {

using Fault = FaultFileSystem::Fault;
constexpr int kProcesses = 4;  // each has every fourth of the points looked at

// Every third point is looked at, or what SEALIFT_FAULT_EVERY says; 1 takes minutes.
uint64_t Every() {
  const char* const every = std::getenv("SEALIFT_FAULT_EVERY");
  return every == nullptr ? 3 : std::strtoull(every, nullptr, 10);
}

class DiskFaultTest : public ::testing::TestWithParam<int> {
 protected:
  class Life : public FaultTest {
   public:
    // True while there is a point of this number.
    bool FillAt(uint64_t point) {
      relieve_ = [this](const absl::Status& status) {
        if (absl::IsResourceExhausted(status)) disk_->Heal();
      };
      mend_ = [this](const absl::Status& status) {
        if (!disk_->hit()) ADD_FAILURE() << status;
        EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
        EXPECT_NE(status.message().find("Free space there"), absl::string_view::npos) << status;
        if (IsStopped()) ExpectNothingNew(absl::StatusCode::kResourceExhausted);
        disk_->Heal();
        if (store_) AwaitRoom();
        return !HasFailure();
      };
      disk_->Arm(Fault::kNoSpace, point, /*syncs_only=*/false);
      Live();
      EXPECT_TRUE(whole()) << "it did not go on by itself";
      const bool hit = disk_->hit();
      if (whole()) ExpectWhatWasAcknowledged();
      Crash();
      return hit;
    }

    // A failure that is final.
    bool BreakAt(Fault fault, uint64_t point) {
      disk_->Arm(fault, point, /*syncs_only=*/fault == Fault::kSyncError);
      Live();
      const bool hit = disk_->hit();
      disk_->Heal();
      if (!whole() && store_) {
        if (!store_->writable()) {
          ExpectNothingNew(absl::StatusCode::kUnavailable);
        } else {
          EXPECT_NE(fault, Fault::kSyncError) << "a failed sync went unnoticed";
        }
      }
      Crash();
      return hit;
    }
    void TestBody() override {}

   private:
    // Loads and changes are refused with the reason; look-ups and numbers are there.
    void ExpectNothingNew(absl::StatusCode code) {
      EXPECT_EQ(store_->failure().code(), code) << store_->failure();
      EXPECT_EQ(store_->CreateCampaign({.name = "new"}, kNow).status().code(), code);
      const auto found = store_->FindCampaign("spring");
      if (!found.ok()) return;
      EXPECT_EQ(store_->SetState(found->id, CampaignState::kRunning, kNow).code(), code);
      auto load = store_->BeginLoad(found->id, kNow);
      ASSERT_TRUE(load.ok());
      ASSERT_TRUE(Add(**load, MakeRow(1'000'000)).ok());
      EXPECT_EQ((*load)->Commit(1, "", false).code(), code);
      EXPECT_TRUE(store_->ListRows(found->id, {}, "", 10).ok());
      EXPECT_TRUE(store_->ReadEvents("", 10, {}).ok());
      EXPECT_GT(store_->Disk().bytes, 0u);
    }
    // And will be until somebody heals the disk.
    bool IsStopped() {
      const std::lock_guard lock(mutex_);
      return store_ && !stopped_.ok() && !relieved_;
    }
    void AwaitRoom() {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::seconds(30), [this] { return stopped_.ok(); });
      EXPECT_TRUE(stopped_.ok()) << "there is room, and it does not go on: " << stopped_;
    }
  };

  template <typename Try>
  void Everywhere(const Try& attempt) {
    for (uint64_t point = static_cast<uint64_t>(GetParam()) * Every() + 1;; point += kProcesses * Every()) {
      SCOPED_TRACE(fmt::format("at point {}", point));
      Life life;
      const bool hit = attempt(life, point);
      ASSERT_FALSE(HasFailure());
      if (hit) continue;
      EXPECT_GT(point, 40u) << "so few points prove little";
      return;
    }
  }
};

TEST_P(DiskFaultTest, AFullDiskIsWaitedOut) {
  Everywhere([](Life& life, uint64_t point) { return life.FillAt(point); });
}

TEST_P(DiskFaultTest, AFailedWriteEndsAcceptanceUntilARestart) {
  Everywhere([](Life& life, uint64_t point) { return life.BreakAt(Fault::kWriteError, point); });
}

TEST_P(DiskFaultTest, AFailedSyncEndsAcceptanceUntilARestart) {
  Everywhere([](Life& life, uint64_t point) { return life.BreakAt(Fault::kSyncError, point); });
}

TEST_P(DiskFaultTest, ADiskThatBecomesReadOnlyEndsAcceptanceUntilARestart) {
  Everywhere([](Life& life, uint64_t point) { return life.BreakAt(Fault::kReadOnly, point); });
}

class ReserveTest : public StoreTest {
 protected:
  void Configure(Store::Options& options) override {
    options.file_system = disk_;
    options.reserve_bytes = 1 << 20;
    options.on_failure = [this](const absl::Status& status) {
      const std::lock_guard lock(mutex_);
      ++(status.ok() ? ends_ : stops_);
      if (status.ok()) EXPECT_TRUE(std::filesystem::exists(path_ + "/reserve"));
      changed_.notify_all();
    };
  }

  const std::shared_ptr<FaultFileSystem> disk_ = std::make_shared<FaultFileSystem>(root_ + "/graveyard");
  int stops_ = 0, ends_ = 0;  // of a full disk; guarded by mutex_
};

// The write that is to show the end finds no room either, and is given the reserve.
TEST_F(ReserveTest, AFullDiskIsOverOnceTheReserveIsHeldAgain) {
  bool stopped = false;
  for (uint64_t point = 1; !stopped; ++point) {  // until it is the ingestion that finds none
    ASSERT_LT(point, 200u);
    path_ = fmt::format("{}/queue{}", root_, point);
    Open();
    const auto load = store_->BeginLoad(Create(), kNow);
    ASSERT_TRUE(load.ok()) << load.status();
    for (uint32_t id = 1; id <= 4'100; ++id) ASSERT_TRUE(Add(**load, MakeRow(id)).ok());
    disk_->Arm(Fault::kNoSpace, point, /*syncs_only=*/false);
    (void)(*load)->Commit(1, "", true);
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [this] { return ends_ == stops_; }));
    stopped = stops_ > 0;
    lock.unlock();
    disk_->Heal();
  }
}

INSTANTIATE_TEST_SUITE_P(Points, DiskFaultTest, ::testing::Range(0, kProcesses));

}  // namespace
}  // namespace sealift::queue
