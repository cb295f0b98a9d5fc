// Rows that wait for another try are made due: at once, or at a rate, which gives each a place in the time that all of
// them take. It is then for one part of that time after another that rows are looked for, and each stays as it is until
// its part begins: a cancellation leaves it so. A part that was done is never begun again, whatever became of its rows
// since, and the time in which the node did not run is not made up for.
#include <algorithm>
#include <deque>
#include <utility>

#include "engine/job_work.h"

namespace sealift::engine {
namespace {

constexpr size_t kLanesAtOnce = 256;

// A row that is due so soon after its place stays: its due time may be that place, rounded (queue/due_horizon.h).
constexpr absl::Duration kSoon = absl::Seconds(2);

// All rows are looked through for each part, so one takes a multiple of the time that the last look took.
constexpr int kRestForLook = 10;
constexpr absl::Duration kPartMin = absl::Seconds(1), kPartMax = absl::Minutes(1);
constexpr absl::Duration kLateMax = absl::Seconds(1);  // that a part is made up for, when it begins late

// Where a row stands in the time that all of them take, from 0 to 1: the same each time that it is asked.
double PlaceOf(queue::RowId row) {
  return static_cast<double>(static_cast<uint32_t>(row) * 2'654'435'769u) / 4'294'967'296.0;
}

class Retry : public JobWork {
 public:
  Retry(Job job, RowMatcher matcher, const Services& services) : JobWork(std::move(job), std::move(matcher), services) {
    if (job_.rate.unlimited()) return;
    all_ = absl::Ceil(absl::Seconds(static_cast<double>(job_.total) / job_.rate.PerSecond()), absl::Milliseconds(1));
    if (const auto before = job_.paced.find(""); before != job_.paced.end()) part_to_ = before->second - From();
  }

 protected:
  absl::StatusOr<uint64_t> CountMeant() override {
    uint64_t rows = 0;
    while (true) {
      const absl::StatusOr<std::optional<std::vector<LaneToDo>>> lanes = NextLanes();
      if (!lanes.ok()) return lanes.status();
      if (!lanes->has_value()) return rows;
      for (const LaneToDo& lane : **lanes) {
        const absl::StatusOr<uint64_t> meant = CountIn(lane);
        if (!meant.ok()) return meant.status();
        rows += *meant;
      }
    }
  }

  absl::StatusOr<Progress> Move() override {
    const absl::Time now = absl::Now();
    if (!job_.rate.unlimited() && !looks_) return BeginPart(now);
    if (lanes_.empty()) {
      if (at_ != nullptr) Refilled(*at_, true, now);
      absl::StatusOr<std::optional<std::vector<LaneToDo>>> more = NextLanes();
      if (!more.ok()) return more.status();
      if (!more->has_value()) return job_.rate.unlimited() ? Progress::kDone : EndPart(now);
      for (LaneToDo& lane : **more) {
        if (MayWait(lane.record)) lanes_.push_back(std::move(lane));
      }
      return Progress::kMoved;
    }
    at_ = lanes_.front().campaign;
    const bool whole = !matcher_.filter().OfRows() && job_.rate.unlimited();
    const absl::StatusOr<uint64_t> rows = whole ? MoveLanes() : MoveRowsOfOne();
    if (!rows.ok()) return rows.status();
    job_.moved += *rows;
    refills_ = refills_ || (!whole && *rows > 0);
    Refilled(*at_, false, now);
    return now - recorded_ < absl::Seconds(1) ? Progress::kMoved : Record(now);
  }

 private:
  // The next one, when all that the last one has moved is due.
  Progress BeginPart(absl::Time now) {
    if (now < part_due_) return Progress::kWaits;
    if (part_to_ >= all_ && part_due_ > absl::InfinitePast()) return Progress::kDone;
    part_began_ = now - part_due_ > kLateMax ? now : part_due_;
    part_from_ = part_to_;
    part_to_ = std::min(part_from_ + part_, std::max(all_, part_from_));
    part_due_ = part_began_ + (part_to_ - part_from_);
    looks_ = true;
    look_began_ = now;
    campaign_ = 0;
    unplaced_ = 0;
    return Progress::kMoved;
  }

  absl::StatusOr<Progress> EndPart(absl::Time now) {
    looks_ = false;
    part_ = absl::Floor(std::clamp(kRestForLook * (now - look_began_), kPartMin, kPartMax), absl::Milliseconds(1));
    job_.paced[""] = From() + part_to_;
    return Record(now);
  }

  absl::StatusOr<uint64_t> MoveLanes() {
    std::vector<queue::LaneRecord> lanes;
    while (!lanes_.empty() && lanes_.front().campaign == at_ && lanes.size() < kLanesAtOnce) {
      lanes.push_back(std::move(lanes_.front().record));
      lanes_.pop_front();
    }
    return services_.node.make_due(at_->id, lanes, From());
  }

  absl::StatusOr<uint64_t> MoveRowsOfOne() {
    const queue::LaneId lane = lanes_.front().record.lane;
    lanes_.pop_front();
    return services_.node.make_rows_due(
        *at_, lane, [this](const queue::Pack& pack, const queue::Row& row) { return DueOf(pack, row); },
        services_.stopping);
  }

  // The shards look through a campaign's lanes each time that they are told of rows: at most once a second, and when it
  // is left.
  void Refilled(const queue::Campaign& campaign, bool left, absl::Time now) {
    if (!refills_ || (!left && now - told_ < absl::Seconds(1))) return;
    services_.node.refilled(campaign.id);
    told_ = now;
    refills_ = false;
  }

  // Its records keep no finer time: one that begins again says the same of each row.
  absl::Time From() const { return absl::FromUnixMillis(absl::ToUnixMillis(job_.created)); }

  static bool MayWait(const queue::LaneRecord& lane) { return lane.retrying > 0; }

  absl::StatusOr<uint64_t> CountIn(const LaneToDo& lane) {
    if (!MayWait(lane.record)) return 0;
    if (!matcher_.filter().OfRows() && lane.record.next_due > absl::Now()) return lane.record.retrying;
    uint64_t rows = 0;
    const absl::StatusOr<uint64_t> looked = services_.store.SweepRows(
        lane.campaign->id, lane.record.lane.destination,
        [&](const queue::Pack& pack, const queue::Row& row) -> std::optional<queue::Outcome> {
          rows += Means(pack, row) ? 1 : 0;
          return std::nullopt;
        },
        &services_.stopping);
    if (!looked.ok()) return looked.status();
    return rows;
  }

  // Whether it is of the job, and waits for another try.
  bool Means(const queue::Pack& pack, const queue::Row& row) const {
    if (pack.due() <= absl::Now() || pack.due() == absl::InfiniteFuture()) return false;
    return matcher_.Means({.id = row.id,
                           .attempts = row.attempts,
                           .reason_class = row.reason_class,
                           .recipient = row.recipient,
                           .accepted = pack.accepted()},
                          job_.created);
  }

  std::optional<absl::Time> DueOf(const queue::Pack& pack, const queue::Row& row) const {
    if (!Means(pack, row)) return std::nullopt;
    if (job_.rate.unlimited()) return From();
    const absl::Duration place = all_ * PlaceOf(row.id);
    if (place < part_from_ || place >= part_to_) return std::nullopt;
    const absl::Time due = part_began_ + (place - part_from_);
    return due + kSoon < pack.due() ? std::optional(due) : std::nullopt;
  }

  absl::StatusOr<Progress> Record(absl::Time now) {
    recorded_ = now;
    if (absl::Status written = services_.store.WriteOrders({{queue::OrderKind::kJob, job_.number, job_.ToText()}});
        !written.ok()) {
      return written;
    }
    return Progress::kMoved;
  }

  std::deque<LaneToDo> lanes_;
  const queue::Campaign* at_ = nullptr;         // whose lanes were the last
  absl::Duration all_;                          // what all rows take at the rate
  absl::Duration part_from_, part_to_;          // in that time; rows up to there have been looked for, or are now
  absl::Duration part_ = kPartMin;              // how long the next one is
  absl::Time part_began_;                       // when the first of its rows is due
  absl::Time part_due_ = absl::InfinitePast();  // when all of them are; the past: none was begun
  bool looks_ = false;                          // for the rows of a part
  absl::Time look_began_;
  absl::Time recorded_ = job_.created;
  bool refills_ = false;  // rows are due sooner that no shard was told of
  absl::Time told_ = absl::InfinitePast();
};

}  // namespace

std::unique_ptr<JobWork> MakeRetry(Job job, RowMatcher matcher, const JobWork::Services& services) {
  return std::make_unique<Retry>(std::move(job), std::move(matcher), services);
}

}  // namespace sealift::engine
