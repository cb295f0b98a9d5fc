#include <random>
#include <set>

#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

// A model of a campaign: where each row is, and what must be counted.
class ModelTest : public StoreTest, public ::testing::WithParamInterface<int> {
 protected:
  struct Claimed {
    std::shared_ptr<Pack> pack;
    std::vector<size_t> left;
  };

  void SetUp() override {
    Open();
    campaign_ = Create();
  }

  void Load() {
    const uint32_t count = 1 + random_() % 400;
    LoadRows(campaign_, loaded_ + 1, loaded_ + count, 5);
    for (uint32_t id = loaded_ + 1; id <= loaded_ + count; ++id) queued_.insert(id);
    loaded_ += count;
    expected_.accepted += count;
  }

  void Claim() {
    for (const LaneRecord& lane : Lanes(campaign_)) {
      auto& cursor = cursors_[lane.lane];
      const LaneWindow window = ReadOne({.lane = lane.lane,
                                         .fresh = cursor.first,
                                         .retry = cursor.second,
                                         .now = now_,
                                         .packs_max = static_cast<int>(1 + random_() % 4)});
      ASSERT_TRUE(window.status.ok()) << window.status;
      cursor = {window.fresh, window.retry};
      for (const auto& pack : window.packs) {
        Claimed claimed{pack, {}};
        for (size_t i = 0; i < pack->rows().size(); ++i) {
          const uint32_t id = static_cast<uint32_t>(pack->rows()[i].id);
          ASSERT_TRUE(claimed_.insert(id).second) << "row " << id << " is claimed twice";
          ASSERT_TRUE(queued_.contains(id)) << "row " << id << " was settled";
          ASSERT_EQ(pack->rows()[i].attempts, attempts_[id]);
          claimed.left.push_back(i);
        }
        held_.push_back(std::move(claimed));
      }
    }
  }

  void SettleSome() {
    std::vector<Outcome> outcomes;
    for (Claimed& claimed : held_) {
      if (random_() % 3 == 0) continue;
      std::vector<size_t> later;
      for (const size_t index : claimed.left) {
        if (random_() % 2 == 0) {
          later.push_back(index);
          continue;
        }
        outcomes.push_back(Decide(claimed.pack, index));
      }
      claimed.left = std::move(later);
    }
    std::erase_if(held_, [](const Claimed& claimed) { return claimed.left.empty(); });
    Settle(std::move(outcomes), static_cast<int>(random_() % 2));
  }

