#include "engine/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace sealift::engine {
namespace {

uint64_t Rows(int64_t count) { return static_cast<uint64_t>(std::max<int64_t>(count, 0)); }

// What one lane waits for, in words.
WaitReason ReasonOf(Scheduler& scheduler, const Lane& lane) {
  WaitReason wait{.rows = Rows(lane.queued)};
  if (!lane.campaign->sending) {
    wait.reason = "paused";
    wait.detail = fmt::format("campaign {} is paused", lane.campaign->name);
    wait.set_by = "an operator";
    return wait;
  }
  if (lane.verdict.has_value()) {
    wait.reason = "dns";
    wait.detail = lane.verdict->text;
    wait.set_by = "the domain's DNS";
    if (!lane.verdict->Bounces()) wait.until = lane.lookup_at;
    return wait;
  }
  if (lane.queue == nullptr) {
    wait.reason = "resolving";
    wait.detail = "its MX is being looked up";
    wait.set_by = "the domain's DNS";
    return wait;
  }
  if (lane.queue->permits.empty()) {
    wait.reason = "stream";
    wait.detail = fmt::format("the configuration has no stream '{}' any more", lane.campaign->stream);
    wait.set_by = "the configuration";
    return wait;
  }
  const bool anything_due = !lane.window.empty() || lane.ahead > 0 || lane.more || lane.reading;
  if (!anything_due) {
    wait.reason = "due";
    wait.detail = "every row was tried and waits for its next attempt";
    wait.set_by = fmt::format("stream {} retry", lane.campaign->stream);
    if (lane.next_due != absl::InfiniteFuture()) wait.until = lane.next_due;
    return wait;
  }
  const Refusal refusal = scheduler.WhyWaiting(lane);
  wait.reason = std::string(ToString(refusal.kind));
  if (refusal.until != absl::InfiniteFuture() && refusal.until != absl::InfinitePast()) wait.until = refusal.until;
  switch (refusal.kind) {
    case Refusal::Kind::kRate:
      wait.reason = refusal.rate->kind();
      wait.detail = fmt::format("{} rate of {}: {}", refusal.rate->kind(), refusal.rate->name(), refusal.rate->value());
      wait.set_by = refusal.rate->origin();
      break;
    case Refusal::Kind::kUnsettled:
      wait.detail = "as many messages as node.unsettled_max allows wait for their outcome to be durable";
      wait.set_by = "node.unsettled_max";
      break;
    case Refusal::Kind::kSigning:
      wait.detail =
          "its messages are being signed; when this lasts, the signer threads have more to do than they manage";
      wait.set_by = fmt::format("stream {} dkim", lane.campaign->stream);
      break;
    case Refusal::Kind::kStorage: {
      const absl::Status stopped = scheduler.services().store.failure();
      wait.detail = stopped.ok() ? "the data directory has less free space than storage.stop_send_below asks for"
                                 : std::string(stopped.message());
      wait.set_by = stopped.ok() ? "storage.stop_send_below" : "the data directory's disk";
      break;
    }
    case Refusal::Kind::kBackoff:
    case Refusal::Kind::kNoTls: {
      wait.set_by = refusal.kind == Refusal::Kind::kNoTls ? fmt::format("stream {} tls = \"{}\"", lane.campaign->stream,
                                                                        tls::ToString(lane.queue->requirement.policy))
                                                          : "the destination";
      for (const std::unique_ptr<Path>& path : lane.queue->site->paths) {
        if (path->block.until <= scheduler.services().Now() || path->requirement != lane.queue->requirement) continue;
        wait.detail = path->block.attempt.text;
        if (path->block.lack == Lack::kPromised) wait.set_by = "the destination: what it publishes, or offered before";
        break;
      }
      break;
    }
    default:
      wait.reason = "sending";
      wait.detail = "in turn: sessions are sending or being opened";
      wait.set_by = "nothing refuses it";
      break;
  }
  return wait;
}

void AddLimits(Scheduler& scheduler, const Site& site, DomainExplanation& into) {
  const ShardServices& services = scheduler.services();
  const absl::Time now = services.Now();
  std::set<std::string> seen;
  for (const DomainExplanation::LimitInForce& limit : into.limits) seen.insert(limit.name);
  for (const std::unique_ptr<SendQueue>& queue : site.queues) {
    for (const std::shared_ptr<const SendPermits>& permits : queue->permits) {
      for (const RateInForce* rate : permits->rates) {
        if (rate->value() == ToText(Rate{})) continue;  // a backoff that is over
        DomainExplanation::LimitInForce limit{.name = fmt::format("{} rate of {}", rate->kind(), rate->name()),
                                              .value = rate->value(),
                                              .set_by = rate->origin()};
        if (!seen.insert(limit.name).second) continue;
        const absl::Duration wait = rate->Peek(now);
        if (wait > absl::ZeroDuration()) limit.until = now + wait;
        into.limits.push_back(std::move(limit));
      }
    }
  }
  const DestinationSettings settings = services.options->DestinationFor(site.domain, site.hosts.front().name);
  for (const std::unique_ptr<Path>& path : site.paths) {
    DomainExplanation::LimitInForce limit{
        .name = fmt::format("connections from {}", path->source_name),
        .value = fmt::format("{} of {} open", site.SessionsOf(path->counted_with), path->connection_limit),
        .set_by = settings.connections.origin};
    if (seen.insert(limit.name).second) into.limits.push_back(std::move(limit));
    if (path->connection_rate == nullptr) continue;
    DomainExplanation::LimitInForce rate{.name = fmt::format("connection rate to {}", path->connection_rate->name()),
                                         .value = path->connection_rate->value(),
                                         .set_by = path->connection_rate->origin()};
    if (path->next_open > now) rate.until = path->next_open;
    if (seen.insert(rate.name).second) into.limits.push_back(std::move(rate));
  }
}

}  // namespace

