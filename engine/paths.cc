#include "engine/paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/binding_rates.h"
#include "engine/carriage.h"
#include "engine/log.h"
#include "engine/scheduler.h"
#include "engine/session.h"
#include "engine/shaping/retry_schedule.h"
#include "queue/reply_line.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kFullAgain = absl::Minutes(1);         // one more connection got nothing
constexpr absl::Duration kSlotsAgain = absl::Milliseconds(50);  // another shard may have freed one
constexpr absl::Duration kCallAgain = absl::Milliseconds(5);    // transactional mail: one is being given back

// One of each, or null; else the first that has none.
Slots* TakeSlots(const SharedSlots& slots, Slots::For what) {
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i]->TryTake(what)) continue;
    for (size_t taken = 0; taken < i; ++taken) slots[taken]->Return(what);
    return slots[i].get();
  }
  return nullptr;
}

// The first that has none for that; null: each has.
const Slots* FullAmong(const SharedSlots& counts, Slots::For what = Slots::For::kAnything) {
  const auto full = std::ranges::find_if(counts, [what](const auto& count) { return count->IsFull(what); });
  return full == counts.end() ? nullptr : full->get();
}

// Transactional mail has called for a connection, and nobody else takes one now.
bool IsCalledFor(const Path& path, absl::Time now) {
  return path.site.precedence.Called(now) || path.reception->precedence().Called(now) ||
         std::ranges::any_of(path.slots, [now](const auto& slots) { return slots->precedence().Called(now); });
}

void ReturnSlots(const SharedSlots& slots, Slots::For what) {
  for (const std::shared_ptr<Slots>& one : slots) one->Return(what);
}

// Whether a session of transactional mail may still be one of those that are reserved for it.
bool HasReserve(const SendQueue& queue, const Path& path) {
  int reserved = queue.ReservedConnections();
  for (const std::shared_ptr<Slots>& slots : path.slots) reserved = std::max(reserved, slots->reserved());
  return path.reserved_sessions < reserved;
}

// Sessions that the queue's rows are to wait for instead of having another one opened. While there is a reserve,
// transactional mail waits for none that marketing mail has.
int SessionsFor(const SendQueue& queue, const Path& path) {
  if (!queue.transactional()) return path.sessions - path.reserved_sessions;
  return HasReserve(queue, path) ? path.reserved_sessions : path.sessions;
}

// A host is called as often again as it has greeted, and at first twice: while it says nothing, others that share its
// connections have theirs.
bool HasUnanswered(const Path& path) {
  constexpr int kAtFirst = 2;
  return path.sessions - path.greeted >= std::max(kAtFirst, path.greeted);
}

// Where such a session waits for a row; null: none does.
Signal* IdleSession(const SendQueue& queue, Path& path) {
  if (path.idle.waiting() > 0) return &path.idle;
  return queue.transactional() && path.idle_reserved.waiting() > 0 ? &path.idle_reserved : nullptr;
}

// Whether somebody whose connections are counted with the path's has mail, and none at all. Who waits calls as often as
// he looks again.
bool IsWanted(const Path& path, absl::Time now) {
  return std::ranges::any_of(
      path.slots, [&](const auto& slots) { return slots->idle_call().Called(now - Paths::kMoreSlotsAgain); });
}

// How long a connection that has ended is left to others, who look again meanwhile.
absl::Duration LeftToOthers(const Path& path, absl::Time now) {
  return IsWanted(path, now) ? Paths::kMoreSlotsAgain + Paths::kPace : Paths::kPace;
}

}  // namespace

void Path::OnTimer() {
  const absl::Time now = scheduler.services().Now();
  const bool tries_again = sessions == 0 && block.failures > 0 && block.until <= now;
  if (tries_again && !std::exchange(block.looked_up, true)) scheduler.Refresh(site);
  if (now >= look_for_expired) {
    look_for_expired = now + Scheduler::kLookAfterExpiries;
    scheduler.Expire(site);
  }
  scheduler.paths().Pump(site);
}

