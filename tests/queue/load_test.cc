#include <thread>

#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class LoadTest : public StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
  }
  std::unique_ptr<Load> Begin() {
    auto load = store_->BeginLoad(campaign_, kNow);
    EXPECT_TRUE(load.ok()) << load.status();
    return load.ok() ? *std::move(load) : nullptr;
  }
  CampaignId campaign_{};
};

TEST_F(LoadTest, ALargeChunkIsIngestedAndASmallOneLogged) {
  LoadRows(campaign_, 1, 10'000, 50);
  LoadRows(campaign_, 10'001, 10'100, 50);
  EXPECT_EQ(CountersOf(campaign_).accepted, 10'100u);
  EXPECT_EQ(RowIds(ReadAll(campaign_)), Range(1, 10'100));
  Reopen();
  EXPECT_EQ(RowIds(ReadAll(campaign_)), Range(1, 10'100));
}

TEST_F(LoadTest, WhatWasNotCommittedWasNotAccepted) {
  {
    const auto load = Begin();
    for (uint32_t id = 1; id <= 100; ++id) ASSERT_TRUE(Add(*load, MakeRow(id)).ok());
  }
  EXPECT_EQ(CountersOf(campaign_).accepted, 0u);
  EXPECT_TRUE(Lanes(campaign_).empty());
}

TEST_F(LoadTest, AnInterruptedLoadResumesBehindItsLastCommit) {
  {
    const auto load = Begin();
    for (uint32_t id = 1; id <= 50; ++id) ASSERT_TRUE(Add(*load, MakeRow(id)).ok());
    load->Reject();
    ASSERT_TRUE(load->Commit(500, "digest of 500", false).ok());
    for (uint32_t id = 51; id <= 70; ++id) ASSERT_TRUE(Add(*load, MakeRow(id)).ok());
    load->Reject();
  }
  Reopen();
  auto campaign = store_->GetCampaign(campaign_);
  ASSERT_TRUE(campaign.ok());
  EXPECT_EQ(campaign->state, CampaignState::kLoading);
  EXPECT_FALSE(campaign->load_complete);
  const auto load = Begin();
  EXPECT_EQ(load->offset(), 500u);
  EXPECT_EQ(load->digest(), "digest of 500");
  EXPECT_EQ(load->rows(), 50u);
  EXPECT_EQ(Add(*load, MakeRow(50)).status().code(), absl::StatusCode::kInvalidArgument);
  for (uint32_t id = 51; id <= 80; ++id) ASSERT_TRUE(Add(*load, MakeRow(id)).ok());
  load->Reject();
  ASSERT_TRUE(load->Commit(800, "digest of 800", true).ok());
  campaign = store_->GetCampaign(campaign_);
  EXPECT_EQ(campaign->state, CampaignState::kReady);
  EXPECT_EQ(campaign->counters.accepted, 80u);
  EXPECT_EQ(campaign->counters.rejected, 2u);
  EXPECT_EQ(RowIds(ReadAll(campaign_)), Range(1, 80));
}

TEST_F(LoadTest, AnAddressIsAcceptedOnceInACampaign) {
  const auto load = Begin();
  for (uint32_t id = 1; id <= 10; ++id) ASSERT_TRUE(Add(*load, MakeRow(id)).ok());
  InputRow again = MakeRow(3);
  again.id = 11;
  EXPECT_EQ(*Add(*load, again), Load::Added::kDuplicate);
  again.id = 12;
  again.recipient = "Patient3@d0.test";
  EXPECT_EQ(*Add(*load, again), Load::Added::kDuplicate) << "letter case makes no other recipient";
  ASSERT_TRUE(load->Commit(120, "", false).ok());
  // And in a later chunk.
  again = MakeRow(5);
  again.id = 13;
  ASSERT_TRUE(Add(*load, again).ok());
  ASSERT_TRUE(Add(*load, MakeRow(14)).ok());
  ASSERT_TRUE(load->Commit(140, "", true).ok());
  EXPECT_EQ(load->counters().accepted, 11u);
  EXPECT_EQ(load->counters().duplicates, 3u);
  auto expected = Range(1, 10);
  expected.push_back(14);
  EXPECT_EQ(RowIds(ReadAll(campaign_)), expected);
  // Another campaign may have it.
  const CampaignId other = Create("summer");
  LoadRows(other, 1, 10);
  EXPECT_EQ(CountersOf(other).accepted, 10u);
}

TEST_F(LoadTest, RowsAreReadWhileTheChunkBeforeThemIsCommitted) {
  {
    const auto load = Begin();
    for (uint32_t chunk = 0; chunk < 3; ++chunk) {
      const uint32_t first = chunk * 5001 + 1;
      for (uint32_t id = first; id < first + 5000; ++id) ASSERT_TRUE(Add(*load, MakeRow(id, 10)).ok());
      load->Reject();
      InputRow early = MakeRow(1, 10);
      early.id = first + 5000;
      // The first chunk finds it at once; a later one by asking, once the one before it is written.
      ASSERT_EQ(*Add(*load, early), chunk == 0 ? Load::Added::kDuplicate : Load::Added::kAccepted);
      ASSERT_TRUE(load->CommitBehind(chunk + 1, fmt::format("digest of {}", chunk + 1)).ok());
    }
    ASSERT_TRUE(load->Wait().ok());
    EXPECT_EQ(load->offset(), 3u);
    EXPECT_EQ(load->digest(), "digest of 3");
    EXPECT_EQ(load->counters().accepted, 15'000u);
    EXPECT_EQ(load->counters().duplicates, 3u);
  }
  EXPECT_EQ(CountersOf(campaign_).rejected, 3u);
  EXPECT_EQ(store_->GetCampaign(campaign_)->state, CampaignState::kLoading);
  Reopen();
  EXPECT_EQ(Begin()->offset(), 3u);
}

TEST_F(LoadTest, AChunkOnItsWayIsWaitedForAndItsFailureTold) {
  auto load = Begin();
  for (uint32_t id = 1; id <= 5000; ++id) ASSERT_TRUE(Add(*load, MakeRow(id)).ok());
  ASSERT_TRUE(load->CommitBehind(1, "one").ok());
  load.reset();
  EXPECT_EQ(CountersOf(campaign_).accepted, 5000u) << "a load ends when what it has begun has ended";
  load = Begin();
  ASSERT_TRUE(store_->Cancel(campaign_, false, kNow).ok());
  for (uint32_t id = 5001; id <= 5010; ++id) ASSERT_TRUE(Add(*load, MakeRow(id)).ok());
  ASSERT_TRUE(load->CommitBehind(2, "two").ok());
  ASSERT_TRUE(Add(*load, MakeRow(5011)).ok());
  EXPECT_EQ(load->CommitBehind(3, "three").code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(load->Commit(3, "three", true).code(), absl::StatusCode::kCancelled) << "nothing follows what failed";
  EXPECT_EQ(load->offset(), 1u);
}

TEST_F(LoadTest, AnIngestedChunkKnowsTheDuplicatesOfAnEarlierOne) {
  LoadRows(campaign_, 1, 6000, 10);
  const auto load = Begin();
  for (uint32_t id = 6001; id <= 12'000; ++id) {
    InputRow row = MakeRow(id - 3000, 10);
    row.id = id;
    ASSERT_TRUE(Add(*load, row).ok());
  }
  ASSERT_TRUE(load->Commit(1, "", true).ok());
  EXPECT_EQ(load->counters().accepted, 9000u);
  EXPECT_EQ(load->counters().duplicates, 3000u);
}

TEST_F(LoadTest, OneLoadACampaignAtATime) {
  auto load = Begin();
  EXPECT_EQ(store_->BeginLoad(campaign_, kNow).status().code(), absl::StatusCode::kFailedPrecondition);
  load.reset();
  EXPECT_NE(Begin(), nullptr);
}

TEST_F(LoadTest, ALoadEndsWithItsCampaign) {
  const auto load = Begin();
  ASSERT_TRUE(Add(*load, MakeRow(1)).ok());
  ASSERT_TRUE(store_->Cancel(campaign_, false, kNow).ok());
  EXPECT_EQ(load->Commit(10, "", true).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(CountersOf(campaign_).accepted, 0u);
}

TEST_F(LoadTest, AHugeRowIsRefusedWithoutItsValue) {
  const auto load = Begin();
  InputRow row = MakeRow(1);
  row.fields[0] = std::string(Load::kRowBytesMax + 1, 'x');
  const auto added = Add(*load, row);
  EXPECT_EQ(added.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_LT(std::string(added.status().message()).size(), 200u);
}

TEST_F(LoadTest, LoadsAndCommitsGoOnTogether) {
  LoadRows(campaign_, 1, 3000, 5);
  const CampaignId other = Create("summer");
  std::thread loader([&] {
    auto load = store_->BeginLoad(other, kNow);
    ASSERT_TRUE(load.ok());
    for (uint32_t chunk = 0; chunk < 4; ++chunk) {
      for (uint32_t i = 1; i <= 5000; ++i) ASSERT_TRUE(Add(**load, MakeRow(chunk * 5000 + i, 5)).ok());
      ASSERT_TRUE((*load)->Commit(chunk, "", chunk == 3).ok());
    }
    auto more = store_->BeginLoad(campaign_, kNow);
    ASSERT_TRUE(more.ok());
    for (uint32_t i = 3001; i <= 9000; ++i) ASSERT_TRUE(Add(**more, MakeRow(i, 5)).ok());
    ASSERT_TRUE((*more)->Commit(9000, "", true).ok());
  });
  for (const auto& pack : ReadAll(campaign_)) Settle(AllOf(pack, OutcomeKind::kDelivered));
  loader.join();
  for (const auto& pack : ReadAll(campaign_)) Settle(AllOf(pack, OutcomeKind::kDelivered));
  EXPECT_EQ(CountersOf(campaign_).delivered, 9000u);
  EXPECT_EQ(CountersOf(campaign_).queued(), 0u);
  EXPECT_EQ(CountersOf(other).queued(), 20'000u);
  EXPECT_TRUE(Lanes(campaign_).empty());
}

}  // namespace
}  // namespace sealift::queue
