#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

// Lets no file of this process grow beyond `bytes`; returns what was allowed before.
rlimit FileSizeLimit(rlim_t bytes) {
  (void)::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  (void)::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit limit = {bytes, before.rlim_max};
  (void)::setrlimit(RLIMIT_FSIZE, &limit);
  return before;
}

class CrashTest : public StoreTest {
 protected:
  // Runs `life` in a process of its own, which ends without closing anything.
  void LiveAndDie(const std::function<void()>& life) {
    store_.reset();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Open();
      life();
      ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
};

TEST_F(CrashTest, WhatWasAcknowledgedIsThereAfterADeathWithoutClosing) {
  LiveAndDie([this] {
    const CampaignId campaign = Create();
    LoadRows(campaign, 1, 10'000, 20);       // ingested
    LoadRows(campaign, 10'001, 10'100, 20);  // logged
    auto load = store_->BeginLoad(campaign, kNow);
    for (uint32_t id = 10'101; id < 10'200; ++id) ASSERT_TRUE(Add(**load, MakeRow(id)).ok());
    auto packs = ReadAll(campaign);
    Settle(AllOf(packs[0], OutcomeKind::kDelivered));
    Settle({MakeOutcome(packs[1], 0, OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(1))});
    (void)load->release();  // the load dies in the middle of a chunk
    const SuppressionChange opt_out{"patient1@d1.test", {.what = {.kind = SuppressionKind::kOptOut}, .time = kNow}};
    ASSERT_TRUE(store_->ChangeSuppressions({opt_out}, true).ok());
  });
  Open();
  const auto campaign = store_->FindCampaign("spring");
  ASSERT_TRUE(campaign.ok()) << campaign.status();
  EXPECT_EQ(campaign->counters.accepted, 10'100u);
  EXPECT_EQ(campaign->counters.delivered, 16u);
  EXPECT_EQ(campaign->counters.deferrals, 1u);
  EXPECT_EQ(campaign->input_offset, 101'000u);
  EXPECT_EQ(RowIds(ReadAll(campaign->id, kNow + absl::Minutes(1))).size(), 10'100u - 16u);
  EXPECT_EQ(store_->ReadEvents("", 100, {})->events.size(), 17u);
  EXPECT_TRUE(store_->FindSuppressions("patient1@d1.test")->has_value());
}

TEST_F(CrashTest, FilesOfAnUnfinishedIngestionAreRemoved) {
  Open();
  store_.reset();
  const std::string left = path_ + "/incoming/7.sst";
  ASSERT_GE(::close(::open(left.c_str(), O_CREAT | O_WRONLY, 0600)), 0);
  Open();
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(CrashTest, AWriteThatFailsStopsTheStoreAndSaysSo) {
  std::vector<absl::Status> failures;
  Store::Options options;
  options.path = path_;
  options.kek = TestKek();
  options.shards = 1;
  options.commit_interval = absl::ZeroDuration();
  std::promise<absl::Status> failed;
  options.on_failure = [&](absl::Status status) {
    failures.push_back(status);
    failed.set_value(status);
  };
  std::atomic<int> acknowledged = 0;
  options.on_durable = [&](int, uint64_t) { ++acknowledged; };
  auto store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const auto pack = ReadAll(campaign).at(0);

  // The log cannot grow: the kernel's limit stands for a full disk.
  const rlimit before = FileSizeLimit(0);
  std::vector<Outcome> batch = AllOf(pack, OutcomeKind::kDelivered);
  ASSERT_TRUE(store_->Settle(0, 16, batch));
  const absl::Status status = failed.get_future().get();
  (void)::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(store_->failure(), status);
  EXPECT_EQ(acknowledged, 0);
  batch = {MakeOutcome(pack, 1, OutcomeKind::kDelivered)};
  EXPECT_FALSE(store_->Settle(0, 17, batch)) << "nothing is accepted, though the disk would take it again";
  EXPECT_FALSE(store_->SetState(campaign, CampaignState::kRunning, kNow).ok());
  auto load = store_->BeginLoad(campaign, kNow);
  ASSERT_TRUE(load.ok());
  ASSERT_TRUE(Add(**load, MakeRow(17)).ok());
  EXPECT_FALSE((*load)->Commit(1, "", true).ok());
  load->reset();
  EXPECT_EQ(failures.size(), 1u);
  // Another start finds what was acknowledged.
  Reopen();
  EXPECT_EQ(RowIds(ReadAll(campaign)), Range(1, 16));
  EXPECT_EQ(CountersOf(campaign).delivered, 0u);
}

}  // namespace
}  // namespace sealift::queue