Paths::Paths(ShardServices& services, Scheduler& scheduler)
    : services_(services), scheduler_(scheduler), sessions_(services.ring) {}

Path& Paths::PathOf(Site& site, int source, const TlsRequirement& requirement) {
  for (const std::unique_ptr<Path>& path : site.paths) {
    if (path->source == source && path->requirement == requirement) return *path;
  }
  const std::string& name = services_.options->sources[static_cast<size_t>(source)].name;
  site.paths.push_back(std::make_unique<Path>(scheduler_, site, name, requirement));
  Configure(*site.paths.back());
  blocks_.Restore(site.key, *site.paths.back(), services_.Now());
  return *site.paths.back();
}

void Paths::Forget(const Site& site) {
  for (const std::unique_ptr<Path>& path : site.paths) blocks_.Keep(site.key, *path, services_.Now());
}

void Paths::Configure(Path& path) {
  const Options& options = *services_.options;
  const SourceOptions* const found = options.FindSource(path.source_name);
  path.source = found == nullptr ? -1 : static_cast<int>(found - options.sources.data());
  if (found == nullptr) return;
  const SourceOptions& source = *found;
  if (path.address != source.address) {
    for (Path::Taken& taken : path.taken) taken.moved = true;
  }
  path.address = source.address;
  const DestinationSettings settings = options.DestinationFor(path.site.domain, path.site.hosts.front().name);
  path.slots = {services_.limits.Count("source " + source.name, source.connections,
                                       source.reserved_for_transactional.Of(source.connections.count),
                                       "source " + source.address)};
  for (const PoolOptions& pool : options.pools) {
    if (pool.connections.count == 0 || !pool.Has(source.name)) continue;
    path.slots.push_back(services_.limits.Count("pool " + pool.name, pool.connections));
  }
  if (options.node.connections.count > 0) {
    path.slots.push_back(services_.limits.Count("node " + options.node.hostname, options.node.connections));
  }
  path.pool_mates.clear();
  for (const PoolOptions& pool : options.pools) {
    if (!pool.Has(path.source_name)) continue;
    path.pool_mates.insert(path.pool_mates.end(), pool.source_indexes.begin(), pool.source_indexes.end());
  }
  path.reception = services_.limits.ReceptionOf(path.source_name, path.site.judge);
  for (const int index : settings.blocks) {
    const DestinationOptions& block = options.destinations[static_cast<size_t>(index)];
    // The sites of a provider share its connections.
    if (block.connections.count == 0 || block.provider.empty()) continue;
    for (const Whose& whose : WhoseAre(options, block.per, source)) {
      path.slots.push_back(services_.limits.Count("provider " + block.provider + whose.name, block.connections,
                                                  block.reserved_for_transactional.Of(block.connections.count),
                                                  "provider " + ProviderCountedAs(options, block) + whose.identity));
    }
  }
  AdoptSlots(path);
}

void Paths::AdoptSlots(Path& path) {
  for (Path::Taken& taken : path.taken) {
    if (taken.moved) continue;
    for (const std::shared_ptr<Slots>& one : path.slots) {
      if (std::ranges::find(taken.slots, one) != taken.slots.end()) continue;
      one->TakeAnyway(taken.what);
      if (taken.leaves) one->Leave(taken.what);
    }
    for (const std::shared_ptr<Slots>& one : taken.slots) {
      if (std::ranges::find(path.slots, one) != path.slots.end()) continue;
      one->Return(taken.what);
      if (taken.leaves) one->HasLeft(taken.what);
    }
    taken.slots = path.slots;
  }
  path.reloaded = path.sessions > 0;
}

