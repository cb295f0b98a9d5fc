#include "engine/job_work.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <future>

namespace sealift::engine {
namespace {

constexpr int kPageLanes = 1024;
constexpr absl::Duration kAsksFor = absl::Seconds(15);       // the DNS, about a page
constexpr absl::Duration kAsksAtLeast = absl::Seconds(1);    // ... once it has not answered in time again and again
constexpr absl::Duration kCountsWithin = absl::Seconds(15);  // all of them, where only a number is wanted

uint64_t CountOf(queue::OutcomeKind outcome, const queue::Counters& counters) {
  if (outcome == queue::OutcomeKind::kBounced) return counters.bounced;
  return outcome == queue::OutcomeKind::kExpired ? counters.expired : counters.cancelled;
}

}  // namespace

JobWork::JobWork(Job job, RowMatcher matcher, const Services& services)
    : job_(std::move(job)), matcher_(std::move(matcher)), services_(services), asks_for_(kAsksFor) {}

absl::StatusOr<std::unique_ptr<JobWork>> JobWork::Of(Job job, const Services& services) {
  absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(job.filter, services.store);
  if (!matcher.ok()) return matcher.status();
  switch (job.kind) {
    case Job::Kind::kBounce:
    case Job::Kind::kExpire:
      return MakeSettling(std::move(job), *std::move(matcher), services);
    case Job::Kind::kReplay:
      return MakeReplay(std::move(job), *std::move(matcher), services);
    case Job::Kind::kRetry:
      return MakeRetry(std::move(job), *std::move(matcher), services);
  }
  return absl::InternalError("a job of no kind");
}

absl::StatusOr<JobWork::Progress> JobWork::Step() {
  if (absl::Status listed = ListCampaigns(); !listed.ok()) return listed;
  return Move();
}

absl::StatusOr<RowCount> JobWork::Count() {
  counts_until_ = absl::Now() + kCountsWithin;
  if (absl::Status listed = ListCampaigns(); !listed.ok()) return listed;
  const absl::StatusOr<uint64_t> rows = CountMeant();
  if (!rows.ok()) return rows.status();
  return RowCount{.rows = *rows, .unplaced = unplaced_};
}

std::string JobWork::Remark() const {
  std::vector<std::string> remarks;
  if (unplaced_ > 0) {
    remarks.push_back(fmt::format(
        "{}{} rows are left whose provider is not known: the DNS does not say which hosts take their domains' mail",
        matcher_.filter().OfRows() && job_.kind != Job::Kind::kReplay ? "up to " : "", unplaced_));
  }
  if (in_doubt_ > 0) {
    remarks.push_back(fmt::format("{}{} rows are left that are in doubt: they may have arrived",
                                  matcher_.filter().OfRows() ? "up to " : "", in_doubt_));
  }
  if (other_mode_ > 0) {
    remarks.push_back(fmt::format("{} campaign{} left that {} loaded under the other delivery mode", other_mode_,
                                  other_mode_ == 1 ? " is" : "s are", other_mode_ == 1 ? "was" : "were"));
  }
  return fmt::format("{}", fmt::join(remarks, "; "));
}

absl::Status JobWork::ListCampaigns() {
  if (listed_) return absl::OkStatus();
  absl::StatusOr<std::vector<queue::Campaign>> campaigns = services_.store.ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  const QueueFilter& filter = matcher_.filter();
  for (queue::Campaign& campaign : *campaigns) {
    if (campaign.erased || job_.given_up.contains(campaign.id)) continue;
    // What was cancelled before it was ordered may be sent all the same, if that is what was ordered.
    const bool cancelled = campaign.state == queue::CampaignState::kCancelled;
    if (cancelled && (job_.outcome != queue::OutcomeKind::kCancelled || campaign.ended > job_.created)) continue;
    if (filter.campaign.has_value() && campaign.spec.name != *filter.campaign) continue;
    if (filter.stream.has_value() && campaign.spec.stream != *filter.stream) continue;
    if (filter.source.has_value() && !services_.node.leaves_from(campaign, *filter.source)) continue;
    if (job_.kind == Job::Kind::kReplay) {
      if (absl::Status may = services_.node.check_mode(campaign); !may.ok()) {
        if (filter.campaign.has_value()) return may;
        other_mode_ += CountOf(job_.outcome, campaign.counters) > 0 ? 1 : 0;
        continue;
      }
    }
    campaigns_.push_back(std::move(campaign));
  }
  listed_ = true;
  return absl::OkStatus();
}

absl::Duration JobWork::patience() const {
  return counts_until_.has_value() ? std::max(*counts_until_ - absl::Now(), absl::ZeroDuration()) : asks_for_;
}

// Jobs wait for each other: a DNS that is down would keep them for as long as there are pages.
void JobWork::FindProviders(const std::set<std::string>& domains) {
  if (!matcher_.filter().provider.has_value()) return;
  const bool in_time = services_.node.find_providers(domains, patience(), providers_);
  if (!in_time) asks_for_ = std::max(asks_for_ / 2, kAsksAtLeast);
}

LaneFacts JobWork::FactsOf(const queue::Campaign& campaign, const queue::LaneId& lane,
                           const std::string& domain) const {
  const auto provider = providers_.find(domain);
  return {lane, campaign.spec.name, campaign.spec.stream, domain,
          provider == providers_.end() ? nullptr : &provider->second};
}

bool JobWork::Unplaced(const LaneFacts& lane) const {
  if (!matcher_.filter().provider.has_value() || lane.provider != nullptr) return false;
  LaneFacts placed = lane;
  placed.provider = &*matcher_.filter().provider;
  return matcher_.MayMean(placed);
}

absl::StatusOr<std::optional<std::vector<JobWork::LaneToDo>>> JobWork::NextLanes() {
  if (campaign_ == campaigns_.size()) return std::nullopt;
  const queue::Campaign& campaign = campaigns_[campaign_];
  auto read = std::make_shared<std::promise<queue::LanesPage>>();
  std::future<queue::LanesPage> answer = read->get_future();
  services_.store.ReadLanes(campaign.id, lanes_cursor_, kPageLanes, 0, 1,
                            [read](queue::LanesPage page) { read->set_value(std::move(page)); });
  queue::LanesPage page = answer.get();
  if (!page.status.ok()) return page.status;
  std::set<std::string> domains;
  for (const queue::LaneRecord& lane : page.lanes) {
    if (Unplaced(FactsOf(campaign, lane.lane, lane.domain))) domains.insert(lane.domain);
  }
  FindProviders(domains);
  std::vector<LaneToDo> lanes;
  for (queue::LaneRecord& lane : page.lanes) {
    const LaneFacts facts = FactsOf(campaign, lane.lane, lane.domain);
    if (Unplaced(facts)) unplaced_ += lane.queued;
    if (!matcher_.MayMean(facts)) continue;
    lanes.push_back({.record = std::move(lane), .campaign = &campaign, .after = ""});
  }
  lanes_cursor_ = page.done ? "" : page.cursor;
  if (page.done) ++campaign_;
  return lanes;
}

}  // namespace sealift::engine
