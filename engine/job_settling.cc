// Queued rows are bounced or expired. A hold keeps them from being claimed meanwhile; a lane that still has something
// under way is left for later.
#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "engine/job_work.h"

namespace sealift::engine {
namespace {

constexpr size_t kLanesAskedMax = 256;  // at once, whether they are claimed
constexpr size_t kLanesWaitingMax = 4096;

class Settling : public JobWork {
 public:
  Settling(Job job, RowMatcher matcher, const Services& services)
      : JobWork(std::move(job), std::move(matcher), services) {}

  void LetGo() override {
    services_.holds.KeepFor(job_.number, {});
    kept_ = false;
  }

 protected:
  absl::StatusOr<uint64_t> CountMeant() override {
    const absl::StatusOr<RowCount> count = services_.node.count(matcher_.filter(), patience());
    if (!count.ok()) return count.status();
    unplaced_ = count->unplaced;
    return count->rows;
  }

  absl::StatusOr<Progress> Move() override {
    if (!kept_) {
      Keep();
      return Progress::kMoved;
    }
    std::vector<queue::LaneId> ids;
    for (const LaneToDo& lane : lanes_) {
      if (ids.size() == kLanesAskedMax) break;
      ids.push_back(lane.record.lane);
    }
    const std::vector<bool> claimed = ids.empty() ? std::vector<bool>() : services_.node.claimed(ids);
    const auto free = std::ranges::find(claimed, false);
    if (free != claimed.end()) return Settle(static_cast<size_t>(free - claimed.begin()));
    std::ranges::rotate(lanes_, lanes_.begin() + static_cast<std::ptrdiff_t>(ids.size()));
    if (lanes_.size() < kLanesWaitingMax) {
      absl::StatusOr<std::optional<std::vector<LaneToDo>>> more = NextLanes();
      if (!more.ok()) return more.status();
      if (more->has_value()) {
        for (const LaneToDo& lane : **more) in_doubt_ += lane.record.in_doubt;
        std::ranges::move(**more, std::back_inserter(lanes_));
        return Progress::kMoved;
      }
    }
    return lanes_.empty() ? Progress::kDone : Progress::kWaits;
  }

 private:
  // A source chooses campaigns, by their streams; a lane is not known to be of it.
  void Keep() {
    std::vector<QueueFilter> filters;
    if (matcher_.filter().source.has_value()) {
      std::set<std::string> streams;
      for (const queue::Campaign& campaign : campaigns_) streams.insert(campaign.spec.stream);
      for (const std::string& stream : streams) {
        filters.push_back(matcher_.filter());
        filters.back().source.reset();
        filters.back().stream = stream;
      }
    } else {
      filters.push_back(matcher_.filter());
    }
    std::vector<std::shared_ptr<const Hold>> holds;
    for (QueueFilter& filter : filters) {
      Hold hold{.number = job_.number, .kind = Hold::Kind::kJob, .filter = std::move(filter)};
      hold.history.push_back({.time = job_.created, .what = "placed", .by = job_.by, .reason = job_.reason});
      holds.push_back(std::make_shared<const Hold>(std::move(hold)));
    }
    services_.holds.KeepFor(job_.number, std::move(holds));
    kept_ = true;
  }

  absl::StatusOr<Progress> Settle(size_t at) {
    LaneToDo& lane = lanes_[at];
    const std::string& stream = lane.campaign->spec.stream;
    auto evidence = std::make_shared<queue::Evidence>();
    evidence->stream = stream;
    const absl::Time now = absl::Now();
    Job after = job_;
    const absl::StatusOr<queue::SettledRows> settled = services_.store.SettleSome(
        {.lane = lane.record.lane,
         .after = lane.after,
         .judge = [&](const queue::Pack& pack, const queue::Row& row) -> std::optional<queue::Outcome> {
           const RowFacts facts{row.id, row.attempts, row.reason_class, row.recipient, pack.accepted()};
           if (pack.accepted() > job_.created || !matcher_.Means(facts, now)) return std::nullopt;
           const bool bounce = job_.kind == Job::Kind::kBounce;
           queue::Outcome outcome;
           outcome.kind = bounce ? queue::OutcomeKind::kBounced : queue::OutcomeKind::kExpired;
           outcome.time = now;
           outcome.attempt = row.attempts;
           outcome.date = row.date;
           outcome.reason_class = "operator";
           outcome.evidence = evidence;
           return outcome;
         },
         .record =
             [&](uint64_t rows) {
               after.moved += rows;
               return queue::Order{queue::OrderKind::kJob, after.number, after.ToText()};
             }});
    if (!settled.ok()) return settled.status();
    job_.moved = after.moved;
    if (settled->rows > 0) {
      services_.node.revise(lane.record.lane, -static_cast<int64_t>(settled->rows),
                            -static_cast<int64_t>(settled->retrying));
      services_.node.settled(stream, job_.kind, settled->rows);
    }
    lane.after = settled->after;
    if (settled->done) lanes_.erase(lanes_.begin() + static_cast<std::ptrdiff_t>(at));
    return Progress::kMoved;
  }

  bool kept_ = false;  // the shards know that its rows are not to be claimed
  std::deque<LaneToDo> lanes_;
};

}  // namespace

std::unique_ptr<JobWork> MakeSettling(Job job, RowMatcher matcher, const JobWork::Services& services) {
  return std::make_unique<Settling>(std::move(job), std::move(matcher), services);
}

}  // namespace sealift::engine
