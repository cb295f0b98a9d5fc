#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class ReadingTest : public StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
  }
  CampaignId campaign_{};
};

TEST_F(ReadingTest, AWindowHoldsNoMoreThanAskedForAndTheNextGoesOn) {
  LoadRows(campaign_, 1, 100, 1);
  LaneRead read{.lane = Lanes(campaign_).at(0).lane, .fresh = {}, .retry = {}, .now = kNow, .packs_max = 3};
  std::vector<std::shared_ptr<Pack>> all;
  std::vector<size_t> sizes;
  for (bool done = false; !done;) {
    LaneWindow window = ReadOne(read);
    ASSERT_TRUE(window.status.ok());
    sizes.push_back(window.packs.size());
    all.insert(all.end(), window.packs.begin(), window.packs.end());
    read.fresh = window.fresh;
    done = window.fresh_done;
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{3, 3, 1}));
  EXPECT_EQ(RowIds(all), Range(1, 100));
}

TEST_F(ReadingTest, NoRowIsSkippedOrReadTwiceWhileSettledRowsVanish) {
  LoadRows(campaign_, 1, 400, 1);
  LaneRead read{.lane = Lanes(campaign_).at(0).lane, .fresh = {}, .retry = {}, .now = kNow, .packs_max = 2};
  std::vector<uint32_t> seen;
  for (int round = 0;; ++round) {
    const LaneWindow window = ReadOne(read);
    ASSERT_TRUE(window.status.ok());
    if (window.packs.empty()) break;
    for (const auto& pack : window.packs) {
      for (const Row& row : pack->rows()) seen.push_back(static_cast<uint32_t>(row.id));
      // Some packs are settled whole, some in part, some not yet.
      if (round % 3 == 0) Settle(AllOf(pack, OutcomeKind::kDelivered));
      if (round % 3 == 1)
        Settle({MakeOutcome(pack, 0, OutcomeKind::kDelivered), MakeOutcome(pack, 7, OutcomeKind::kBounced)});
    }
    read.fresh = window.fresh;
    read.retry = window.retry;
  }
  EXPECT_EQ(seen, Range(1, 400)) << "each once, in order";
}

TEST_F(ReadingTest, FreshRowsThatAreNotAskedForStayWhereTheyAre) {
  LoadRows(campaign_, 1, 64, 1);
  const auto packs = ReadAll(campaign_);
  Settle(AllOf(packs[0], OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(1)));
  LaneRead read{.lane = packs[0]->lane(), .fresh = {}, .retry = {}, .now = kNow + absl::Minutes(5), .packs_max = 4};
  read.fresh_too = false;
  const LaneWindow retries = ReadOne(read);
  ASSERT_TRUE(retries.status.ok());
  EXPECT_EQ(RowIds(retries.packs), Range(1, 16));
  EXPECT_FALSE(retries.fresh_done);
  read.fresh = retries.fresh;
  read.retry = retries.retry;
  read.fresh_too = true;
  EXPECT_EQ(RowIds(ReadOne(read).packs), Range(17, 64));
}

TEST_F(ReadingTest, RetriesThatAreDueComeBeforeFreshRows) {
  LoadRows(campaign_, 1, 64, 1);
  const auto packs = ReadAll(campaign_);
  const LaneId lane = packs[0]->lane();
  Settle(AllOf(packs[0], OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(1)));
  Settle(AllOf(packs[1], OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(9)));
  const LaneWindow window =
      ReadOne({.lane = lane, .fresh = {}, .retry = {}, .now = kNow + absl::Minutes(5), .packs_max = 2});
  ASSERT_EQ(window.packs.size(), 2u);
  EXPECT_NE(window.packs[0]->due(), absl::InfinitePast());
  EXPECT_EQ(window.packs[1]->due(), absl::InfinitePast());
  EXPECT_FALSE(window.fresh_done);
  EXPECT_EQ(window.next_due, Store::RoundDue(kNow + absl::Minutes(9), kNow));
}

TEST_F(ReadingTest, ManySmallLanesAreReadTogether) {
  LoadRows(campaign_, 1, 300, 150);
  std::vector<LaneRead> reads;
  for (const LaneRecord& lane : Lanes(campaign_)) {
    reads.push_back({.lane = lane.lane, .fresh = {}, .retry = {}, .now = kNow, .packs_max = 4});
  }
  ASSERT_EQ(reads.size(), 150u);
  std::reverse(reads.begin(), reads.end());
  const auto windows = ReadMany(reads);
  ASSERT_EQ(windows.size(), reads.size());
  std::vector<std::shared_ptr<Pack>> all;
  for (size_t i = 0; i < windows.size(); ++i) {
    EXPECT_EQ(windows[i].lane, reads[i].lane);
    EXPECT_TRUE(windows[i].fresh_done);
    ASSERT_EQ(windows[i].packs.size(), 1u);
    EXPECT_EQ(windows[i].packs[0]->lane(), reads[i].lane);
    all.push_back(windows[i].packs[0]);
  }
  EXPECT_EQ(RowIds(all), Range(1, 300));
  for (size_t i = 0; i < windows.size(); ++i) {
    reads[i].fresh = windows[i].fresh;
    reads[i].retry = windows[i].retry;
  }
  for (const LaneWindow& window : ReadMany(reads)) EXPECT_TRUE(window.packs.empty());
}

TEST_F(ReadingTest, RowsThatAreLoadedLaterAreFoundBehindTheCursor) {
  LoadRows(campaign_, 1, 20, 1);
  LaneRead read{.lane = Lanes(campaign_).at(0).lane, .fresh = {}, .retry = {}, .now = kNow, .packs_max = 9};
  LaneWindow window = ReadOne(read);
  EXPECT_TRUE(window.fresh_done);
  LoadRows(campaign_, 21, 5030, 1);
  read.fresh = window.fresh;
  read.packs_max = 1000;
  window = ReadOne(read);
  EXPECT_EQ(RowIds(window.packs), Range(21, 5030));
}

TEST_F(ReadingTest, LanesArePagedAndEachShardReadsItsOwn) {
  LoadRows(campaign_, 1, 500, 100);
  const auto all = Lanes(campaign_, 0, 1, 7);
  ASSERT_EQ(all.size(), 100u);
  uint64_t queued = 0;
  for (const LaneRecord& lane : all) {
    queued += lane.queued;
    EXPECT_EQ(store_->DestinationOf(lane.domain), lane.lane.destination);
  }
  EXPECT_EQ(queued, 500u);
  const auto first = Lanes(campaign_, 0, 2, 7), second = Lanes(campaign_, 1, 2, 7);
  EXPECT_EQ(first.size() + second.size(), 100u);
  for (const LaneRecord& lane : second) EXPECT_EQ(static_cast<uint64_t>(lane.lane.destination) % 2, 1u);
}

}  // namespace
}  // namespace sealift::queue