  Outcome Decide(const std::shared_ptr<Pack>& pack, size_t index) {
    const uint32_t id = static_cast<uint32_t>(pack->rows()[index].id);
    const bool was_retrying = pack->due() != absl::InfinitePast();
    claimed_.erase(id);
    if (was_retrying) --expected_.retrying;
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        ++expected_.deferrals;
        ++expected_.retrying;
        ++attempts_[id];
        return MakeOutcome(pack, index, OutcomeKind::kDeferred, now_,
                           now_ + absl::Milliseconds(static_cast<int64_t>(random_() % 5000)));
      case 3:
        queued_.erase(id);
        ++expected_.bounced;
        return MakeOutcome(pack, index, OutcomeKind::kBounced, now_);
      case 4:
        queued_.erase(id);
        ++expected_.expired;
        return MakeOutcome(pack, index, OutcomeKind::kExpired, now_);
      case 5:
        queued_.erase(id);
        ++expected_.suppressed;
        return MakeOutcome(pack, index, OutcomeKind::kSuppressed, now_);
      default:
        queued_.erase(id);
        ++expected_.delivered;
        return MakeOutcome(pack, index, OutcomeKind::kDelivered, now_);
    }
  }

  void MoveSome() {
    const auto lanes = Lanes(campaign_);
    if (lanes.empty()) return;
    const LaneId lane = lanes[random_() % lanes.size()].lane;
    MoveDue(lane, cursors_[lane].second, now_);
  }

  void Check() {
    expected_.rejected = expected_.duplicates = 0;
    ASSERT_EQ(CountersOf(campaign_), expected_);
    ASSERT_EQ(expected_.queued(), queued_.size());
    uint64_t queued = 0, retrying = 0;
    for (const LaneRecord& lane : Lanes(campaign_)) {
      queued += lane.queued;
      retrying += lane.retrying;
    }
    ASSERT_EQ(queued, queued_.size());
    ASSERT_EQ(retrying, expected_.retrying);
  }

  void Restart() {
    Reopen();
    held_.clear();
    claimed_.clear();
    cursors_.clear();
    // Every row that was not settled is there, once.
    const std::vector<uint32_t> rows = RowIds(ReadAll(campaign_, now_ + absl::Hours(1)));
    ASSERT_EQ(rows, std::vector<uint32_t>(queued_.begin(), queued_.end()));
    Reopen();  // what was read above was claimed
  }

  // What is queued is cancelled, parked over restarts, and replayed: each row once, as if it had never been tried.
  void CancelAndComeBack() {
    held_.clear();
    claimed_.clear();
    cursors_.clear();
    ASSERT_TRUE(store_->Cancel(campaign_, /*erase=*/false, now_).ok());
    std::string after;
    for (bool done = false; !done;) {
      if (random_() % 4 == 0) {
        Reopen();
        after.clear();
      }
      const auto parked = store_->ParkCancelled(campaign_, after);
      ASSERT_TRUE(parked.ok()) << parked.status();
      after = parked->after;
      done = parked->done;
    }
    ASSERT_TRUE(store_->Reopen(campaign_, now_, now_).ok());
    ReplayStep step{.campaign = campaign_, .mailing = {}, .accepted = now_};
    step.meant = [](const ParkedRow& row) { return row.kind == OutcomeKind::kCancelled; };
    for (uint32_t id = 1; id <= loaded_; ++id) {
      step.rows.push_back(
          {RowId{id}, now_ + absl::Milliseconds(static_cast<int64_t>(random_() % 5000)), now_ + absl::Hours(72)});
    }
    const auto replayed = store_->ReplaySome(std::move(step));
    ASSERT_TRUE(replayed.ok()) << replayed.status();
    ASSERT_EQ(replayed->rows, queued_.size());
    expected_.retrying = queued_.size();
    for (const uint32_t id : queued_) attempts_[id] = 0;
  }

  std::mt19937 random_{static_cast<uint32_t>(GetParam())};
  CampaignId campaign_{};
  absl::Time now_ = kNow;
  uint32_t loaded_ = 0;
  Counters expected_;
  std::set<uint32_t> queued_, claimed_;
  std::map<uint32_t, uint16_t> attempts_;
  std::map<LaneId, std::pair<std::string, std::string>> cursors_;
  std::vector<Claimed> held_;
};

TEST_P(ModelTest, EveryRowIsInOnePlaceWhateverHappens) {
  for (int step = 0; step < 150; ++step) {
    now_ += absl::Milliseconds(static_cast<int64_t>(random_() % 700));
    switch (random_() % 10) {
      case 0:
        ASSERT_NO_FATAL_FAILURE(Load());
        break;
      case 1:
        ASSERT_NO_FATAL_FAILURE(MoveSome());
        break;
      case 2:
        switch (random_() % 4) {
          case 0:
            ASSERT_NO_FATAL_FAILURE(Restart());
            break;
          case 1:
            ASSERT_NO_FATAL_FAILURE(CancelAndComeBack());
            break;
          default:
            break;
        }
        break;
      case 3:
      case 4:
      case 5:
        ASSERT_NO_FATAL_FAILURE(Claim());
        break;
      default:
        ASSERT_NO_FATAL_FAILURE(SettleSome());
    }
    ASSERT_NO_FATAL_FAILURE(Check()) << "step " << step;
  }
  ASSERT_NO_FATAL_FAILURE(Restart());
  // Drain it.
  for (int round = 0; !queued_.empty(); ++round) {
    ASSERT_LT(round, 1000) << queued_.size() << " rows are never read";
    now_ += absl::Seconds(6);
    ASSERT_NO_FATAL_FAILURE(Claim());
    ASSERT_NO_FATAL_FAILURE(SettleSome());
  }
  ASSERT_NO_FATAL_FAILURE(Check());
  EXPECT_TRUE(Lanes(campaign_).empty());
  EXPECT_EQ(CountersOf(campaign_).queued(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, ::testing::Range(1, 7));

}  // namespace
}  // namespace sealift::queue
