// Why rows wait, told of all that are queued: the shards know of the lanes that they have in memory, the store of the
// rest.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/node_impl.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {
namespace {

constexpr const char* kAnyProvider = "other";
constexpr absl::Duration kAskWithin = absl::Milliseconds(500);  // the DNS, of an idle domain

constexpr const char* kOtherMode = "delivery_mode";

// The rows of a campaign that no shard has in memory.
WaitReason Unread(uint64_t rows, bool retrying) {
  if (retrying) {
    return {.reason = "due",
            .detail = "not in memory: nothing of them is due yet",
            .set_by = "the stream's retry schedule",
            .until = std::nullopt,
            .rows = rows};
  }
  return {.reason = "unread",
          .detail =
              "not in memory: other rows go before them, or something keeps them for minutes at least: no host that "
              "answers, a window, a limit",
          .set_by = "nothing refuses them",
          .until = std::nullopt,
          .rows = rows};
}

// Since a restore nothing is sent, whatever its own state: an outcome may be missing.
WaitReason Restored(const Restoration& restoration, uint64_t rows) {
  return {.reason = "in_doubt",
          .detail = std::string(restoration.MaySend().message()),
          .set_by = "backup restore",
          .until = std::nullopt,
          .rows = rows};
}

SourceStatus::Restraint AsTold(std::string where, const Restraints::Slowed& slowed) {
  const bool slows = slowed.top_per_second <= slowed.base_per_second;
  std::string value = "suspended";
  if (!slowed.suspended) {
    value = fmt::format("{:.3g}/m{} {:.3g}/m", 60 * slowed.rate_per_second, slows ? " of" : ", growing to",
                        60 * (slows ? slowed.base_per_second : slowed.top_per_second));
  }
  return {.where = std::move(where),
          .value = std::move(value),
          .slows = slows,
          .rule = slowed.rule,
          .set_by = slowed.origin,
          .since = slowed.since,
          .until = slowed.last + slowed.duration};
}

}  // namespace

bool NodeImpl::IsOfOtherMode(const queue::Campaign& campaign) const {
  return campaign.spec.mode != Campaigns::ModeName(options()->delivery);
}

bool NodeImpl::Runs(const queue::Campaign& campaign) const {
  return campaign.state == queue::CampaignState::kRunning && !IsOfOtherMode(campaign);
}

WaitReason NodeImpl::NotRunning(const queue::Campaign& campaign, uint64_t rows) const {
  if (IsOfOtherMode(campaign)) {
    return {.reason = kOtherMode,
            .detail = fmt::format("campaign {} was loaded under delivery = \"{}\" and is never sent under another",
                                  campaign.spec.name, campaign.spec.mode),
            .set_by = options()->WhereSet("delivery"),
            .until = std::nullopt,
            .rows = rows};
  }
  const std::string state(queue::ToString(campaign.state));
  WaitReason wait{.reason = state,
                  .detail = fmt::format("campaign {} is {}", campaign.spec.name, state),
                  .set_by = "an operator",
                  .until = std::nullopt,
                  .rows = rows};
  if (campaign.state == queue::CampaignState::kReady) {
    const absl::StatusOr<queue::Campaign> whole = store_->GetCampaign(campaign.id);
    const absl::StatusOr<CampaignSettings> settings =
        whole.ok() ? CampaignSettings::Parse(whole->spec.settings_json) : whole.status();
    if (!settings.ok() || !settings->start_at.has_value()) return wait;
    wait.until = settings->start_at;
    wait.set_by = "campaign load --start-at";
    return wait;
  }
  const std::optional<PauseCause> cause = campaigns_->WhyPaused(campaign);
  if (!cause.has_value()) return wait;
  if (cause->by == PauseCause::kBreaker) {
    wait.detail += ": " + cause->reason;
    wait.set_by = "the circuit breaker: " + SetByStream(*options(), campaign.spec.stream, "max_hard_bounces");
  } else {
    wait.set_by = cause->reason.empty() ? cause->by : fmt::format("{}: {}", cause->by, cause->reason);
  }
  return wait;
}

