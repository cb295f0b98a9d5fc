// Rows that wait for another try are made due: at once, or spread over the time that a rate gives them. What it has
// moved is not due any later than it would move it to, so that one that begins again goes on.
#include <algorithm>
#include <deque>
#include <utility>

#include "engine/job_work.h"

namespace sealift::engine {
namespace {

constexpr size_t kLanesAtOnce = 256;

// The queue rounds due times up by less than that, and than such a part of the wait (queue/due_horizon.h).
constexpr absl::Duration kRounded = absl::Seconds(2);
constexpr int kRoundedPart = 64;

// Where a row stands in the time that all of them take, from 0 to 1: the same each time that it is asked.
double PlaceOf(queue::RowId row) {
  return static_cast<double>(static_cast<uint32_t>(row) * 2'654'435'769u) / 4'294'967'296.0;
}

class Retry : public JobWork {
 public:
  Retry(Job job, RowMatcher matcher, const Services& services)
      : JobWork(std::move(job), std::move(matcher), services) {}

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
    if (lanes_.empty()) {
      if (at_ != nullptr) Refilled(*at_, true, now);
      absl::StatusOr<std::optional<std::vector<LaneToDo>>> more = NextLanes();
      if (!more.ok()) return more.status();
      if (!more->has_value()) return Progress::kDone;
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

  static bool MayWait(const queue::LaneRecord& lane) { return lane.retrying > lane.in_doubt; }

  absl::StatusOr<uint64_t> CountIn(const LaneToDo& lane) {
    if (!MayWait(lane.record)) return 0;
    if (!matcher_.filter().OfRows() && lane.record.next_due > absl::Now()) {
      return lane.record.retrying - lane.record.in_doubt;
    }
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
    const absl::Duration all = absl::Seconds(static_cast<double>(job_.total) / job_.rate.PerSecond());
    const absl::Time due = From() + all * PlaceOf(row.id);
    return due + kRounded + (due - From()) / kRoundedPart < pack.due() ? std::optional(due) : std::nullopt;
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
  const queue::Campaign* at_ = nullptr;  // whose lanes were the last
  absl::Time recorded_ = job_.created;
  bool refills_ = false;  // rows are due sooner that no shard was told of
  absl::Time told_ = absl::InfinitePast();
};

}  // namespace

std::unique_ptr<JobWork> MakeRetry(Job job, RowMatcher matcher, const JobWork::Services& services) {
  return std::make_unique<Retry>(std::move(job), std::move(matcher), services);
}

}  // namespace sealift::engine
