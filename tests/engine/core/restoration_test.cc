// What became of rows since a backup, however many lines say it and in whatever order they come.
#include "engine/restoration.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "queue/backup.h"
#include "queue/event_block.h"
#include "tests/queue/store_fixture.h"

namespace sealift::engine {
namespace {

using queue::kNow;
using queue::RowId;

constexpr uint32_t kRows = 1'200;  // a commit takes hundreds of lines

class RestorationTest : public queue::StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
    LoadRows(campaign_, 1, kRows, 1);
    lane_ = Lanes(campaign_).at(0).lane;
    const std::array<uint8_t, 32> key = queue::TestKek(99);
    const std::string file = root_ + "/one";
    ASSERT_TRUE(
        store_->Backup({.path = file, .key = key, .label = {.hostname = "mta1.sender.test", .taken = kNow}}).ok());
    store_.reset();
    const auto restored = queue::RestoreBackup({.path = file,
                                                .key = key,
                                                .data_dir = root_ + "/restored",
                                                .kek = queue::TestKek(),
                                                .now = kNow + absl::Hours(1)});
    ASSERT_TRUE(restored.ok()) << restored.status();
    path_ = root_ + "/restored/queue";
    Open();
  }

  std::string Line(uint32_t row, int nth, std::string_view outcome, std::string_view reason_class = "none",
                   absl::Time time = absl::UnixEpoch()) {
    const queue::EventCursor cursor{store_->restored()->sequence + static_cast<uint64_t>(nth), 1};
    const absl::Time then = time == absl::UnixEpoch() ? absl::FromUnixSeconds(1'600'000'000 + nth) : time;
    return fmt::format(
        R"({{"cursor":"{}","time":"{}","id":"{}","campaign":"spring","stream":"newsletter","outcome":"{}","class":"{}"}})"
        "\n",
        cursor.ToString(), absl::FormatTime(absl::RFC3339_full, then, absl::UTCTimeZone()),
        store_->EncodeMessageId({lane_, RowId{row}}), outcome, reason_class);
  }
  // So many that whatever came before them is committed.
  std::string Others(int nth) {
    std::string lines;
    for (uint32_t row = 100; row < 700; ++row) lines += Line(row, nth, "delivered");
    return lines;
  }
  Reconciliation::Summary Take(const std::string& lines) {
    Restoration restoration(*store_, "sink", [] { return absl::OkStatus(); });
    Reconciliation reconciliation(restoration, /*dry_run=*/false, /*incomplete=*/true);
    EXPECT_TRUE(reconciliation.Feed(lines).ok());
    const absl::StatusOr<Reconciliation::Summary> summary = reconciliation.Finish();
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.value_or(Reconciliation::Summary());
  }

  queue::CampaignId campaign_{};
  queue::LaneId lane_;
};

TEST_F(RestorationTest, ARowIsHeldThatNobodyReleased) {
  const Reconciliation::Summary summary =
      Take(Line(1, 900, "deferred", "in_doubt") + Others(950) + Line(1, 700, "deferred", "operator") +
           Line(2, 700, "bounced") + Others(800) + Line(2, 900, "deferred", "in_doubt"));
  EXPECT_EQ(summary.held, 1u);
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 1u);
  const auto parked = store_->ListParked(campaign_, RowId{}, 10);
  ASSERT_TRUE(parked.ok() && parked->rows.size() == 1) << parked.status();
  EXPECT_EQ(parked->rows[0].reason_class, queue::kInDoubtClass) << "it bounced, was replayed, and may have arrived";
}

TEST_F(RestorationTest, ARowThatWasReleasedIsNotHeldInWhateverOrderTheLinesCome) {
  const std::string doubts = Line(1, 900, "deferred", "in_doubt") + Line(2, 900, "deferred", "in_doubt") +
                             Line(3, 900, "deferred", "in_doubt");
  const std::string releases = Line(1, 950, "deferred", "operator") + Line(1, 960, "deferred", "greylisted") +
                               Line(2, 960, "delivered") + Line(3, 960, "deferred", "greylisted");
  const Reconciliation::Summary summary = Take(doubts + Others(930) + releases);
  EXPECT_EQ(summary.held, 0u);
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 0u);
  EXPECT_EQ(CountersOf(campaign_).delivered, 601u);
  Take(Line(4, 950, "deferred", "operator") + Others(940) + Line(4, 900, "deferred", "in_doubt"));
  EXPECT_EQ(CountersOf(campaign_).in_doubt, 0u);
}

TEST_F(RestorationTest, NoEventIsLaterThanNow) {
  Take(Line(1, 900, "delivered", "none", absl::Now() + absl::Hours(24 * 4000)));
  const auto trace = store_->TraceMessage({lane_, RowId{1}});
  ASSERT_TRUE(trace.ok() && trace->events.size() == 1) << trace.status();
  EXPECT_LE(trace->events[0].time, absl::Now());
}

}  // namespace
}  // namespace sealift::engine