void Paths::Pump(Site& site) {
  if (scheduler_.draining()) return;
  for (const std::unique_ptr<SendQueue>& queue : site.queues) {
    if (!queue->HasRows() || queue->permits.empty()) continue;
    if (const absl::Time opens = queue->ClosedUntil(services_.Now()); opens > services_.Now()) {
      Path& path = PathOf(site, queue->permits.front()->source, queue->requirement);
      WakeAt(path, std::min(opens, services_.Now() + Scheduler::kLookAfterExpiries));
      continue;
    }
    // Sources take turns in opening; a source that may not leaves its turn to the next.
    const size_t sources = queue->permits.size();
    for (size_t i = 0; i < sources; ++i) {
      const size_t turn = (queue->next_source + i) % sources;
      Path& path = PathOf(site, queue->permits[turn]->source, queue->requirement);
      if (PumpPath(*queue, path)) {
        queue->next_source = (turn + 1) % sources;
        scheduler_.Prepare(*queue);
        break;
      }
    }
  }
}

bool Paths::PumpPath(SendQueue& queue, Path& path) {
  const absl::Time now = services_.Now(), steady = services_.SteadyNow();
  if (path.block.until > now) {
    WakeAt(path, path.block.until);
    return false;
  }
  // A limit said no, and until when; it may have been raised since.
  if (path.refusal.until > now && (*queue.PermitsOf(path.source))->Binds(*path.refusal.rate)) {
    const bool opens_ahead = path.sessions == 0 && path.refusal.rate->slow();
    const absl::Duration ahead = opens_ahead ? OpensAhead() : absl::ZeroDuration();
    if (const absl::Duration wait = path.refusal.rate->Peek(now); wait > ahead) {
      WakeAt(path, now + std::min(wait - ahead, Scheduler::kLookAfterExpiries));
      return false;
    }
  }
  const bool may_carry = Carriage::MayTake(queue.carried_by, path.carried, steady);
  if (!may_carry) WakeAt(path, now + kMoreSlotsAgain);
  if (queue.awaits_connection) {
    if (path.answering < path.sessions) return true;  // it is being opened
  } else if (Signal* const idle = IdleSession(queue, path); idle != nullptr) {
    if (!may_carry) {
      Carriage::Call(queue.carried_by, path.carried, steady);
      return false;
    }
    idle->NotifyOne();
    if (queue.signer != nullptr) WakeAt(path, now + kPace);  // it may find that its row is still being signed
    return true;
  }
  const int sessions = queue.awaits_connection ? 0 : SessionsFor(queue, path);
  if (sessions > 0 && queue.rows_ready <= static_cast<size_t>(sessions)) return true;
  if (path.block.failures > 0 && path.sessions > 0) return true;  // one try at a time
  if (sessions > 0 && !scheduler_.HasRowToSend(queue)) {          // the signers have yet to catch up
    WakeAt(path, now + kPace);
    return true;
  }
  if (!queue.transactional() && IsCalledFor(path, steady)) {
    WakeAt(path, now + kSlotsAgain);
    return false;
  }
  std::optional<Slots::For> what = RoomAtSite(queue, path);
  if (!what.has_value()) {
    if (queue.transactional() && OthersHaveRoomAtSite(queue, path)) Call(path.site.precedence, queue, path);
    return false;
  }
  if (HasUnanswered(path) || path.looking > 0) {
    WakeAt(path, now + kPace);
    return false;
  }
  const bool all_taking = path.sessions > 0 && path.taking == path.sessions;
  const bool prompt = path.replaces || (all_taking && path.sessions < kPromptMax);
  if (const absl::Time opens = prompt ? path.next_open : std::max(path.next_open, path.next_added); opens > steady) {
    WakeAt(path, services_.OnTheWall(opens));
    return false;
  }
  if (const absl::Time opens = path.reception->MayOpen(steady); opens > steady) {
    Precedence& precedence = path.reception->precedence();
    const bool is_full = opens == path.reception->full_until();
    if (queue.transactional() && is_full) {
      Call(precedence, queue, path);
      return false;
    }
    const bool claims = queue.transactional() && RefusedForLong(queue, path).kind == Refusal::Kind::kNone;
    if (claims) precedence.Claim(steady);
    // Other sites of the provider may hear its greeting first.
    const bool looks = claims || path.site.provider != "other";
    const absl::Duration look = looks ? kSlotsAgain : Scheduler::kLookAfterExpiries;
    WakeAt(path, std::min(services_.OnTheWall(opens), now + look));
    return false;
  }
  const Slots::For most = queue.transactional() ? Slots::For::kReserved : *what;
  const bool may_connect = may_carry && !HasAll(queue) && FullAmong(path.slots, most) == nullptr &&
                           (queue.transactional() || path.sessions == 0 || !IsWanted(path, steady));
  if (may_connect && !HasTurn(queue, path)) {
    RefusedForLong(path);  // as `explain` says it
    return false;
  }
  if (RefusedForLong(path)) {
    WakeAt(path, std::min(path.refusal.until, now + Scheduler::kLookAfterExpiries));
    return false;
  }
  if (HasAll(queue)) {
    WakeAt(path, now + kSlotsAgain);
    return false;
  }
  if (!queue.transactional() && path.sessions > 0 && IsWanted(path, steady)) {
    WakeAt(path, now + kMoreSlotsAgain);
    return false;
  }
  if (!may_carry) {
    Carriage::Call(queue.carried_by, path.carried, steady);
    return false;
  }
  Slots* full = TakeSlots(path.slots, *what);
  if (full != nullptr && queue.transactional() && *what == Slots::For::kAnything) {
    what = Slots::For::kReserved;
    full = TakeSlots(path.slots, *what);
  }
  if (full != nullptr && queue.transactional()) {
    Call(full->precedence(), queue, path);
    return false;
  }
  if (full != nullptr) {
    if (path.sessions == 0) full->idle_call().Call(steady);
    WakeAt(path, now + (path.slots.size() > 1 || path.sessions > 0 ? kMoreSlotsAgain : kSlotsAgain));
    return false;
  }
  scheduler_.Expire(path.site);  // what is not to be sent costs no connection
  if (!queue.HasRows()) {
    ReturnSlots(path.slots, *what);
    return false;
  }
  auto carriage = std::make_unique<Carriage>(path.carried);
  if (!carriage->Take(queue.carried_by, steady)) {
    ReturnSlots(path.slots, *what);
    WakeAt(path, now + kMoreSlotsAgain);
    return false;
  }
  ConnectionPermits permits((*queue.PermitsOf(path.source))->connection_rates, queue.BidForConnection(steady));
  absl::Duration wait;
  if (const RateInForce* const refused = permits.Take(now, wait); refused != nullptr) {
    ReturnSlots(path.slots, *what);
    services_.metrics.counter(Metric::kThrottleWaits, {refused->kind()})->Add();
    WakeAt(path, now + wait);
    return false;
  }
  queue.had_connection = steady;
  // For a further host it stands behind those that wait for their first.
  permits = ConnectionPermits((*queue.PermitsOf(path.source))->connection_rates, queue.BidForConnection(steady));
  Path::Taken& taken = path.taken.emplace_back(Path::Taken{.slots = path.slots, .what = *what});
  ++path.sessions;
  path.next_call = absl::InfinitePast();
  if (*what == Slots::For::kReserved) ++path.reserved_sessions;
  if (!std::exchange(path.replaces, false)) path.next_added = steady + kPace;
  path.retry = queue.stream->retry;
  path.retry_of = queue.stream->name;
  sessions_.Start(Session::Run(scheduler_, path, taken, Reception::Visit(path.reception, steady), std::move(carriage),
                               std::move(permits)));
  const bool wants_more = queue.rows_ready > static_cast<size_t>(SessionsFor(queue, path));
  if (wants_more) WakeAt(path, services_.OnTheWall(path.next_added));
  return true;
}