std::vector<HeldRows> NodeImpl::CountHeld(const queue::Campaign& campaign) {
  std::vector<HeldRows> held;
  const std::shared_ptr<const HoldSet> holds = holds_->in_force();
  if (holds->empty() || campaign.counters.queued() == 0) return held;
  const LaneFacts whole{{campaign.id, {}}, campaign.spec.name, campaign.spec.stream, {}};
  if (std::shared_ptr<const Hold> hold = holds->OnLane(whole); hold != nullptr) {
    held.push_back({.hold = std::move(hold),
                    .rows = campaign.counters.queued() - campaign.counters.in_doubt,
                    .retrying = campaign.counters.retrying});
    return held;
  }
  std::set<std::string> domains;
  for (const std::shared_ptr<const Hold>& hold : holds->holds()) {
    if (hold->filter.domain.has_value()) domains.insert(*hold->filter.domain);
  }
  for (const std::string& domain : domains) {
    const LaneFacts facts{
        {campaign.id, store_->DestinationOf(domain)}, campaign.spec.name, campaign.spec.stream, domain};
    std::shared_ptr<const Hold> hold = holds->OnLane(facts);
    if (hold == nullptr) continue;
    const absl::StatusOr<std::optional<queue::LaneRecord>> lane = store_->FindLane(facts.id);
    if (!lane.ok() || !lane->has_value()) continue;
    held.push_back(
        {.hold = std::move(hold), .rows = (*lane)->queued - (*lane)->in_doubt, .retrying = (*lane)->retrying});
  }
  return held;
}

void NodeImpl::CountElsewhere(const queue::Campaign& campaign, std::vector<WaitingRows>& waiting) {
  const uint64_t queued = campaign.counters.queued() - campaign.counters.in_doubt;
  const auto add = [&](std::string reason, uint64_t rows, uint64_t retrying = 0) {
    if (rows > 0) waiting.push_back({std::move(reason), kAnyProvider, rows, campaign.id, "", retrying});
  };
  const auto alone = [&] {  // what the shards had of it until just now is of that too
    std::erase_if(waiting, [&](const WaitingRows& rows) { return rows.campaign == campaign.id; });
  };
  if (restoration_->pending()) {
    alone();
    return add("in_doubt", campaign.counters.queued());
  }
  if (!Runs(campaign)) alone();
  add("in_doubt", campaign.counters.in_doubt);
  if (!Runs(campaign)) {
    return add(IsOfOtherMode(campaign) ? kOtherMode : std::string(queue::ToString(campaign.state)), queued);
  }
  uint64_t counted = 0, retrying_here = 0, sated_here = 0;
  for (const WaitingRows& rows : waiting) {
    if (rows.campaign != campaign.id || rows.reason == "in_doubt") continue;
    counted += rows.rows;
    retrying_here += rows.retrying;
    if (rows.reason == kRecipientCapClass) sated_here += rows.rows;
  }
  for (const HeldRows& held : CountHeld(campaign)) {
    add("hold", held.rows, held.retrying);
    counted += held.rows;
    retrying_here += held.retrying;
  }
  if (counted <= queued) {
    const uint64_t retrying =
        std::min(campaign.counters.retrying - std::min(campaign.counters.retrying, retrying_here), queued - counted);
    const uint64_t sated = std::min(campaign.counters.sated - std::min(campaign.counters.sated, sated_here), retrying);
    add(std::string(kRecipientCapClass), sated);
    add("due", retrying - sated);
    return add("unread", queued - counted - retrying);
  }
  // What was settled while the shards were asked, is asked of those that were going out first.
  uint64_t settled = counted - queued;
  for (const bool going : {true, false}) {
    for (WaitingRows& rows : waiting) {
      if (rows.campaign != campaign.id || (rows.reason == "sending") != going || rows.reason == "in_doubt") continue;
      const uint64_t less = std::min(settled, rows.rows);
      rows.rows -= less;
      settled -= less;
    }
  }
}

void NodeImpl::CountQueue() {
  QueueCount count;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->Ask([&](Scheduler& scheduler) {
      const std::vector<WaitingRows> here = CountWaiting(scheduler);
      count.waiting.insert(count.waiting.end(), here.begin(), here.end());
    });
  }
  const absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
  if (campaigns.ok()) {
    for (const queue::Campaign& campaign : *campaigns) {
      CountElsewhere(campaign, count.waiting);
      queue::Counters& sum = count.streams[campaign.spec.stream];
      sum.accepted += campaign.counters.queued();
      sum.retrying += campaign.counters.retrying;
      sum.in_doubt += campaign.counters.in_doubt;
      count.stream_of[campaign.id] = campaign.spec.stream;
    }
  }
  const std::lock_guard lock(counted_mutex_);
  if (!campaigns.ok()) {  // what was counted last stays, and /readyz says why
    count.streams = counted_.streams;
    count.stream_of = counted_.stream_of;
  }
  counted_ = std::move(count);
}

