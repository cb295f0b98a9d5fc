#include "engine/scheduler.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/hash/hash.h"
#include "engine/shaping/retry_schedule.h"

namespace sealift::engine {
namespace {

using queue::OutcomeKind;

// The queue that a connection was opened for is the first of its equals.
void PutWhoAwaitsFirst(Site& site) {
  const auto awaits = std::ranges::find_if(site.queues, [](const auto& queue) { return queue->awaits_connection; });
  if (awaits == site.queues.end()) return;
  const auto equals =
      std::ranges::find_if(site.queues, [&](const auto& queue) { return queue->Standing() == (*awaits)->Standing(); });
  std::rotate(equals, awaits, awaits + 1);
}

OutcomeKind KindOf(Action action) {
  switch (action) {
    case Action::kDeliver:
      return OutcomeKind::kDelivered;
    case Action::kBounce:
      return OutcomeKind::kBounced;
    case Action::kDefer:
      return OutcomeKind::kDeferred;
  }
  return OutcomeKind::kDeferred;
}

// Whether rows that wait for the TLS that no host of the path offers come back instead. REQUIRETLS demands it (RFC 8689
// 4.2.1); for others their stream says so, and what was promised is waited for whatever it says.
bool BouncesForNoTls(const SendQueue& queue, const Path& path) {
  if (queue.requirement != path.requirement || queue.stream == nullptr || path.block.lack == Lack::kNone) return false;
  if (path.requirement.requiretls) return true;
  if (path.requirement.policy == tls::Policy::kOpportunistic) return false;  // it requires not what is missing
  return path.block.lack == Lack::kTls && queue.stream->on_no_tls == OnNoTls::kBounce;
}

}  // namespace

void ReturnPermits(const Assignment& assignment, absl::Time now) {
  if (assignment.permits == nullptr) return;
  const SendPermits& permits = *assignment.permits;
  ReturnEach(permits.rates, assignment.permitted, now);
  if (permits.warmup != nullptr && !permits.waits_for_warmup) permits.warmup->Uncount(assignment.permitted);
}

Scheduler::Scheduler(ShardServices& services, int unsettled_share)
    : services_(services),
      lookups_(services.ring),
      settler_(services, unsettled_share,
               {.deferred_durable = [this](Lane& lane, absl::Time due) { lanes_.DueAt(lane, due); },
                .durable =
                    [this](Lane& lane) {
                      lanes_.Want(lane);
                      if (settler_.empty()) settled_.NotifyAll();
                    },
                .room = [this] { OnRoom(); }}),
      paths_(services, *this),
      lanes_(services, {.found = [this](Lane& lane) { OnFound(lane); },
                        .rows = [this](Lane& lane) { OnRows(lane); },
                        .emptied =
                            [this](Lane& lane) {
                              if (lane.queue != nullptr) Unlist(lane);
                            },
                        .rewound = [this](Lane& lane) { OnRewound(lane); },
                        .forgotten = [this](Lane& lane) { OnForgotten(lane); },
                        .blocked_until = [this](Lane& lane) { return BlockedUntil(lane); }}),
      directory_(
          services, lookups_,
          {.resolved = [this](Lane& lane, Site& site) { OnResolved(lane, site); },
           .elsewhere = [this](Lane& lane, const SiteIdentity& site, int shard) { OnElsewhere(lane, site, shard); },
           .failed = [this](Lane& lane, LaneVerdict verdict) { OnFailed(lane, std::move(verdict)); }}),
      sign_ahead_(services, {.taken = [this](Lane& lane) { lanes_.Want(lane); },
                             .ready = [this](SendQueue& queue) { paths_.Pump(*queue.site); }}),
      recipient_cap_(services) {}

Scheduler::~Scheduler() = default;

void Scheduler::OnFound(Lane& lane) {
  if (!draining_) directory_.Resolve(lane);
}

void Scheduler::OnResolved(Lane& lane, Site& site) {
  lane.verdict.reset();
  lane.lookup_failures = 0;
  Place(lane, site);
  if (lane.hold != nullptr && !lane.window.empty()) {
    lanes_.GiveBack(lane);
  } else if (lane.window.empty()) {
    lanes_.Want(lane);
  } else {
    OnRows(lane);
  }
}

void Scheduler::OnElsewhere(Lane& lane, const SiteIdentity& identity, int shard) {
  // What is on its way to the store comes back to it here, and rows that are being moved have their place first: then
  // its site is asked for again.
  if (lane.unsettled > 0 || lane.reading || lane.frozen) {
    lane.more = true;
    return;
  }
  if (!lane.Idle()) lanes_.Rewind(lane);  // rows of its window are the other shard's to read
  // A lane that has something due now says so; infinity would mean that nothing of it is ever due.
  queue::LaneRecord record{.lane = lane.id,
                           .domain = lane.domain,
                           .queued = static_cast<uint64_t>(std::max<int64_t>(lane.queued, 0)),
                           .retrying = static_cast<uint64_t>(std::max<int64_t>(lane.retrying, 0)),
                           .sated = static_cast<uint64_t>(std::max<int64_t>(lane.sated, 0)),
                           .next_due = lane.more ? absl::InfinitePast() : lane.next_due};
  services_.send_lane(shard, {std::move(record), lane.campaign, identity, services_.holds});
  lanes_.GiveAway(lane);
}

void Scheduler::Receive(LaneHandover handed) {
  AdoptHolds(std::move(handed.holds));
  if (!handed.campaign->sending) return;
  const queue::LaneRecord& record = handed.record;
  if (Lane* const known = lanes_.Find(record.lane); known != nullptr) return lanes_.Compare(*known, record);
  Lane* const lane = lanes_.Receive(record, std::move(handed.campaign));
  if (lane == nullptr) return;
  lane->security = handed.site.security;
  OnResolved(*lane, directory_.SiteOf(handed.site, record.domain));
}

void Scheduler::OnFailed(Lane& lane, LaneVerdict verdict) {
  lane.verdict = std::move(verdict);
  if (lane.window.empty()) {
    lanes_.Want(lane);
  } else {
    ConcludeVerdict(lane);
  }
}

// Rows of a domain without a site have its verdict as their outcome: all of them where it bounces, one where it waits.
void Scheduler::ConcludeVerdict(Lane& lane) {
  LaneVerdict& verdict = *lane.verdict;
  const StreamOptions* stream = services_.options->FindStream(lane.campaign->stream);
  const bool bounces = verdict.Bounces();
  auto evidence = std::make_shared<queue::Evidence>();
  evidence->stream = lane.campaign->stream;
  const bool looked_up_later = verdict.tried;
  const absl::Time now = services_.Now();
  while (!lane.window.empty() && !draining_ && MayBegin()) {
    const bool expired = lane.window.front().pack().expires() <= now;
    if (!expired && !bounces && verdict.tried) break;
    const Claim claim = std::move(lane.window.front());
    lane.window.pop_front();
    settler_.Begin(lane);
    if (expired) {
      Conclude({.claim = claim, .lane = &lane}, {.begun = false});
      continue;
    }
    verdict.tried = true;
    Conclude({.claim = claim, .lane = &lane}, {.verdict = verdict.verdict, .text = verdict.text, .evidence = evidence});
  }
  if (!lane.window.empty() && (bounces || !verdict.tried)) starved_lanes_.insert(lane.id);
  if (bounces) {
    lanes_.Want(lane);
  } else if (verdict.tried && !looked_up_later) {
    const RetrySchedule schedule({.intervals = stream != nullptr ? stream->retry : StreamOptions().retry});
    lanes_.LookUpAt(lane,
                    schedule.Next(++lane.lookup_failures, services_.Now(), absl::InfiniteFuture(), services_.random()));
  }
}

void Scheduler::OnRows(Lane& lane) {
  SettleWithheld(lane);
  if (lane.window.empty()) return lanes_.Want(lane);
  if (lane.verdict.has_value()) return ConcludeVerdict(lane);
  if (lane.queue == nullptr) return;
  List(lane);
  ExpireReady(*lane.queue);
  for (const std::unique_ptr<Path>& path : lane.queue->site->paths) {
    path->refusal = Refusal{};
    if (path->block.until > services_.Now()) BounceForNoTls(*path);
  }
  paths_.Pump(*lane.queue->site);
}

void Scheduler::OnForgotten(Lane& lane) {
  directory_.Forget(lane);
  if (lane.queue != nullptr) Leave(lane);
}

absl::Time Scheduler::BlockedUntil(const Lane& lane) {
  SendQueue& queue = *lane.queue;
  const absl::Time now = services_.Now(), looked_at_again = now + kLookAgain;
  if (const absl::Time opens = queue.ClosedUntil(now); opens > now) return std::min(opens, looked_at_again);
  if (queue.permits.empty()) return looked_at_again;  // its stream has gone, or a hold bars each source
  Restrain(queue);
  absl::Time first = absl::InfiniteFuture();
  for (const std::shared_ptr<const SendPermits>& permits : queue.permits) {
    const Path& path = paths_.PathOf(*queue.site, permits->source, queue.requirement);
    if (path.block.until > now && BouncesForNoTls(queue, path)) return absl::InfinitePast();
    absl::Time until = path.block.until;
    for (const auto& [rate, flow] : permits->rates) {
      until = std::max(until, std::min(now + rate->Peek(now), looked_at_again));
    }
    first = std::min(first, until);
  }
  return first;
}

bool Scheduler::MayBegin(Settler::For what) {
  if (allowed_ && services_.store.writable() && settler_.MayBegin(what)) return true;
  starved_ = true;
  return false;
}

bool Scheduler::ExpireFront(SendQueue& queue, absl::Time now) {
  if (queue.Front().pack().expires() > now) return false;
  const Assignment expired = TakeFront(queue, nullptr);
  Conclude(expired, {.verdict = {}, .begun = false});
  return true;
}

// Rows expire, and wait for their recipients, also while nothing can be sent: this is asked whenever rows arrive and
// whenever a path has failed.
void Scheduler::ExpireReady(SendQueue& queue) {
  const absl::Time now = services_.Now();
  while (queue.HasRows() && MayBegin() && (ExpireFront(queue, now) || PostponeFront(queue, now))) {
  }
}

void Scheduler::Expire(Site& site) {
  for (const std::unique_ptr<SendQueue>& queue : site.queues) ExpireReady(*queue);
}

Assignment Scheduler::TakeFront(SendQueue& queue, std::shared_ptr<const SendPermits> permits) {
  Assignment assignment{.queue = &queue, .permits = std::move(permits)};
  if (queue.ahead.empty()) {
    std::tie(assignment.lane, assignment.claim) = queue.PopFront();
  } else {
    ReadyRow& front = queue.ahead.front();
    assignment.lane = front.lane;
    assignment.message = sign_ahead_.Take(front);
    assignment.claim = std::move(front.claim);
    queue.ahead.pop_front();
  }
  --queue.rows_ready;
  settler_.Begin(*assignment.lane);
  lanes_.Want(*assignment.lane);
  return assignment;
}

std::optional<Assignment> Scheduler::Next(Path& path, Refusal& refusal, Carriage& carriage, Slots::For what) {
  refusal = Refusal{.kind = Refusal::Kind::kNoRows, .until = absl::InfiniteFuture()};
  if (draining_) return std::nullopt;
  const absl::Time now = services_.Now();
  Site& site = path.site;
  const absl::Time steady = services_.SteadyNow();
  if (carriage.messages == 0) PutWhoAwaitsFirst(site);
  for (size_t i = 0; i < site.queues.size(); ++i) {
    SendQueue& queue = *site.queues[i];
    if (!queue.HasRows() || queue.requirement != path.requirement || !queue.campaign->sending) continue;
    Restrain(queue);
    const std::shared_ptr<const SendPermits>* permits = queue.PermitsOf(path.source);
    if (permits == nullptr) continue;
    if (what == Slots::For::kReserved && !queue.transactional()) continue;
    if (carriage.messages >= (*permits)->messages_per_connection) {
      // Its turn is not passed over: one of the connections makes room for another, which it goes by first.
      if (std::exchange(queue.awaits_connection, true)) continue;
      carriage.used_up = true;
      break;
    }
    ExpireReady(queue);
    if (!queue.HasRows() || queue.ClosedUntil(now) > now) continue;
    const Settler::For begins = queue.transactional() ? Settler::For::kTransactional : Settler::For::kAnything;
    if (!MayBegin(begins)) {
      // What cannot be recorded soon fills the share too: the disk is then the reason of both.
      const bool records = allowed_ && services_.store.writable();
      refusal = {.kind = records ? Refusal::Kind::kUnsettled : Refusal::Kind::kStorage,
                 .until = absl::InfiniteFuture()};
      break;
    }
    if (queue.signer != nullptr && !sign_ahead_.IsReady(queue)) {
      if (refusal.kind == Refusal::Kind::kNoRows) refusal.kind = Refusal::Kind::kSigning;
      continue;
    }
    if (!carriage.Take(queue.carried_by, steady)) {
      if (refusal.kind != Refusal::Kind::kRate) refusal.kind = Refusal::Kind::kConnections;
      paths_.WakeAt(path, now + Paths::kMoreSlotsAgain);
      continue;
    }
    absl::Duration wait;
    const BoundRate* const refused = AcquireEach((*permits)->rates, queue.BidForMessage(steady), now, wait);
    if (refused != nullptr) {
      services_.metrics.counter(Metric::kThrottleWaits, {refused->rate->kind()})->Add();
      if (now + wait < refusal.until) {
        refusal = {.kind = Refusal::Kind::kRate, .rate = refused->rate, .until = now + wait};
      }
      continue;
    }
    queue.had_message = steady;
    if ((*permits)->warmup != nullptr && !(*permits)->waits_for_warmup) (*permits)->warmup->Count();
    Assignment assignment = TakeFront(queue, *permits);
    assignment.permitted = now;
    queue.awaits_connection = false;
    Prepare(queue);
    // Of equals the one whose turn is over goes behind the others.
    if (queue.turn.EndsWithThis(queue.campaign->weight)) {
      for (size_t j = i; j + 1 < site.queues.size() && site.queues[j]->Standing() == site.queues[j + 1]->Standing();
           ++j) {
        std::swap(site.queues[j], site.queues[j + 1]);
      }
    }
    Signal& idle = path.idle.waiting() == 0 && queue.transactional() ? path.idle_reserved : path.idle;
    if (queue.rows_ready > 0 && idle.waiting() > 0 && HasRowToSend(queue)) idle.NotifyOne();
    path.refusal = Refusal{};
    return assignment;
  }
  path.refusal = refusal;
  if (refusal.kind == Refusal::Kind::kRate) paths_.WakeAt(path, std::min(refusal.until, now + kLookAfterExpiries));
  if (refusal.kind != Refusal::Kind::kRate) path.refusal.until = absl::InfinitePast();
  return std::nullopt;
}

std::optional<Assignment> Scheduler::Head(Path& path) {
  if (draining_) return std::nullopt;
  for (const std::unique_ptr<SendQueue>& queue : path.site.queues) {
    ExpireReady(*queue);
    if (!MayBegin()) break;
    if (!queue->HasRows() || queue->requirement != path.requirement || !queue->campaign->sending) continue;
    if (queue->PermitsOf(path.source) == nullptr) continue;
    return TakeFront(*queue, nullptr);
  }
  return std::nullopt;
}

void Scheduler::BounceForNoTls(Path& path) {
  for (const std::unique_ptr<SendQueue>& queue : path.site.queues) {
    if (!BouncesForNoTls(*queue, path) || queue->PermitsOf(path.source) == nullptr) continue;
    Attempt bounce = path.block.attempt;
    bounce.verdict.action = Action::kBounce;
    if (path.requirement.requiretls) bounce.enhanced = path.block.lack == Lack::kRequireTls ? "5.7.30" : "5.7.10";
    while (queue->HasRows() && MayBegin()) Conclude(TakeFront(*queue, nullptr), bounce);
  }
}

void Scheduler::Return(const Assignment& assignment) {
  Lane& lane = *assignment.lane;
  ReturnPermits(assignment, services_.Now());
  settler_.Return(lane);
  if (lane.discarded || lane.queue == nullptr) return lanes_.Want(lane);
  if (assignment.message != nullptr && lane.queue->signer != nullptr) {
    lane.queue->ahead.emplace_front(assignment.claim, &lane, assignment.message);
    ++lane.ahead;
    ++lane.queue->rows_ready;
  } else {
    lane.window.push_front(assignment.claim);
    List(lane);
  }
  paths_.Pump(*lane.queue->site);
}

void Scheduler::Respond(const Assignment& assignment, Attempt& attempt, std::string& rule) {
  if (assignment.permits != nullptr) {
    for (const std::shared_ptr<Counter>& attempts : assignment.permits->attempts) attempts->Add();
  }
  if (attempt.code < 400 || assignment.queue == nullptr || attempt.evidence == nullptr) return;
  if (attempt.heard) {
    if (!attempt.ruled_by.empty()) rule = attempt.ruled_by;
    return;
  }
  Site& site = *assignment.queue->site;
  attempt.verdict.remedy = RemedyAt(site.provider, attempt.verdict);
  // A row that has no permits stands for a path that no session opens: what they met was begun just now.
  const absl::Time begun = assignment.permits != nullptr ? assignment.permitted : services_.Now();
  const queue::Row& row = assignment.claim.row();
  Restraints::Told told;
  if (assignment.permits != nullptr && attempt.mailed) {
    told = {.row = absl::HashOf(assignment.lane->id, row.id),
            .again = row.reason_class == ToString(attempt.verdict.reason_class)};
  }
  const Restraints::Ruling ruling = services_.restraints.Hear(PlaceOf(*assignment.queue, attempt.evidence->source),
                                                              {.verdict = attempt.verdict,
                                                               .code = attempt.code,
                                                               .enhanced = attempt.enhanced,
                                                               .text = attempt.text,
                                                               .provider = site.provider},
                                                              told, begun, services_.Now());
  attempt.verdict.action = ruling.action;
  attempt.verdict.remedy = ruling.remedy;
  if (!ruling.rule.empty()) rule = ruling.rule;
}

absl::Time Scheduler::HearOpening(const Path& path, Attempt& attempt, absl::Time begun) {
  if (attempt.code < 400 || attempt.evidence == nullptr) return absl::InfinitePast();
  const Site& site = path.site;
  const auto queue = std::ranges::find_if(site.queues, [&](const std::unique_ptr<SendQueue>& queue) {
    return queue->HasRows() && queue->requirement == path.requirement && queue->PermitsOf(path.source) != nullptr;
  });
  if (queue == site.queues.end()) return absl::InfinitePast();
  attempt.verdict.remedy = RemedyAt(site.provider, attempt.verdict);
  const bool others_are_let_in =
      attempt.verdict.reason_class == ReasonClass::kRate && attempt.code / 100 == 4 && path.reception->let_in() > 0;
  const Restraints::Ruling ruling = services_.restraints.Hear(PlaceOf(**queue, path.source_name),
                                                              {.verdict = attempt.verdict,
                                                               .code = attempt.code,
                                                               .enhanced = attempt.enhanced,
                                                               .text = attempt.text,
                                                               .provider = site.provider},
                                                              {.crowded = others_are_let_in}, begun, services_.Now());
  attempt.heard = true;
  attempt.verdict.action = ruling.action;
  attempt.verdict.remedy = ruling.remedy;
  attempt.ruled_by = ruling.rule;
  return ruling.suspended_until;
}

void Scheduler::ReturnAndHear(const Assignment& assignment, Attempt of_us) {
  std::string rule;
  Respond(assignment, of_us, rule);
  Return(assignment);
}

void Scheduler::Conclude(const Assignment& assignment, const Attempt& heard) {
  Lane& lane = *assignment.lane;
  Attempt attempt = heard;
  std::string rule(heard.verdict.rule);
  Respond(assignment, attempt, rule);
  const queue::Row& row = assignment.claim.row();
  const queue::Pack& pack = assignment.claim.pack();
  const absl::Time now = services_.Now();
  const SendPermits* const permits = assignment.permits.get();
  if (permits != nullptr && permits->warmup != nullptr && !attempt.mailed) {
    permits->warmup->Uncount(assignment.permitted);
  }
  const StreamOptions* stream = services_.options->FindStream(lane.campaign->stream);
  const std::string& stream_name = lane.campaign->stream;
  const std::string_view source = attempt.evidence != nullptr ? std::string_view(attempt.evidence->source) : "";
  const std::string_view provider =
      assignment.queue != nullptr ? std::string_view(assignment.queue->site->provider) : "other";
  const std::string_view reason = ToString(attempt.verdict.reason_class);

  queue::Outcome outcome;
  outcome.kind = KindOf(attempt.verdict.action);
  outcome.time = now;
  outcome.attempt = static_cast<uint16_t>(row.attempts + (attempt.begun ? 1 : 0));
  outcome.date = row.date != absl::InfinitePast() ? row.date : attempt.date;
  if (attempt.begun && outcome.date == absl::InfinitePast()) outcome.date = now;  // the first, and no message was made
  outcome.reason_class = std::string(reason);
  outcome.rule = std::move(rule);
  outcome.code = attempt.code;
  outcome.enhanced = attempt.enhanced;
  outcome.reply = attempt.text;
  outcome.evidence = attempt.evidence;
  if (outcome.evidence == nullptr || outcome.evidence->stream.empty()) {  // no session had it in hand
    auto evidence = outcome.evidence == nullptr ? std::make_shared<queue::Evidence>()
                                                : std::make_shared<queue::Evidence>(*outcome.evidence);
    evidence->stream = stream_name;
    outcome.evidence = std::move(evidence);
  }
  outcome.intended = assignment.intended;
  outcome.sink = services_.options->delivery == Delivery::kSink;
  if (outcome.kind == OutcomeKind::kDeferred && pack.expires() <= now) outcome.kind = OutcomeKind::kExpired;

  const bool was_retrying = assignment.claim.waited();
  Metrics& metrics = services_.metrics;
  if (attempt.unanswered) metrics.counter(Metric::kMessagesInDoubt, {stream_name})->Add();
  switch (outcome.kind) {
    case OutcomeKind::kDelivered:
      outcome.received = assignment.under_cap != nullptr;
      outcome.kept = assignment.under_cap;
      if (outcome.received) recipient_cap_.Delivered(*assignment.under_cap, stream_name, row.recipient, now);
      assignment.permits->delivered->Add();
      assignment.queue->delivery_seconds->Observe(
          absl::ToDoubleSeconds(now - (was_retrying ? pack.due() : std::max(pack.accepted(), lane.campaign->started))));
      break;
    case OutcomeKind::kBounced:
      outcome.doubtful = attempt.verdict.remedy == Remedy::kSuppressAgain;
      outcome.bad_mailbox = outcome.doubtful || attempt.verdict.remedy == Remedy::kSuppress;
      outcome.provider = std::string(provider);
      metrics.counter(Metric::kMessagesBounced, {stream_name, source, provider, reason})->Add();
      break;
    case OutcomeKind::kExpired:
      outcome.reason_class = attempt.in_doubt ? queue::kInDoubtClass : "expired";
      outcome.rule.clear();
      metrics.counter(Metric::kMessagesExpired, {stream_name})->Add();
      break;
    default:
      if (attempt.in_doubt) {
        outcome.due = absl::InfiniteFuture();
        outcome.reason_class = queue::kInDoubtClass;
      }
      metrics.counter(Metric::kMessagesDeferred, {stream_name, source, provider, outcome.reason_class})->Add();
      if (attempt.in_doubt) break;
      outcome.due = RetrySchedule({.intervals = stream != nullptr ? stream->retry : StreamOptions().retry})
                        .Next(std::max<int>(outcome.attempt, 1), now, pack.expires(), services_.random());
      break;
  }
  const bool is_settled = outcome.kind == OutcomeKind::kDelivered || outcome.kind == OutcomeKind::kBounced;
  if (is_settled && stream != nullptr) {
    services_.restraints.Count(*stream, lane.campaign->name,
                               outcome.bad_mailbox || attempt.verdict.reason_class == ReasonClass::kBadDomain);
  }
  Settle(assignment, std::move(outcome));
}

void Scheduler::Settle(const Assignment& assignment, queue::Outcome outcome) {
  Lane& lane = *assignment.lane;
  const bool was_retrying = assignment.claim.waited();
  if (was_retrying && assignment.claim.row().reason_class == kRecipientCapClass) --lane.sated;
  if (outcome.kind == OutcomeKind::kDeferred && outcome.reason_class == kRecipientCapClass) ++lane.sated;
  if (outcome.kind == OutcomeKind::kDeferred && !outcome.in_doubt()) {
    if (!was_retrying) ++lane.retrying;
  } else {
    --lane.queued;
    if (was_retrying) --lane.retrying;
  }
  settler_.Settle(lane, assignment.claim, std::move(outcome));
}

bool Scheduler::HoldsInDoubt(const Assignment& assignment) const {
  const StreamOptions* const stream = services_.options->FindStream(assignment.lane->campaign->stream);
  return stream != nullptr && stream->in_doubt == InDoubt::kHold;
}

Task<absl::Status> Scheduler::Intend(Assignment& assignment, absl::Time date) {
  assignment.intended = true;
  const auto attempt = static_cast<uint16_t>(assignment.claim.row().attempts + 1);
  const uint64_t number = settler_.Intend(assignment.claim, attempt, date);
  while (settler_.durable() < number) {
    const absl::Status waited = co_await settler_.grown().Wait();
    if (!waited.ok()) co_return waited;
  }
  co_return absl::OkStatus();
}

void Scheduler::Reread(std::shared_ptr<ActiveCampaign> campaign) {
  lanes_.Reread(campaign->id);
  lanes_.Run(std::move(campaign));
}

void Scheduler::MakeDue(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign, absl::Time due,
                        std::function<void(absl::StatusOr<uint64_t>)> done) {
  lanes_.MakeDue(record, std::move(campaign), due, std::move(done));
}

void Scheduler::Refresh(Site& site) {
  if (draining_ || services_.options->delivery == Delivery::kSink) return;
  std::vector<Lane*> lanes;
  lanes_.ForEach([&](Lane& lane) {
    if (lane.queue != nullptr && lane.queue->site == &site && lane.unsettled == 0 && !lane.reading)
      lanes.push_back(&lane);
  });
  for (Lane* lane : lanes) {
    OnForgotten(*lane);
    lanes_.Rewind(*lane);
    directory_.Resolve(*lane);
  }
}

void Scheduler::AllowSending(bool allowed) {
  allowed_ = allowed;
  if (allowed) OnRoom();
}

void Scheduler::OnRoom() {
  if (!std::exchange(starved_, false)) return;
  directory_.ForEach([this](Site& site) {
    // Each of them gives a turn; a turn may make the site a path more.
    size_t starved = 0;
    for (const std::unique_ptr<Path>& path : site.paths) {
      if (path->refusal.kind != Refusal::Kind::kUnsettled && path->refusal.kind != Refusal::Kind::kStorage) continue;
      path->refusal = Refusal{};
      ++starved;
    }
    for (; starved > 0; --starved) paths_.Pump(site);
  });
  for (const queue::LaneId& id : std::exchange(starved_lanes_, {})) {
    if (Lane* const lane = lanes_.Find(id); lane != nullptr) OnRows(*lane);
  }
}

Task<void> Scheduler::Drain() {
  draining_ = true;
  paths_.EndStoppable();
  paths_.WakeAll();
  lookups_.Cancel();
  co_await lookups_.Join();
  co_await paths_.Join();
  settler_.FlushAll();
  while (!settler_.empty()) {
    const absl::Status waited = co_await settled_.Wait();
    if (!waited.ok()) break;
  }
}

void Scheduler::EndOfTurn() {
  directory_.ForgetUnused([this](const Site& site) { paths_.Forget(site); });
  lanes_.FlushReads();
  settler_.Flush();
}

}  // namespace sealift::engine