std::string_view ToString(Refusal::Kind kind) {
  switch (kind) {
    case Refusal::Kind::kNone:
    case Refusal::Kind::kNoRows:
      return "sending";
    case Refusal::Kind::kRate:
      return "rate";
    case Refusal::Kind::kUnsettled:
      return "unsettled";
    case Refusal::Kind::kSigning:
      return "signing";
    case Refusal::Kind::kStorage:
      return "storage";
    case Refusal::Kind::kBackoff:
      return "backoff";
    case Refusal::Kind::kNoTls:
      return "no_tls";
  }
  return "sending";
}

BlockedRows CountBlocked(Scheduler& scheduler, queue::CampaignId campaign) {
  BlockedRows blocked;
  scheduler.lanes().ForEach([&](Lane& lane) {
    if (lane.id.campaign != campaign) return;
    const Refusal::Kind kind = scheduler.WhyWaiting(lane).kind;
    if (kind == Refusal::Kind::kNoTls) {
      blocked.held += Rows(lane.queued);
      blocked.held_retrying += Rows(lane.retrying);
    } else if (kind == Refusal::Kind::kBackoff || (lane.verdict.has_value() && !lane.verdict->Bounces())) {
      blocked.behind_failures += Rows(lane.queued - lane.retrying);
    }
  });
  return blocked;
}

void ExplainDomain(Scheduler& scheduler, const std::string& domain, DomainExplanation& into) {
  const Site* const site = scheduler.directory().FindSite(domain);
  if (site != nullptr) {
    into.site = site->key;
    into.provider = site->provider;
    into.hosts.clear();
    for (const dns::MxHost& host : site->hosts) into.hosts.push_back(fmt::format("{} {}", host.preference, host.name));
    for (const std::unique_ptr<Path>& path : site->paths) into.sessions += path->sessions;
    for (const auto& reply : site->replies) into.replies.push_back(reply);
    AddLimits(scheduler, *site, into);
  }
  scheduler.lanes().ForEach([&](Lane& lane) {
    if (lane.domain != domain || lane.queued <= 0) return;
    WaitReason wait = ReasonOf(scheduler, lane);
    for (WaitReason& known : into.waits) {
      if (known.reason == wait.reason && known.detail == wait.detail) {
        known.rows += wait.rows;
        if (wait.until.has_value() && (!known.until.has_value() || *wait.until < *known.until))
          known.until = wait.until;
        return;
      }
    }
    into.waits.push_back(std::move(wait));
  });
}

std::vector<WaitingRows> CountWaiting(Scheduler& scheduler) {
  std::map<std::pair<std::string, std::string>, uint64_t> rows;
  scheduler.lanes().ForEach([&](Lane& lane) {
    if (lane.queued <= 0) return;
    const std::string provider = lane.queue != nullptr ? lane.queue->site->provider : "other";
    rows[{ReasonOf(scheduler, lane).reason, provider}] += Rows(lane.queued);
  });
  std::vector<WaitingRows> waiting;
  for (const auto& [key, count] : rows) waiting.push_back({key.first, key.second, count});
  return waiting;
}

}  // namespace sealift::engine