absl::StatusOr<DomainExplanation> NodeImpl::Explain(std::string_view text) {
  const absl::StatusOr<std::string> domain = ParseDomain(text);
  if (!domain.ok()) return WithExit(domain.status(), ExitCode::kUsage);
  DomainExplanation explanation{.domain = *domain};
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->Ask([&](Scheduler& scheduler) { ExplainDomain(scheduler, *domain, explanation); });
  }
  if (explanation.provider.empty()) {  // nothing was sent there
    for (const auto& [name, hosts] : HostsOf({*domain}, absl::Now() + kAskWithin)) {
      explanation.provider = std::string(options()->ProviderOf(hosts.front().name));
      for (const dns::MxHost& host : hosts) {
        explanation.hosts.push_back(fmt::format("{} {}", host.preference, host.name));
      }
    }
  }
  uint64_t retrying_here = 0;  // in memory
  for (const WaitReason& wait : explanation.waits) retrying_here += wait.retrying;
  const absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  const std::shared_ptr<const HoldSet> holds = holds_->in_force();
  uint64_t retrying = 0;
  std::map<std::string, uint64_t> sated;  // of these, by stream
  for (const queue::Campaign& campaign : *campaigns) {
    if (campaign.counters.queued() == 0) continue;
    const queue::LaneId id{campaign.id, store_->DestinationOf(*domain)};
    const absl::StatusOr<std::optional<queue::LaneRecord>> lane = store_->FindLane(id);
    if (!lane.ok()) return lane.status();
    if (!lane->has_value()) continue;
    const uint64_t in_doubt = std::min((*lane)->in_doubt, (*lane)->queued);
    const uint64_t rows = (*lane)->queued - in_doubt;
    explanation.queued += (*lane)->queued;
    if (restoration_->pending()) {
      AddWait(Restored(*restoration_, (*lane)->queued), explanation.waits);
      continue;
    }
    if (in_doubt > 0) {
      AddWait({.reason = "in_doubt",
               .detail = "they may have arrived: the connection was lost behind the final dot",
               .set_by = SetByStream(*options(), campaign.spec.stream, "in_doubt"),
               .until = std::nullopt,
               .rows = in_doubt},
              explanation.waits);
    }
    if (rows == 0) continue;
    const std::shared_ptr<const Hold> hold = holds->OnLane({id, campaign.spec.name, campaign.spec.stream, *domain});
    if (!Runs(campaign)) {
      AddWait(NotRunning(campaign, rows), explanation.waits);
    } else if (hold != nullptr) {
      const LaneFacts facts{id, campaign.spec.name, campaign.spec.stream, *domain, &explanation.provider};
      AddWait(HoldReason(*hold, rows, holds->KeptUntil(facts, nullptr, absl::Now())), explanation.waits);
    } else {
      retrying += (*lane)->retrying;
      if ((*lane)->sated > 0) sated[campaign.spec.stream] += (*lane)->sated;
    }
  }
  retrying -= std::min(retrying, retrying_here);
  uint64_t explained = 0;
  for (const WaitReason& wait : explanation.waits) explained += wait.rows;
  for (const auto& [stream, rows] : sated) {
    WaitReason cap = CapReason(*options(), stream, rows);
    for (const WaitReason& wait : explanation.waits) {  // those that a shard has in memory
      if (wait.reason == cap.reason && wait.detail == cap.detail) cap.rows -= std::min(cap.rows, wait.rows);
    }
    cap.rows = std::min(cap.rows, explanation.queued - std::min(explanation.queued, explained));
    explained += cap.rows;
    retrying -= std::min(retrying, cap.rows);
    if (cap.rows > 0) AddWait(std::move(cap), explanation.waits);
  }
  if (explanation.queued > explained) {
    const uint64_t rest = explanation.queued - explained;
    const uint64_t tried = std::min(retrying, rest);
    if (tried > 0) AddWait(Unread(tried, true), explanation.waits);
    if (rest > tried) {
      WaitReason unread = Unread(rest - tried, false);
      if (const absl::Status damage = store_->damage(); !damage.ok()) {
        unread = {.reason = "damage",
                  .detail = std::string(damage.message()),
                  .set_by = "the disk",
                  .until = {},
                  .rows = unread.rows};
      }
      AddWait(std::move(unread), explanation.waits);
    }
  }
  if (explained > explanation.queued) TakeSettled(explained - explanation.queued, explanation.waits);
  // What binds longest stands first; what may go now, last.
  std::ranges::sort(explanation.waits, [](const WaitReason& a, const WaitReason& b) {
    return (a.reason == "sending" ? 1 : 0) < (b.reason == "sending" ? 1 : 0);
  });
  for (const WaitReason& wait : explanation.waits) {
    if (wait.until.has_value() &&
        (!explanation.next_eligible.has_value() || *wait.until < *explanation.next_eligible)) {
      explanation.next_eligible = wait.until;
    }
  }
  return explanation;
}