std::optional<Slots::For> Paths::RoomAtSite(const SendQueue& queue, const Path& path) {
  const Site& site = path.site;
  const Per per = queue.settings.per;
  const int limit = queue.settings.connections.count;
  if (site.SessionsWith(path, per) >= limit) return std::nullopt;
  if (queue.transactional() && HasReserve(queue, path)) return Slots::For::kReserved;
  if (site.OpenSessionsWith(path, per) < limit - queue.ReservedConnections()) return Slots::For::kAnything;
  if (!queue.transactional()) return std::nullopt;
  return Slots::For::kReserved;
}

std::string Paths::NameAtSite(const Path& path) { return fmt::format("{} from {}", path.site.key, path.source_name); }

std::string Paths::OpenAtSite(const SendQueue& queue, const Path& path) {
  std::string open =
      fmt::format("{} of {} open", path.site.SessionsWith(path, queue.settings.per), queue.settings.connections.count);
  if (queue.ReservedConnections() > 0) {
    open += fmt::format(", {} of these for transactional mail alone", queue.ReservedConnections());
  }
  return open;
}

std::optional<Paths::Full> Paths::FullFor(const SendQueue& queue, const Path& path) const {
  const auto full_of = [](const Slots& slots) {
    return Full{.detail = fmt::format("connections of {}: {}", slots.name(), slots.Describe()),
                .set_by = slots.origin(),
                .limit = slots.name()};
  };
  if (const Slots* const full = FullAmong(queue.carried_by); full != nullptr) return full_of(*full);
  if (queue.rows_ready <= static_cast<size_t>(SessionsFor(queue, path))) return std::nullopt;
  const std::optional<Slots::For> what = RoomAtSite(queue, path);
  if (!what.has_value()) {
    return Full{.detail = fmt::format("connections from {} to {}: {}", path.source_name, path.site.key,
                                      OpenAtSite(queue, path)),
                .set_by = queue.settings.connections.origin,
                .limit = NameAtSite(path)};
  }
  if (HasUnanswered(path)) {
    return Full{.detail = fmt::format("connections from {} to {}: {} wait for a greeting", path.source_name,
                                      path.site.key, path.sessions - path.greeted),
                .set_by = "the destination"};
  }
  if (HasAll(queue)) {
    return Full{.detail = fmt::format("connections of one shard: {} open", sessions_.size()), .set_by = "built in"};
  }
  const Slots::For most = queue.transactional() ? Slots::For::kReserved : *what;
  if (const Slots* const full = FullAmong(path.slots, most); full != nullptr) return full_of(*full);
  if (const absl::Time opens = OpensForSlow(queue, path); opens > services_.SteadyNow()) {
    return Full{.detail = fmt::format("connections from {} to {}: {} were opened in a row while no message was free",
                                      path.source_name, path.site.key, path.in_vain),
                .set_by = "built in",
                .until = services_.OnTheWall(opens)};
  }
  const absl::Time now = services_.SteadyNow(), again = path.reception->full_until();
  if (again > now && path.reception->MayOpen(now) == again) {
    return Full{.detail = fmt::format("connections from {} to {}: {} open, and the receiver let no further one in",
                                      path.source_name, path.site.key, path.reception->let_in()),
                .set_by = "the destination",
                .until = services_.OnTheWall(again)};
  }
  return std::nullopt;
}

