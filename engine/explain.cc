#include "engine/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace sealift::engine {
namespace {

uint64_t Rows(int64_t count) { return static_cast<uint64_t>(std::max<int64_t>(count, 0)); }

// The others are the node's to count: those of campaigns that do not run, and those that a hold keeps whatever their
// site, which are seldom in memory.
bool CountedHere(const Lane& lane) {
  if (lane.queued <= 0 || !lane.campaign->sending) return false;
  return lane.hold == nullptr || lane.hold->filter.provider.has_value();
}

WaitReason UnderWay(uint64_t rows) {
  return {.reason = "sending",
          .detail = "in turn: sessions are sending or being opened",
          .set_by = "nothing refuses it",
          .until = std::nullopt,
          .rows = rows};
}

// When the lane's next row may go that nothing else keeps until that time: not before what keeps the lane, or each
// source that it might leave from, is over.
absl::Time NotBefore(Scheduler& scheduler, const Lane& lane, absl::Time time) {
  const Site* const site = lane.queue == nullptr ? nullptr : lane.queue->site;
  const ShardServices& services = scheduler.services();
  time = std::max(time, services.holds->KeptUntil(FactsOf(lane, site), nullptr, services.Now()));
  const Refusal refusal = scheduler.WhyWaiting(lane);
  switch (refusal.kind) {
    case Refusal::Kind::kRate:
    case Refusal::Kind::kBackoff:
    case Refusal::Kind::kNoTls:
    case Refusal::Kind::kWindow:
    case Refusal::Kind::kHold:
      return std::max(time, refusal.until);
    default:
      return time;
  }
}

// Whether a row of the lane that is due was handed to a session: all of them were read, and it does not wait.
bool IsUnderWay(const Lane& lane, queue::RowId row) {
  if (lane.unsettled == 0 || lane.more || lane.reading) return false;
  const auto is_it = [row](const Claim& claim) { return claim.row().id == row; };
  if (std::ranges::any_of(lane.window, is_it) || std::ranges::any_of(lane.withheld, is_it, &WithheldClaim::claim)) {
    return false;
  }
  return lane.queue == nullptr || std::ranges::none_of(lane.queue->ahead, [&](const ReadyRow& ready) {
           return ready.lane == &lane && is_it(ready.claim);
         });
}

// What those rows of a lane wait for that are due and that no hold keeps one by one.
WaitReason ReasonOf(Scheduler& scheduler, const Lane& lane, uint64_t rows) {
  WaitReason wait{.rows = rows};
  if (lane.hold != nullptr) return HoldReason(*lane.hold, rows, NotBefore(scheduler, lane, lane.hold->until));
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
  const bool barred = !lane.queue->placement.barred.empty();
  if (lane.queue->permits.empty() && lane.queue->stream != nullptr && !barred) {
    wait.reason = "hold";
    wait.detail = fmt::format("the configuration has no pool '{}' any more", lane.queue->placement.pool);
    wait.set_by = "queue route";
    return wait;
  }
  if (lane.queue->stream == nullptr) {
    wait.reason = "stream";
    wait.detail = fmt::format("the configuration has no stream '{}' any more", lane.campaign->stream);
    wait.set_by = "the configuration";
    return wait;
  }
  const Options& options = *scheduler.services().options;
  const std::string& stream = lane.campaign->stream;
  const Refusal refusal = scheduler.WhyWaiting(lane);
  if (refusal.kind == Refusal::Kind::kHold) return HoldReason(*refusal.hold, rows, refusal.until);
  wait.reason = std::string(ToString(refusal.kind));
  wait.until = KnownTime(refusal.until);
  switch (refusal.kind) {
    case Refusal::Kind::kRate:
      wait.reason = refusal.rate->kind();
      wait.detail = fmt::format("{} rate of {}: {}", refusal.rate->kind(), refusal.rate->name(), refusal.rate->value());
      wait.set_by = refusal.rate->origin();
      wait.limit = refusal.rate->name();
      break;
    case Refusal::Kind::kUnsettled:
      wait.detail = "as many messages as node.unsettled_max allows wait for their outcome to be durable";
      wait.set_by = SetBy(options, "node.unsettled_max");
      break;
    case Refusal::Kind::kWindow:
      wait.detail = fmt::format("stream {} sends {}", lane.campaign->stream, lane.queue->stream->opens->Describe());
      wait.set_by = SetByStream(options, stream, "window");
      break;
    case Refusal::Kind::kConnections:
      for (const std::unique_ptr<Path>& path : lane.queue->site->paths) {
        if (path->requirement != lane.queue->requirement || lane.queue->PermitsOf(path->source) == nullptr) continue;
        std::optional<Paths::Full> full = scheduler.paths().FullFor(*lane.queue, *path);
        if (!full.has_value()) continue;
        wait.detail = std::move(full->detail);
        wait.set_by = std::move(full->set_by);
        wait.limit = std::move(full->limit);
        break;
      }
      break;
    case Refusal::Kind::kSigning:
      wait.detail =
          "its messages are being signed; when this lasts, the signer threads have more to do than they manage";
      wait.set_by = SetByStream(options, stream, "dkim");
      break;
    case Refusal::Kind::kStorage: {
      const absl::Status stopped = scheduler.services().store.failure();
      wait.detail = stopped.ok() ? "the data directory has less free space than storage.stop_send_below asks for"
                                 : std::string(stopped.message());
      wait.set_by = stopped.ok() ? SetBy(options, "storage.stop_send_below") : "the data directory's disk";
      break;
    }
    case Refusal::Kind::kBackoff:
    case Refusal::Kind::kNoTls: {
      wait.set_by =
          refusal.kind == Refusal::Kind::kNoTls
              ? fmt::format("stream {} tls = \"{}\"{} ({})", stream, tls::ToString(lane.queue->requirement.policy),
                            lane.queue->requirement.requiretls ? ", requiretls = true" : "",
                            options.WhereSet(fmt::format("stream[{}].tls", stream)))
              : "the destination";
      for (const std::unique_ptr<Path>& path : lane.queue->site->paths) {
        if (path->block.until <= scheduler.services().Now() || path->block.until > refusal.until) continue;
        if (path->requirement != lane.queue->requirement) continue;
        wait.detail = path->block.attempt.text;
        if (refusal.kind == Refusal::Kind::kBackoff && !path->retry_of.empty()) {
          wait.set_by += ", which is tried again as " + SetByStream(options, path->retry_of, "retry") + " says";
        }
        if (path->block.lack == Lack::kPromised) wait.set_by = "the destination: what it publishes, or offered before";
        break;
      }
      break;
    }
    default:
      return UnderWay(rows);
  }
  return wait;
}

// What all rows of a lane wait for: the counts add up to what it has queued.
std::vector<WaitReason> ReasonsOf(Scheduler& scheduler, const Lane& lane) {
  std::vector<WaitReason> reasons;
  uint64_t rows = Rows(lane.queued);
  const bool whole = lane.hold != nullptr || lane.verdict.has_value();
  const HoldSet& holds = *scheduler.services().holds;
  const Site* const site = lane.queue == nullptr ? nullptr : lane.queue->site;
  const std::shared_ptr<const Hold> of_rows = whole || holds.empty() ? nullptr : holds.OfRows(FactsOf(lane, site));
  uint64_t retrying = Rows(lane.retrying);
  const auto add = [&](WaitReason wait, uint64_t tried) {
    if (wait.rows == 0) return;
    wait.retrying = std::min({tried, wait.rows, retrying});
    retrying -= wait.retrying;
    rows -= wait.rows;
    reasons.push_back(std::move(wait));
  };
  if (!whole) {
    for (const HeldRows& held : lane.held) {
      add(HoldReason(*held.hold, std::min(held.rows, rows), held.hold->until), held.retrying);
    }
  }
  const bool all_here = lane.window.empty() && lane.ahead == 0 && !lane.more && !lane.reading && lane.unsettled == 0;
  if (!whole && (all_here || lane.next_due > scheduler.services().Now())) {
    const auto retries = std::ranges::count_if(lane.window, [](const Claim& claim) { return claim.waited(); });
    const uint64_t not_due = all_here ? rows : std::min(Rows(lane.retrying - retries - lane.unsettled), rows);
    if (not_due > 0) {
      WaitReason wait{.reason = "due", .rows = not_due};
      wait.detail = "they were tried and wait for their next attempt";
      if (of_rows != nullptr && of_rows->until > lane.next_due) wait.detail += "; " + KeepsLonger(*of_rows);
      wait.set_by = SetByStream(*scheduler.services().options, lane.campaign->stream, "retry");
      wait.until = KnownTime(NotBefore(scheduler, lane, lane.next_due));
      const uint64_t capped = std::min(Rows(lane.sated), not_due);
      WaitReason cap = CapReason(*scheduler.services().options, lane.campaign->stream, capped);
      cap.until = wait.until;
      wait.rows -= capped;
      add(std::move(cap), capped);
      add(std::move(wait), not_due);
    }
  }
  if (rows == 0) return reasons;
  WaitReason wait = ReasonOf(scheduler, lane, rows);
  if (wait.reason == ToString(Refusal::Kind::kConnections)) {
    // Those that have a connection do not wait for one.
    const uint64_t going = std::min(Rows(lane.unsettled), wait.rows);
    wait.rows -= going;
    add(UnderWay(going), going);
  }
  add(std::move(wait), rows);
  return reasons;
}

// Of each path the queues whose mail goes by it.
void ForEachBinding(const Site& site, auto&& each) {
  for (const std::unique_ptr<Path>& path : site.paths) {
    for (const std::unique_ptr<SendQueue>& queue : site.queues) {
      if (queue->requirement == path->requirement && queue->PermitsOf(path->source) != nullptr) each(*queue, *path);
    }
  }
}

void AddLimits(Scheduler& scheduler, const Site& site, DomainExplanation& into) {
  const ShardServices& services = scheduler.services();
  const absl::Time now = services.Now();
  std::set<std::string> seen;
  for (const DomainExplanation::LimitInForce& limit : into.limits) seen.insert(limit.name);
  for (const std::unique_ptr<SendQueue>& queue : site.queues) {
    scheduler.Restrain(*queue);
    std::vector<std::shared_ptr<const SendPermits>> all = queue->permits;
    std::ranges::move(scheduler.BarredPermits(*queue), std::back_inserter(all));
    for (const std::shared_ptr<const SendPermits>& permits : all) {
      for (const auto& [rate, flow] : permits->rates) {
        if (rate->value() == ToText(Rate{})) continue;  // a backoff that is over
        DomainExplanation::LimitInForce limit{.name = fmt::format("{} rate of {}", rate->kind(), rate->name()),
                                              .value = rate->value(),
                                              .set_by = rate->origin()};
        if (!seen.insert(limit.name).second) continue;
        const absl::Duration wait = rate->Peek(now);
        if (wait > absl::ZeroDuration()) limit.until = now + wait;
        into.limits.push_back(std::move(limit));
      }
      for (const auto& [connections, flow] : permits->connection_rates) {
        DomainExplanation::LimitInForce rate{.name = fmt::format("connection rate to {}", connections->name()),
                                             .value = connections->value(),
                                             .set_by = connections->origin()};
        const absl::Duration wait = connections->Peek(now);
        if (wait > absl::ZeroDuration()) rate.until = now + wait;
        if (seen.insert(rate.name).second) into.limits.push_back(std::move(rate));
      }
    }
  }
  const auto add_count = [&](const Slots& count) {
    DomainExplanation::LimitInForce limit{
        .name = fmt::format("connections of {}", count.name()), .value = count.Describe(), .set_by = count.origin()};
    if (seen.insert(limit.name).second) into.limits.push_back(std::move(limit));
  };
  for (const std::unique_ptr<SendQueue>& queue : site.queues) {
    for (const std::shared_ptr<Slots>& count : queue->carried_by) add_count(*count);
  }
  for (const std::unique_ptr<Path>& path : site.paths) {
    for (const std::shared_ptr<Slots>& count : path->slots) add_count(*count);
  }
  // Each by what binds the mail that it may carry; several blocks may.
  ForEachBinding(site, [&](const SendQueue& queue, const Path& path) {
    DomainExplanation::LimitInForce limit{.name = fmt::format("connections from {}", path.source_name),
                                          .value = Paths::OpenAtSite(queue, path),
                                          .set_by = queue.settings.connections.origin};
    if (seen.insert(limit.name + limit.set_by).second) into.limits.push_back(std::move(limit));
  });
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
    case Refusal::Kind::kWindow:
      return "window";
    case Refusal::Kind::kConnections:
      return "connections";
    case Refusal::Kind::kHold:
      return "hold";
  }
  return "sending";
}