WaitReason NodeImpl::WhyRowWaits(const queue::Campaign& campaign, const queue::StoredRow& row) {
  if (restoration_->pending()) return Restored(*restoration_, 1);
  if (row.in_doubt()) {
    return {.reason = "in_doubt",
            .detail = "it may have arrived: the connection was lost behind the final dot",
            .set_by = SetByStream(*options(), campaign.spec.stream, "in_doubt"),
            .until = std::nullopt,
            .rows = 1};
  }
  if (!Runs(campaign)) return NotRunning(campaign, 1);
  const absl::Time now = absl::Now();
  const std::string domain = row.recipient.substr(row.recipient.rfind('@') + 1);
  const std::string provider = ProviderOf(domain);
  const LaneFacts lane{row.message.lane, campaign.spec.name, campaign.spec.stream, domain, &provider};
  const RowFacts facts{row.message.row, row.attempts, row.reason_class, row.recipient, row.accepted};
  const std::shared_ptr<const HoldSet> holds = holds_->in_force();
  const absl::Time kept = holds->KeptUntil(lane, &facts, now);
  if (const std::shared_ptr<const Hold> hold = holds->OnLane(lane); hold != nullptr) {
    return HoldReason(*hold, 1, std::max(kept, row.due));
  }
  const std::shared_ptr<const Hold> of_row = holds->OnRow(lane, facts, now);
  if (of_row != nullptr && row.due <= now) return HoldReason(*of_row, 1, kept);
  std::optional<WaitReason> then;  // once it is due
  AskShards([&](Scheduler& scheduler) {
    if (then.has_value()) return;
    then = ExplainDueRow(scheduler, row.message.lane, row.due <= now ? std::optional(row.message.row) : std::nullopt);
  });
  if (row.due <= now) return then.value_or(Unread(1, /*retrying=*/false));
  WaitReason wait = CapReason(*options(), campaign.spec.stream, 1);
  if (row.reason_class != kRecipientCapClass) {
    wait = {.reason = "due",
            .detail = "it was tried and waits for its next attempt",
            .set_by = SetByStream(*options(), campaign.spec.stream, "retry"),
            .until = std::nullopt,
            .rows = 1};
  }
  if (kept > row.due) wait.detail += "; " + KeepsLonger(*of_row);
  absl::Time until = std::max(row.due, kept);
  if (then.has_value() && then->until.has_value()) until = std::max(until, *then->until);
  wait.until = KnownTime(until);
  return wait;
}

std::vector<LimitStatus> NodeImpl::Throttles() {
  CountQueue();
  std::map<std::pair<std::string, std::string>, uint64_t> waiting;  // by kind and name
  {
    const std::lock_guard lock(counted_mutex_);
    for (const WaitingRows& rows : counted_.waiting) waiting[{rows.reason, rows.limit}] += rows.rows;
  }
  const absl::Time now = absl::Now();
  std::vector<LimitStatus> limits;
  limits_.ForEach(
      [&](const RateInForce& rate) {
        if (rate.value() == ToText(Rate())) return;  // it limits nothing
        LimitStatus limit{.kind = rate.kind(), .name = rate.name(), .value = rate.value(), .set_by = rate.origin()};
        const absl::Duration wait = rate.Peek(now);
        if (wait > absl::ZeroDuration()) limit.until = now + wait;
        limit.waiting = waiting[{limit.kind, limit.name}];
        limit.binds = limit.waiting > 0 && limit.until.has_value();
        limits.push_back(std::move(limit));
      },
      [&](const std::string& name, const Slots& slots) {
        const uint64_t rows = waiting[{"connections", name}];
        limits.push_back({.kind = "connections",
                          .name = name,
                          .value = slots.Describe(),
                          .set_by = slots.origin(),
                          .until = std::nullopt,
                          .waiting = rows,
                          .binds = rows > 0 && slots.IsFull()});
      });
  const auto at_sites = static_cast<ptrdiff_t>(limits.size());
  AskShards([&](Scheduler& scheduler) { ExplainConnections(scheduler, limits); });
  for (LimitStatus& limit : std::ranges::subrange(limits.begin() + at_sites, limits.end())) {
    limit.waiting = waiting[{limit.kind, limit.name}];
    limit.binds = limit.binds && limit.waiting > 0;
  }
  return limits;
}

