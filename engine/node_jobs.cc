// What jobs need of the node.
#include <algorithm>
#include <utility>

#include "engine/binding_rates.h"
#include "engine/campaign_settings.h"
#include "engine/filter_names.h"
#include "engine/log.h"
#include "engine/node_impl.h"

namespace sealift::engine {
namespace {

// The lower of two rates; one without a limit binds nothing.
Rate Lower(const Rate& a, const Rate& b) {
  if (a.unlimited()) return b;
  return b.unlimited() || a.PerSecond() <= b.PerSecond() ? a : b;
}

}  // namespace

bool NodeImpl::LeavesFrom(const std::string& stream_name, const std::string& source) const {
  const std::shared_ptr<const Options> options = this->options();
  const StreamOptions* const stream = options->FindStream(stream_name);
  const PoolOptions* const pool = stream == nullptr ? nullptr : options->FindPool(stream->pool);
  return pool != nullptr && std::ranges::find(pool->sources, source) != pool->sources.end();
}

std::unique_ptr<Jobs> NodeImpl::MakeJobs() {
  Jobs::Node node;
  node.claimed = [this](const std::vector<queue::LaneId>& lanes) {
    std::vector<bool> claimed(lanes.size());
    AskShards([&](Scheduler& scheduler) {
      for (size_t i = 0; i < lanes.size(); ++i) claimed[i] = claimed[i] || scheduler.MayHaveClaimed(lanes[i]);
    });
    return claimed;
  };
  node.revise = [this](const queue::LaneId& lane, int64_t queued, int64_t retrying) {
    AskShards([&](Scheduler& scheduler) { scheduler.Revise(lane, queued, retrying, absl::InfiniteFuture()); });
  };
  node.returned = [this](queue::CampaignId id, const std::vector<queue::ReplayedRows::Lane>& lanes) {
    Returned(id, lanes);
  };
  node.reopen = [this](const queue::Campaign& cancelled, const Job& job) {
    return campaigns_->Reopen(cancelled, {.by = job.by, .reason = job.Id() + ": " + job.reason, .time = absl::Now()});
  };
  node.refilled = [this](queue::CampaignId id) {
    if (const absl::Status sent = campaigns_->Refilled(id); !sent.ok()) {
      LogError("rows that are due wait for the next start of the node", {{"why", sent}});
    }
  };
  node.provider_of = [this](const std::string& domain) { return ProviderOf(domain); };
  node.find_providers = [this](const std::set<std::string>& domains, absl::Duration patience,
                               std::map<std::string, std::string>& providers) {
    return FindProviders(domains, absl::Now() + patience, providers);
  };
  node.check_mode = [this](const queue::Campaign& campaign) { return campaigns_->CheckMode(campaign); };
  node.leaves_from = [this](const queue::Campaign& campaign, const std::string& source) {
    return LeavesFrom(campaign.spec.stream, source);
  };
  node.mailing_of = [this](const queue::Campaign& campaign) {
    const StreamOptions* const stream = options()->FindStream(campaign.spec.stream);
    return queue::Mailing{.campaign = campaign.spec.name,
                          .stream = campaign.spec.stream,
                          .transactional = stream != nullptr && stream->kind == StreamKind::kTransactional,
                          .sink = campaign.spec.mode == "sink"};
  };
  node.limit_of = [this](const queue::Campaign& campaign, const std::string& domain) {
    const std::shared_ptr<const Options> options = this->options();
    const StreamOptions* const stream = options->FindStream(campaign.spec.stream);
    const PoolOptions* const pool = stream == nullptr ? nullptr : options->FindPool(stream->pool);
    if (pool == nullptr) return Rate();
    std::string site = domain;
    std::string host = domain;
    std::string judge = std::string(Restraints::kSitePrefix) + domain;
    AskShards([&](Scheduler& scheduler) {
      const Site* const known = scheduler.directory().FindSite(domain);
      if (known == nullptr) return;
      site = known->key;
      host = known->hosts.front().name;
      judge = known->judge;
    });
    const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(campaign.spec.settings_json);
    const Sending sending{*stream, campaign.spec.name, settings.ok() ? settings->limits : CampaignLimits()};
    Rate lowest;
    for (const int index : pool->source_indexes) {
      const SourceOptions& source = options->sources[static_cast<size_t>(index)];
      for (const BindingRate& binding :
           BindingRates(*options, sending, source, site, options->DestinationFor(domain, host))) {
        lowest = Lower(lowest, binding.limit.rate);
      }
    }
    if (stream->kind == StreamKind::kTransactional) return lowest;
    int64_t a_day = 0;
    for (const Warmups::Status& status : warmups_->Binding(*options, *pool, judge)) {
      a_day += status.standing.day == 0 ? status.plan.per_day.front() : status.quota;
    }
    return a_day == 0 ? lowest : Lower(lowest, {.count = a_day, .period = absl::Hours(24)});
  };
  // It writes as much as a load, and through the log.
  node.has_room = [this] { return HasRoom(store_->Unflushed()); };
  node.may_send = [this] { return restoration_->MaySend(); };
  node.check_names = [this](const QueueFilter& filter) -> absl::Status {
    if (filter.campaign.has_value()) {
      if (const absl::StatusOr<queue::Campaign> found = campaigns_->Find(*filter.campaign); !found.ok()) {
        return found.status();
      }
    }
    const absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
    return campaigns.ok() ? CheckNames(filter, *options(), *campaigns) : campaigns.status();
  };
  node.count = [this](const QueueFilter& filter, absl::Duration patience) { return CountRows(filter, patience); };
  node.settled = [this](const std::string& stream, Job::Kind kind, uint64_t rows) {
    if (kind == Job::Kind::kBounce) {
      metrics_.counter(Metric::kMessagesBounced, {stream, "", "other", "operator"})->Add(rows);
    } else {
      metrics_.counter(Metric::kMessagesExpired, {stream})->Add(rows);
    }
  };
  node.make_due = [this](queue::CampaignId id, const std::vector<queue::LaneRecord>& lanes, absl::Time due) {
    return MakeDue(id, lanes, due);
  };
  node.make_rows_due = [this](const queue::Campaign& campaign, const queue::LaneId& lane,
                              const JobNode::DueJudge& judge, const std::atomic<bool>& stop) {
    return MakeRowsDue(campaign.id, lane, false, judge, &stop);
  };
  return std::make_unique<Jobs>(*store_, *holds_, std::move(node));
}

}  // namespace sealift::engine