bool Paths::HasAll(const SendQueue& queue) const {
  return sessions_.size() >= static_cast<size_t>(queue.transactional() ? kSessionsMax : kSessionsMax * 15 / 16);
}

bool Paths::OthersHaveRoomAtSite(const SendQueue& queue, const Path& path) {
  // A session of the path itself has its next row from this queue.
  return std::ranges::any_of(path.site.paths, [&](const std::unique_ptr<Path>& other) {
    return other.get() != &path && path.CountsWith(*other, queue.settings.per) &&
           other->sessions > other->reserved_sessions;
  });
}

void Paths::Call(Precedence& precedence, SendQueue& queue, Path& path) {
  const absl::Time now = services_.Now(), steady = services_.SteadyNow();
  if (const Refusal refused = RefusedForLong(queue, path); refused.kind != Refusal::Kind::kNone) {
    return WakeAt(path, std::min(refused.until, now + Scheduler::kLookAfterExpiries));
  }
  if (steady >= path.next_call) {
    const bool goes_on = steady < path.next_call + Precedence::kHeard;
    path.calls_apart = goes_on ? std::min(2 * path.calls_apart, kSlotsAgain) : kCallAgain;
    path.next_call = steady + path.calls_apart;
    precedence.Call(steady);
    WakeIdle(path);
  }
  WakeAt(path, services_.OnTheWall(path.next_call));
}