std::string NodeImpl::WhereSlowed(const std::string& source, const Restraints::Slowed& slowed) const {
  if (slowed.kind == "source") return slowed.name == source ? "everywhere" : "";
  if (slowed.kind == "source_provider") {
    return slowed.name.starts_with(source + " to ") ? slowed.name.substr(source.size() + 1) : "";
  }
  if (slowed.kind == "provider") return slowed.name;  // "everything to google"
  std::string name = slowed.name.substr(slowed.name.find(' ') + 1), stream = name;
  if (slowed.kind == "campaign") {
    const absl::StatusOr<queue::Campaign> campaign = campaigns_->Find(name);
    if (!campaign.ok()) return "";
    stream = campaign->spec.stream;
  }
  return LeavesFrom(stream, source) ? slowed.name : "";
}

std::vector<SourceStatus::Restraint> NodeImpl::EndSuspensions(const std::string& source, const std::string& provider,
                                                              bool dry_run) {
  std::vector<SourceStatus::Restraint> ended;
  for (const Restraints::Slowed& slowed : restraints_.EndSuspensions(source, provider, dry_run, absl::Now())) {
    ended.push_back(AsTold(WhereSlowed(source, slowed), slowed));
  }
  return ended;
}

std::vector<SourceStatus::Restraint> NodeImpl::EndSuspension(const std::string& limit, bool dry_run) {
  std::vector<SourceStatus::Restraint> ended;
  for (const Restraints::Slowed& slowed : restraints_.EndSuspension(limit, dry_run, absl::Now())) {
    ended.push_back(AsTold(slowed.name, slowed));
  }
  return ended;
}

std::vector<SourceStatus> NodeImpl::Sources() {
  const std::shared_ptr<const Options> options = this->options();
  const std::vector<Hold> holds = holds_->List(/*ended=*/false);
  const std::vector<LimitStatus> limits = Throttles();
  const std::vector<Restraints::Slowed> slowed_places = restraints_.List();
  std::vector<SourceStatus> sources;
  for (const SourceOptions& configured : options->sources) {
    SourceStatus source{.name = configured.name, .address = configured.address, .hostname = configured.hostname};
    for (const PoolOptions& pool : options->pools) {
      if (!pool.Has(source.name)) continue;
      source.pools.push_back(pool.name);
      const auto is_it = [&](int i) { return options->sources[static_cast<size_t>(i)].name == source.name; };
      source.available = std::ranges::any_of(pool.source_indexes, is_it);
    }
    for (const LimitStatus& limit : limits) {
      const bool its_rate = (limit.kind == "source" || limit.kind == "source_day") && limit.name == source.name;
      const bool its_warmup = limit.kind == "warmup" && limit.name.starts_with(source.name + " to ");
      const bool of_connections = limit.kind == "connections" || limit.kind == "connection_rate";
      if (its_rate || its_warmup || (of_connections && limit.name == "source " + source.name)) {
        source.limits.push_back(limit);
      }
    }
    for (const Restraints::Slowed& slowed : slowed_places) {
      const std::string where = WhereSlowed(source.name, slowed);
      if (where.empty()) continue;
      source.restraints.push_back(AsTold(where, slowed));
    }
    for (const Hold& hold : holds) {
      if (hold.filter.source != source.name) continue;
      source.suspended.push_back(fmt::format("{} {}: {}", hold.Id(), hold.filter.Describe(), hold.placed().reason));
    }
    sources.push_back(std::move(source));
  }
  AskShards([&](Scheduler& scheduler) { ExplainSources(scheduler, sources); });
  constexpr size_t kShown = 20;
  for (SourceStatus& source : sources) {
    std::ranges::sort(source.blocks, {}, &SourceStatus::Block::until);
    std::ranges::sort(source.replies);
    if (source.blocks.size() > kShown) source.blocks.resize(kShown);
    if (source.replies.size() > kShown) source.replies.erase(source.replies.begin(), source.replies.end() - kShown);
  }
  return sources;
}

}  // namespace sealift::engine
