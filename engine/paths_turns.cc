// Whose turn it is to open a session, where each permit of a limit is worth one.
#include <algorithm>

#include "engine/paths.h"
#include "engine/scheduler.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kTurnOfOpening = absl::Seconds(5);  // a host that says nothing for longer serves nobody

}  // namespace

// A session that waits for longer than it may be idle would end at once.
absl::Duration Paths::OpensAhead() const {
  return std::min(kWorthConnecting, services_.options->smtp.idle_timeout / 2);
}

// Of a limit whose permits are seconds apart each is worth a connection of its own: it is opened by whom the next
// permit is for, a moment before that is free, and nobody else has one that would carry nothing. Who that is is
// known once all that came together have asked.
bool Paths::HasTurn(SendQueue& queue, Path& path) {
  scheduler_.Restrain(queue);
  const SendPermits& permits = **queue.PermitsOf(path.source);
  const absl::Time now = services_.Now(), steady = services_.SteadyNow();
  const auto each_slow = [&](const auto& visit) {
    for (const BoundRate& bound : permits.rates) {
      if (bound.rate->slow()) visit(bound, queue.BidForMessage(steady));
    }
    for (const BoundRate& bound : permits.connection_rates) {
      if (bound.rate->slow()) visit(bound, queue.BidForConnection(steady));
    }
  };
  const RateInForce* last = nullptr;  // of those that it waits for
  absl::Duration wait;
  bool is_kept = false, is_ours = false;  // it is kept for another; the last one is kept for us
  each_slow([&](const BoundRate& bound, const Bid& bid) {
    const absl::Duration ours = bound.rate->Look(now, bid, bound.flow.get());
    is_kept = is_kept || ours > std::max(bound.rate->Peek(now), RateInForce::kCommit);
    if (last != nullptr && ours <= wait) return;
    last = bound.rate.get();
    wait = ours;
    is_ours = last->IsAwaitedBy(now, bid, bound.flow.get());
  });
  if (last == nullptr) return true;
  // Another session is there for it, or will be in a moment.
  const auto is_served = [&](const std::unique_ptr<Path>& other) {
    if (other->requirement != path.requirement) return false;
    const bool opening = other->answering < other->sessions && steady < other->next_added + kTurnOfOpening;
    const bool idle = other.get() != &path && other->idle.waiting() > 0 && !queue.awaits_connection;
    if (!opening && !idle) return false;
    if (other->refusal.until > now && other->refusal.rate.get() != last) return false;
    const std::shared_ptr<const SendPermits>* const theirs = queue.PermitsOf(other->source);
    return theirs != nullptr && (*theirs)->Binds(*last);
  };
  if (std::ranges::any_of(path.site.paths, is_served)) {
    WakeAt(path, now + kWorthConnecting);
    return false;
  }
  if (const absl::Time opens = OpensForSlow(queue, path); opens > steady) {
    WakeAt(path, services_.OnTheWall(opens));
    return false;
  }
  const bool is_near = !is_kept && wait <= OpensAhead();
  // Who greets slowly has it kept for longer, once it has been opened in vain.
  const absl::Time until = now + wait + kWorthConnecting * (1 << std::min(path.in_vain, 4));
  each_slow([&](const BoundRate& bound, const Bid& bid) {
    if (is_near || bound.rate.get() == last) {
      bound.rate->Await(now, bid, bound.flow.get(), until);
    } else if (wait <= bound.rate->HeldFor()) {
      bound.rate->AwaitOverOthers(now, bid.standing, until);
    }
  });
  if (!is_ours) queue.claimed = steady;
  if (is_near && is_ours && steady - queue.claimed >= RateInForce::kCommit) return true;
  services_.metrics.counter(Metric::kThrottleWaits, {last->kind()})->Add();
  const absl::Duration again = is_kept ? wait : wait - OpensAhead();
  WakeAt(path, now + std::clamp(again, RateInForce::kCommit, Scheduler::kLookAfterExpiries));
  return false;
}

absl::Time Paths::OpensForSlow(const SendQueue& queue, const Path& path) {
  const std::shared_ptr<const SendPermits>* const permits = queue.PermitsOf(path.source);
  const auto is_slow = [](const BoundRate& bound) { return bound.rate->slow(); };
  const bool waits =
      !queue.transactional() && permits != nullptr &&
      (std::ranges::any_of((*permits)->rates, is_slow) || std::ranges::any_of((*permits)->connection_rates, is_slow));
  return waits ? path.next_for_slow : absl::InfinitePast();
}

void Paths::Withdraw(const SendQueue& queue, const SendPermits& permits) {
  const absl::Time now = services_.Now(), steady = services_.SteadyNow();
  for (const auto& [rate, flow] : permits.rates) rate->Withdraw(now, queue.BidForMessage(steady), flow.get());
  for (const auto& [rate, flow] : permits.connection_rates) {
    rate->Withdraw(now, queue.BidForConnection(steady), flow.get());
  }
}

void Paths::OnOpenedInVain(Path& path) {
  constexpr int kDoublings = 6;
  path.in_vain = std::min(path.in_vain + 1, kDoublings);
  path.next_for_slow = services_.SteadyNow() + absl::Seconds(1 << path.in_vain);
}

}  // namespace sealift::engine