void Paths::WakeIdle(const Path& path) {
  for (Path* const other : idle_) {
    const bool shares = &other->site == &path.site || other->reception == path.reception ||
                        std::ranges::any_of(other->slots, [&](const auto& slots) {
                          return std::ranges::find(path.slots, slots) != path.slots.end();
                        });
    if (shares) other->idle.NotifyOne();
  }
}

bool Paths::StandsAside(Path& path, Slots::For what, const Carriage& carriage) {
  const absl::Time now = services_.SteadyNow();
  if (what != Slots::For::kAnything || !IsCalledFor(path, now)) return false;
  for (const std::unique_ptr<SendQueue>& queue : path.site.queues) {
    if (!queue->transactional()) break;                  // they stand in front
    if (MayCarry(*queue, path, carriage)) return false;  // it has the next row of these itself
  }
  if (path.site.precedence.Answer(now) || path.reception->precedence().Answer(now)) return true;
  return std::ranges::any_of(path.slots, [now](const auto& slots) { return slots->precedence().Answer(now); });
}

bool Paths::MayCarry(SendQueue& queue, const Path& path, const Carriage& carriage) const {
  if (!queue.HasRows() || queue.requirement != path.requirement || !queue.campaign->sending) return false;
  if (queue.PermitsOf(path.source) == nullptr || queue.ClosedUntil(services_.Now()) > services_.Now()) return false;
  return RefusedForLong(queue, path).kind == Refusal::Kind::kNone &&
         carriage.MayTake(queue.carried_by, services_.SteadyNow());
}

bool Paths::IsOverAtSite(const Path& path, Slots::For what) {
  const auto is_over = [&](const SendQueue& queue) {
    int anything = 0, reserved = 0;
    for (const std::unique_ptr<Path>& other : path.site.paths) {
      if (!path.CountsWith(*other, queue.settings.per)) continue;
      for (const Path::Taken& taken : other->taken) {
        if (!taken.leaves) ++(taken.what == Slots::For::kAnything ? anything : reserved);
      }
    }
    const int limit = queue.settings.connections.count;
    if (what == Slots::For::kReserved) return reserved > limit;
    return anything + reserved > limit || anything > limit - queue.ReservedConnections();
  };
  // Whose limit is the widest may have opened it.
  return !path.site.queues.empty() &&
         std::ranges::all_of(path.site.queues, [&](const auto& queue) { return is_over(*queue); });
}

bool Paths::IsTooMany(Path& path, Path::Taken& taken) {
  if (taken.moved || taken.leaves) return true;
  if (!path.reloaded) return false;
  const Slots::For what = taken.what;
  const bool over = path.source < 0 || IsOverAtSite(path, what) ||
                    std::ranges::any_of(path.slots, [what](const auto& slots) { return slots->IsOver(what); });
  if (!over) {
    path.reloaded = path.reserved_sessions > 0 && path.reserved_sessions < path.sessions;  // the others may differ
    return false;
  }
  taken.leaves = true;
  for (const std::shared_ptr<Slots>& one : taken.slots) one->Leave(what);
  return true;
}

