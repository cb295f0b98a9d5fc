// Why the rows of a lane wait now: what each source that they might leave from was refused, or who bars it, and which
// of them may send first.
#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/binding_rates.h"
#include "engine/scheduler.h"

namespace sealift::engine {
namespace {

// The rate that lets nothing through for longest, and for how long; null: none does for longer than that.
std::pair<std::shared_ptr<RateInForce>, absl::Duration> Slowest(const SendPermits& permits, absl::Time now,
                                                                absl::Duration than) {
  std::shared_ptr<RateInForce> slowest;
  for (const auto& [rate, flow] : permits.rates) {
    const absl::Duration wait = rate->Peek(now);
    if (wait > than) std::tie(slowest, than) = std::tie(rate, wait);
  }
  return {std::move(slowest), than};
}

// What a path was refused, as it is now and for who has these permits: another queue of the site may have been refused.
Refusal RefusalOf(const SendPermits& permits, Refusal refused, absl::Time now) {
  if (auto [rate, wait] = Slowest(permits, now, absl::ZeroDuration()); rate != nullptr) {
    return {.kind = Refusal::Kind::kRate, .rate = std::move(rate), .until = now + wait};
  }
  const bool its_own = std::ranges::find(permits.rates, refused.rate, &BoundRate::rate) != permits.rates.end();
  return its_own ? std::move(refused) : Refusal{.kind = Refusal::Kind::kNone};
}

// Of the holds that bar the source to the lane, the one that ends last.
std::shared_ptr<const Hold> LastToBar(const HoldSet& holds, const queue::Store& store, const LaneFacts& lane,
                                      const std::string& source) {
  std::shared_ptr<const Hold> last;
  for (const std::shared_ptr<const Hold>& hold : holds.holds()) {
    if (hold->filter.source != source || (last != nullptr && hold->until <= last->until)) continue;
    if (!HoldSet({hold}, store).PlacementOf(lane).barred.empty()) last = hold;
  }
  return last;
}

Refusal BlockOf(const Path& path) {
  return {.kind = path.block.lack != Lack::kNone ? Refusal::Kind::kNoTls : Refusal::Kind::kBackoff,
          .until = path.block.until};
}

}  // namespace

Refusal Scheduler::WhyPathWaits(const SendQueue& queue, const SendPermits& permits, const Path& path) {
  const absl::Time now = services_.Now();
  if (path.block.until > now) {
    Refusal blocked = BlockOf(path);
    blocked.until = now + Slowest(permits, now, blocked.until - now).second;
    return blocked;
  }
  Refusal refusal = path.refusal;
  if (refusal.kind == Refusal::Kind::kRate) refusal = RefusalOf(permits, refusal, now);
  if (refusal.kind == Refusal::Kind::kNone && path.sessions == 0) {
    refusal = RefusalOf(permits, refusal, now);
    for (const auto& [rate, flow] : permits.connection_rates) {
      const absl::Duration wait = rate->Peek(now);
      if (wait <= absl::ZeroDuration() || now + wait <= refusal.until) continue;
      refusal = {.kind = Refusal::Kind::kRate, .rate = rate, .until = now + wait};
    }
  }
  // What is durable or signed in a moment is not what an operator would act on where a limit binds besides.
  if (refusal.kind == Refusal::Kind::kUnsettled || refusal.kind == Refusal::Kind::kSigning) {
    if (auto [rate, wait] = Slowest(permits, now, RateInForce::kSlow); rate != nullptr) {
      return {.kind = Refusal::Kind::kRate, .rate = std::move(rate), .until = now + wait};
    }
  }
  if (refusal.kind == Refusal::Kind::kNone || refusal.kind == Refusal::Kind::kNoRows) {
    const std::optional<Paths::Full> full = paths_.FullFor(queue, path);
    if (full.has_value()) return {.kind = Refusal::Kind::kConnections, .until = full->until};
  }
  return refusal;
}

std::vector<std::shared_ptr<const SendPermits>> Scheduler::BarredPermits(const SendQueue& queue) {
  std::vector<std::shared_ptr<const SendPermits>> barred;
  if (queue.placement.barred.empty() || queue.stream == nullptr) return barred;
  const StreamOptions stream = queue.RoutedStream();
  const Sending sending{stream, queue.campaign->name, queue.campaign->limits};
  for (const int source : SourcesOf(queue)) {
    const std::string& name = services_.options->sources[static_cast<size_t>(source)].name;
    if (!std::ranges::binary_search(queue.placement.barred, name)) continue;
    barred.push_back(PermitsFrom(queue, sending, source));
  }
  return barred;
}

Refusal Scheduler::WhyBarred(const Lane& lane, const SendPermits& permits) {
  const SendQueue& queue = *lane.queue;
  const std::string& name = services_.options->sources[static_cast<size_t>(permits.source)].name;
  Refusal longest{.kind = Refusal::Kind::kHold,
                  .hold = LastToBar(*services_.holds, services_.store, FactsOf(lane, queue.site), name)};
  if (longest.hold == nullptr) return {};  // it has ended just now
  longest.until = longest.hold->until;
  for (const std::unique_ptr<Path>& path : queue.site->paths) {
    const bool its_own = path->source == permits.source && path->requirement == queue.requirement;
    if (its_own && path->block.until > longest.until) longest = BlockOf(*path);
  }
  const absl::Time now = services_.Now();
  if (auto [rate, wait] = Slowest(permits, now, longest.until - now); rate != nullptr) {
    return {.kind = Refusal::Kind::kRate, .rate = std::move(rate), .until = now + wait};
  }
  return longest;
}

Refusal Scheduler::WhyWaiting(const Lane& lane) {
  if (lane.queue == nullptr) return {};
  if (!allowed_ || !services_.store.writable()) {
    return {.kind = Refusal::Kind::kStorage, .until = absl::InfiniteFuture()};
  }
  SendQueue& queue = *lane.queue;
  const absl::Time now = services_.Now();
  if (const absl::Time opens = queue.ClosedUntil(now); opens > now) {
    return {.kind = Refusal::Kind::kWindow, .until = opens};
  }
  Refusal first;
  const auto consider = [&first](Refusal refusal) {
    if (first.kind == Refusal::Kind::kNone || refusal.until < first.until) first = std::move(refusal);
  };
  for (const std::shared_ptr<const SendPermits>& permits : queue.permits) {
    for (const std::unique_ptr<Path>& path : queue.site->paths) {
      if (path->source != permits->source || path->requirement != queue.requirement) continue;
      Refusal refusal = WhyPathWaits(queue, *permits, *path);
      if (refusal.kind == Refusal::Kind::kNone) return refusal;  // a source may send
      consider(std::move(refusal));
    }
  }
  for (const std::shared_ptr<const SendPermits>& permits : BarredPermits(queue)) {
    if (Refusal barred = WhyBarred(lane, *permits); barred.kind != Refusal::Kind::kNone) consider(std::move(barred));
  }
  return first;
}

}  // namespace sealift::engine