BlockedRows CountBlocked(Scheduler& scheduler, queue::CampaignId campaign) {
  BlockedRows blocked;
  scheduler.lanes().ForEach([&](Lane& lane) {
    if (lane.id.campaign != campaign) return;
    if (!CountedHere(lane)) return;
    if (lane.hold != nullptr) {
      blocked.held += Rows(lane.queued);
      blocked.held_retrying += Rows(lane.retrying);
      return;
    }
    for (const HeldRows& held : lane.held) {
      blocked.held += held.rows;
      blocked.held_retrying += held.retrying;
    }
    if (!lane.held.empty()) return;
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

std::optional<absl::Time> KnownTime(absl::Time time) {
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return std::nullopt;
  return time;
}

WaitReason HoldReason(const Hold& hold, uint64_t rows, absl::Time until) {
  WaitReason wait{.reason = "hold", .rows = rows};
  wait.detail = fmt::format("{} {}: {}", ToString(hold.kind), hold.Id(), hold.filter.Describe());
  wait.set_by = fmt::format("{}: {}", hold.placed().by, hold.placed().reason);
  wait.until = KnownTime(std::max(until, hold.until));
  return wait;
}

std::string KeepsLonger(const Hold& hold) {
  return fmt::format("{} {} keeps those that it names for longer", ToString(hold.kind), hold.Id());
}

WaitReason CapReason(const Options& options, const std::string& stream, uint64_t rows) {
  const StreamOptions* const found = options.FindStream(stream);
  const bool capped = found != nullptr && !found->recipient_cap.rate.unlimited();
  return {.reason = std::string(kRecipientCapClass),
          .detail = capped
                        ? fmt::format("one recipient gets {} of stream {}", ToText(found->recipient_cap.rate), stream)
                        : fmt::format("stream {} had a cap for each recipient", stream),
          .set_by = capped ? found->recipient_cap.origin : "an earlier configuration",
          .until = std::nullopt,
          .rows = rows};
}

std::string SetBy(const Options& options, std::string_view key) {
  return fmt::format("{} ({})", key, options.WhereSet(key));
}

std::string SetByStream(const Options& options, std::string_view stream, std::string_view key) {
  return fmt::format("stream {} {} ({})", stream, key, options.WhereSet(fmt::format("stream[{}].{}", stream, key)));
}

void AddWait(WaitReason wait, std::vector<WaitReason>& waits) {
  for (WaitReason& known : waits) {
    if (known.reason != wait.reason || known.detail != wait.detail || known.set_by != wait.set_by) continue;
    known.rows += wait.rows;
    known.retrying += wait.retrying;
    if (wait.until.has_value() && (!known.until.has_value() || *wait.until < *known.until)) known.until = wait.until;
    return;
  }
  waits.push_back(std::move(wait));
}

void TakeSettled(uint64_t rows, std::vector<WaitReason>& waits) {
  for (const bool going : {true, false}) {
    for (WaitReason& wait : waits) {
      if ((wait.reason == "sending") != going || wait.reason == "in_doubt") continue;
      const uint64_t less = std::min(rows, wait.rows);
      wait.rows -= less;
      rows -= less;
    }
  }
  std::erase_if(waits, [](const WaitReason& wait) { return wait.rows == 0; });
}

void ExplainDomain(Scheduler& scheduler, const std::string& domain, DomainExplanation& into) {
  const Site* const site = scheduler.directory().FindSite(domain);
  if (site != nullptr) {
    into.site = site->key;
    into.provider = site->provider;
    into.hosts.clear();
    for (const dns::MxHost& host : site->hosts) into.hosts.push_back(fmt::format("{} {}", host.preference, host.name));
    for (const std::unique_ptr<Path>& path : site->paths) into.sessions += path->sessions;
    for (const Site::Heard& heard : site->replies) into.replies.emplace_back(heard.time, heard.reply);
    AddLimits(scheduler, *site, into);
  }
  scheduler.lanes().ForEach([&](Lane& lane) {
    if (lane.domain != domain || !CountedHere(lane)) return;
    for (WaitReason& wait : ReasonsOf(scheduler, lane)) AddWait(std::move(wait), into.waits);
  });
}

std::optional<WaitReason> ExplainDueRow(Scheduler& scheduler, const queue::LaneId& id,
                                        std::optional<queue::RowId> row) {
  const Lane* const lane = scheduler.lanes().Find(id);
  if (lane == nullptr) return std::nullopt;
  if (row.has_value() && IsUnderWay(*lane, *row)) return UnderWay(1);
  return ReasonOf(scheduler, *lane, 1);
}

void ExplainSources(Scheduler& scheduler, std::vector<SourceStatus>& into) {
  const absl::Time now = scheduler.services().Now();
  scheduler.directory().ForEach([&](Site& site) {
    for (const std::unique_ptr<Path>& path : site.paths) {
      const auto source = std::ranges::find(into, path->source_name, &SourceStatus::name);
      if (source == into.end()) continue;
      if (path->block.until > now) {
        source->blocks.push_back({.site = site.domain, .text = path->block.attempt.text, .until = path->block.until});
      }
    }
    for (const Site::Heard& heard : site.replies) {
      const auto source = std::ranges::find(into, heard.source, &SourceStatus::name);
      if (source != into.end()) source->replies.emplace_back(heard.time, heard.reply);
    }
  });
}

void ExplainConnections(Scheduler& scheduler, std::vector<LimitStatus>& into) {
  scheduler.directory().ForEach([&](Site& site) {
    std::set<std::pair<std::string, std::string>> seen;
    ForEachBinding(site, [&](const SendQueue& queue, const Path& path) {
      const std::string name = Paths::NameAtSite(path), &set_by = queue.settings.connections.origin;
      const int open = site.SessionsWith(path, queue.settings.per);
      if (open == 0 || !seen.emplace(name, set_by).second) return;
      into.push_back({.kind = "connections",
                      .name = name,
                      .value = Paths::OpenAtSite(queue, path),
                      .set_by = set_by,
                      .until = std::nullopt,
                      .binds = open >= queue.settings.connections.count});
    });
  });
}

std::vector<WaitingRows> CountWaiting(Scheduler& scheduler) {
  std::map<std::tuple<queue::CampaignId, std::string, std::string, std::string>, std::pair<uint64_t, uint64_t>> rows;
  scheduler.lanes().ForEach([&](Lane& lane) {
    if (!CountedHere(lane)) return;
    const std::string provider = lane.queue != nullptr ? lane.queue->site->provider : "other";
    for (const WaitReason& wait : ReasonsOf(scheduler, lane)) {
      auto& [all, retrying] = rows[{lane.id.campaign, wait.reason, provider, wait.limit}];
      all += wait.rows;
      retrying += wait.retrying;
    }
  });
  std::vector<WaitingRows> waiting;
  waiting.reserve(rows.size());
  for (const auto& [key, count] : rows) {
    const auto& [campaign, reason, provider, limit] = key;
    waiting.push_back({reason, provider, count.first, campaign, limit, count.second});
  }
  return waiting;
}

}  // namespace sealift::engine