bool Paths::GivesWay(const Path& path) {
  const absl::Time now = services_.SteadyNow();
  return std::ranges::any_of(path.slots, [now](const auto& slots) { return slots->idle_call().Answer(now); });
}

Refusal Paths::RefusedForLong(SendQueue& queue, const Path& path) const {
  const absl::Time now = services_.Now();
  scheduler_.Restrain(queue);
  Refusal refusal;
  for (const auto& [rate, flow] : (*queue.PermitsOf(path.source))->rates) {
    const absl::Duration wait = rate->Peek(now);
    const bool is_long = wait >= (rate->kind() == Restraints::kRateKind ? absl::Nanoseconds(1) : kWorthConnecting);
    if (is_long && now + wait > refusal.until) {
      refusal = {.kind = Refusal::Kind::kRate, .rate = rate, .until = now + wait};
    }
  }
  return refusal;
}

// Nobody is called on without a message for him.
bool Paths::RefusedForLong(Path& path) const {
  const absl::Time now = services_.Now();
  Refusal first{.kind = Refusal::Kind::kRate, .until = absl::InfiniteFuture()};
  for (const std::unique_ptr<SendQueue>& queue : path.site.queues) {
    if (!queue->HasRows() || queue->requirement != path.requirement || queue->ClosedUntil(now) > now) continue;
    if (queue->PermitsOf(path.source) == nullptr) continue;
    Refusal refusal = RefusedForLong(*queue, path);
    if (refusal.kind == Refusal::Kind::kNone) return false;
    if (refusal.until < first.until) first = std::move(refusal);
  }
  if (first.rate == nullptr) return false;
  path.refusal = first;
  return true;
}

void Paths::WakeAt(Path& path, absl::Time when) {
  if (path.timer.armed() && path.wake_at <= when && path.wake_at > services_.Now()) return;
  path.wake_at = when;
  services_.ArmAt(path.timer, when);
}

void Paths::OnFruitless(Path& path, Attempt attempt) {
  if (path.block.until > services_.Now() || ++path.fruitless < kFruitlessMax) return;
  path.fruitless = 0;  // when the block is over it has as many tries again
  if (path.taking > 0) return OnFull(path);
  attempt.begun = false;
  BlockPath(path, Lack::kNone, attempt);
}

void Paths::OnGreeting(Path& path, Reception::Visit& visit, const Reply& greeting) {
  if (!greeting.IsPositive()) return OnOneTooMany(path, greeting.code);
  visit.LetIn();
  Pump(path.site);
}

void Paths::OnTaken(Path& path) {
  ++path.taking;
  path.fruitless = 0;
  const bool was_blocked = std::exchange(path.block, Block{}).failures > 0;
  if (was_blocked || path.sessions < kPromptMax) Pump(path.site);
}

void Paths::OnUnreachable(Path& path, Lack lack, const Attempt& attempt) {
  path.site.Remember(services_.Now(), path, queue::ReplyLine(attempt.code, attempt.enhanced, attempt.text));
  // One that was greeted and refused later was let in, unless the reply is about how many there are.
  if (attempt.verdict.reason_class == ReasonClass::kRate) OnOneTooMany(path, attempt.code);
  // Where it is the path's only one, others of the provider's sites are well.
  const bool others_are_well = attempt.code / 100 == 4 && path.reception->let_in() > 0 && path.sessions > 1;
  // Or another session met the same.
  const bool was_blocked = path.block.until > services_.Now();
  if (path.answering > 0 && !others_are_well) OnFull(path);
  if (!others_are_well && path.answering == 0 && !was_blocked && BlockPath(path, lack, attempt)) return;
  if (Attempt of_us = attempt; !attempt.heard) scheduler_.HearOpening(path, of_us, services_.Now());
}

