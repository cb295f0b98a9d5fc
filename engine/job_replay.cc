// Settled rows go back into the queue, each with a due time of its own: pace needs no timer, and survives a restart.
#include <algorithm>
#include <utility>

#include "engine/job_work.h"
#include "re2/re2.h"

namespace sealift::engine {
namespace {

constexpr int kPageParked = 256;
constexpr size_t kPacedDomainsMax = 1000;                                 // apart; the others share a pace
constexpr Rate kUnlimitedPace{.count = 100, .period = absl::Seconds(1)};  // where nothing limits a destination

std::string DomainOf(std::string_view recipient) { return std::string(recipient.substr(recipient.rfind('@') + 1)); }

class Replay : public JobWork {
 public:
  Replay(Job job, RowMatcher matcher, const Services& services)
      : JobWork(std::move(job), std::move(matcher), services) {
    job_.suppressed = 0;  // it looks at all settled rows again: those that it had moved are not among them, these are
    if (!job_.matching.empty()) matching_ = std::make_unique<RE2>(job_.matching, RE2::Quiet);
  }

  absl::StatusOr<uint64_t> Count() override {
    if (absl::Status listed = ListCampaigns(); !listed.ok()) return listed;
    uint64_t rows = 0;
    for (const queue::Campaign& campaign : campaigns_) {
      const queue::Mailing mailing = services_.node.mailing_of(campaign);
      queue::RowId after{};
      for (bool done = false; !done;) {
        const absl::StatusOr<queue::ParkedPage> page = services_.store.ListParked(campaign.id, after, kPageParked);
        if (!page.ok()) return page.status();
        for (const queue::ParkedRow& row : page->rows) {
          if (!Means(campaign, row)) continue;
          const absl::StatusOr<std::optional<queue::SuppressionRecord>> record =
              services_.store.FindSuppressions(row.row.recipient);
          if (!record.ok()) return record.status();
          const bool suppressed = record->has_value() &&
                                  std::ranges::any_of((*record)->InForce(), [&](const queue::SuppressionEntry* entry) {
                                    return entry->what.Binds(mailing);
                                  });
          rows += suppressed ? 0 : 1;
        }
        after = page->after;
        done = page->done;
      }
    }
    return rows;
  }

 protected:
  absl::StatusOr<Progress> Move() override {
    if (campaign_ == campaigns_.size()) return Progress::kDone;
    const queue::Campaign& campaign = campaigns_[campaign_];
    const absl::StatusOr<queue::ParkedPage> page = services_.store.ListParked(campaign.id, after_, kPageParked);
    if (!page.ok()) return page.status();
    const absl::Time now = absl::Now();
    queue::ReplayStep step{.campaign = campaign.id,
                           .mailing = services_.node.mailing_of(campaign),
                           .accepted = now,
                           .rows = {},
                           .record = {}};
    const absl::Duration lives = job_.expires_in.value_or(campaign.spec.expires_in);
    for (const queue::ParkedRow& row : page->rows) {
      if (!Means(campaign, row)) continue;
      const absl::Time due = NextPaced(campaign, DomainOf(row.row.recipient), now);
      step.rows.push_back({row.row.message.row, due, due + lives});
    }
    if (!step.rows.empty()) {
      Job after = job_;
      step.record = [&](uint64_t replayed, uint64_t suppressed) {
        after.moved += replayed;
        after.suppressed += suppressed;
        return queue::Order{queue::OrderKind::kJob, after.number, after.ToText()};
      };
      const absl::StatusOr<queue::ReplayedRows> replayed = services_.store.ReplaySome(step);
      if (!replayed.ok()) return replayed.status();
      job_.moved = after.moved;
      job_.suppressed = after.suppressed;
      for (const queue::ReplayedRows::Lane& lane : replayed->lanes) {
        const auto rows = static_cast<int64_t>(lane.rows);
        services_.node.revise(lane.lane, rows, rows, lane.due);
      }
      refills_ = refills_ || replayed->rows > 0;
    }
    Refilled(campaign, page->done, now);
    after_ = page->done ? queue::RowId{} : page->after;
    if (page->done) ++campaign_;
    return Progress::kMoved;
  }

 private:
  bool Means(const queue::Campaign& campaign, const queue::ParkedRow& parked) {
    if (parked.kind != job_.outcome || parked.reason_class == "bad_mailbox") return false;
    if (parked.settled > job_.created || parked.settled < job_.since) return false;
    const queue::StoredRow& row = parked.row;
    if (!matcher_.MayMean(FactsOf(campaign, row.message.lane, DomainOf(row.recipient)))) return false;
    const RowFacts facts{row.message.row, row.attempts, parked.reason_class, row.recipient, row.accepted};
    if (!matcher_.Means(facts, job_.created)) return false;
    if (matching_ == nullptr) return true;
    const absl::StatusOr<queue::Trace> trace = services_.store.TraceMessage(row.message);
    return trace.ok() && !trace->events.empty() && RE2::PartialMatch(trace->events.back().reply, *matching_);
  }

  // When the next row to that domain is to go.
  absl::Time NextPaced(const queue::Campaign& campaign, const std::string& domain, absl::Time now) {
    std::string whose;
    double per_second = job_.rate.PerSecond();
    if (job_.rate.unlimited()) {
      const bool apart = job_.paced.contains(domain) || job_.paced.size() < kPacedDomainsMax;
      if (apart) whose = domain;
      const auto [known, fresh] = paces_.try_emplace(domain);
      if (fresh) {
        const Rate limit = services_.node.limit_of(campaign, domain);
        known->second = (limit.unlimited() ? kUnlimitedPace : limit).PerSecond() / (limit.unlimited() ? 1 : 10);
      }
      per_second = known->second;
    }
    absl::Time& next = job_.paced[whose];
    const absl::Time due = std::max(next, now);
    next = due + absl::Seconds(1 / per_second);
    return due;
  }

  std::unique_ptr<RE2> matching_;  // null: any reply
  queue::RowId after_{};
  std::map<std::string, double> paces_;  // rows a second, by domain
};

}  // namespace

std::unique_ptr<JobWork> MakeReplay(Job job, RowMatcher matcher, const JobWork::Services& services) {
  return std::make_unique<Replay>(std::move(job), std::move(matcher), services);
}

}  // namespace sealift::engine