absl::Time Paths::OnTurnedAway(Path& path, Attempt& attempt, absl::Time begun) {
  path.site.Remember(services_.Now(), path, queue::ReplyLine(attempt.code, attempt.enhanced, attempt.text));
  attempt.verdict.action = Action::kDefer;  // whatever a host says before MAIL is not about the row
  return scheduler_.HearOpening(path, attempt, begun);
}

void Paths::OnFull(Path& path) { path.next_open = services_.SteadyNow() + kFullAgain; }

void Paths::OnOneTooMany(Path& path, int code) {
  if (code / 100 != 4 || path.reception->let_in() == 0 || !path.reception->Refused(services_.SteadyNow())) return;
  LogInfo("a receiver lets no further connection in", {{"source", path.source_name},
                                                       {"site", path.site.key},
                                                       {"connections", path.reception->let_in()},
                                                       {"for", Reception::kPause}});
}

void Paths::OnUsedUp(Path& path) {
  const absl::Time now = services_.SteadyNow();
  if (IsWanted(path, now)) {
    for (const std::unique_ptr<Path>& other : path.site.paths) {
      other->next_open = std::max(other->next_open, now + LeftToOthers(path, now));
    }
  } else {
    path.replaces = true;
  }
}

bool Paths::BlockPath(Path& path, Lack lack, const Attempt& attempt) {
  const absl::Time now = services_.Now();
  for (const std::unique_ptr<SendQueue>& queue : path.site.queues) {
    const std::shared_ptr<const SendPermits>* const permits = queue->PermitsOf(path.source);
    if (permits != nullptr) Withdraw(*queue, **permits);
  }
  path.block.failures = path.block.failures + 1;
  path.block.lack = lack;
  path.block.looked_up = false;
  path.block.attempt = attempt;
  path.block.until = RetrySchedule({.intervals = path.retry})
                         .Next(path.block.failures, now, absl::InfiniteFuture(), services_.random());
  WakeAt(path, path.block.until);
  scheduler_.BounceForNoTls(path);
  if (!attempt.begun) return false;
  const std::optional<Assignment> head = scheduler_.Head(path);
  if (head.has_value()) scheduler_.Conclude(*head, attempt);
  return head.has_value();
}

void Paths::OnSessionEnd(Path& path, const Path::Taken& taken) {
  --path.sessions;
  if (taken.what == Slots::For::kReserved) --path.reserved_sessions;
  if (taken.leaves) std::ranges::for_each(taken.slots, [&](const auto& one) { one->HasLeft(taken.what); });
  ReturnSlots(taken.slots, taken.what);
  path.taken.remove_if([&](const Path::Taken& one) { return &one == &taken; });
  const absl::Time now = services_.SteadyNow();
  if (path.sessions == 0) {  // it is full no more
    idle_.erase(&path);
    const absl::Time next = now + LeftToOthers(path, now);
    path.next_open = IsWanted(path, now) ? next : std::min(path.next_open, next);
  }
  Pump(path.site);
  path.replaces = false;
  const bool any = std::ranges::any_of(path.site.paths, [](const auto& other) { return other->sessions > 0; });
  if (any) return;
  scheduler_.Unprepare(path.site);
  scheduler_.directory().MayBeUnused(path.site);
}

Paths::Stoppable::Stoppable(Paths& paths, Scope& session) : paths_(paths), scope_(session.ring(), &session) {
  paths_.stoppable_.insert(this);
  if (paths_.scheduler_.draining()) scope_.Cancel();
}

Paths::Stoppable::~Stoppable() { paths_.stoppable_.erase(this); }

void Paths::EndStoppable() {
  for (Stoppable* const one : stoppable_) one->scope().Cancel();
}

void Paths::WakeAll() {
  scheduler_.directory().ForEach([](Site& site) {
    for (const std::unique_ptr<Path>& path : site.paths) {
      path->idle.NotifyAll();
      path->idle_reserved.NotifyAll();
    }
  });
}

}  // namespace sealift::engine
