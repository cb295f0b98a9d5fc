#include "engine/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sealift::engine {
namespace {

// A rate that had a permit so long ago has all that it may give at once.
constexpr absl::Duration kFullAgain = absl::Seconds(1);

// A permit may be free again so much later than it would be, after a kill while the disk is slow.
constexpr absl::Duration kCoverMost = absl::Minutes(1);

// Of what says who waits.
absl::Time UntilOf(uint64_t waiting) { return absl::FromUnixMillis(static_cast<int64_t>(waiting >> 8)); }
uint8_t StandingOf(uint64_t waiting) { return static_cast<uint8_t>(waiting & 0xff); }

}  // namespace

std::shared_ptr<RateInForce> Limits::Rate(std::string_view kind, std::string_view name, const RateLimit& limit,
                                          std::string_view identity) {
  return Find(kind, name, limit, identity.empty() ? name : identity, Keeper::kLedger);
}

std::shared_ptr<RateInForce> Limits::OwnedRate(std::string_view kind, std::string_view name, const RateLimit& limit,
                                               std::string_view identity) {
  return Find(kind, name, limit, identity.empty() ? name : identity, Keeper::kOwner);
}

std::shared_ptr<RateInForce> Limits::Find(std::string_view kind, std::string_view name, const RateLimit& limit,
                                          std::string_view identity, Keeper keeper) {
  const Throttle::Options options{.count = limit.rate.count, .per = limit.rate.period};
  const std::lock_guard lock(mutex_);
  const std::string key = fmt::format("{}/{}", kind, identity);
  std::shared_ptr<RateInForce>& entry = rates_[key];
  const bool made = entry == nullptr;
  if (made) entry = std::make_shared<RateInForce>(*this, std::string(kind), key);
  RateInForce& rate = *entry;
  rate.owned_ = keeper == Keeper::kOwner;
  rate.Call(name);
  if (made || rate.options_ != options) {
    rate.options_ = options;
    // What the disk knows was said of the old rate: nothing is taken of the new one before it is said again.
    const bool kept = on_disk_ && keeper == Keeper::kLedger;
    if (kept) rate.covered_ns_.store(std::numeric_limits<int64_t>::min(), std::memory_order_release);
    rate.throttle_.Adopt(options, absl::Now());
    rate.waiting_.store(0, std::memory_order_relaxed);  // who waits asks again
    const absl::Duration period = rate.throttle_.period();
    if (made && kept) {
      auto before = free_.find(key);
      // As it was written when a source was known by its name.
      if (before == free_.end()) before = free_.find(fmt::format("{}/{}", kind, name));
      if (before != free_.end()) {
        // A clock that has stepped back since is not waited for: no permit was taken after this start.
        rate.throttle_.FreeFrom(std::min(before->second, started_ + period + RateInForce::kSlow));
        free_.erase(before);
      } else if (period <= RateInForce::kSlow || unnamed_ == Unnamed::kTaken) {
        rate.throttle_.FreeFrom(started_ + period);
      }
    }
    if (kept && period <= RateInForce::kSlow) {
      rate.covered_ns_.store(std::numeric_limits<int64_t>::max(), std::memory_order_release);
    }
  }
  rate.Describe(ToText(limit.rate), limit.origin);
  return entry;
}

void Limits::KeepOnDisk(absl::Time started, std::map<std::string, absl::Time, std::less<>> free, Unnamed unnamed) {
  const std::lock_guard lock(mutex_);
  on_disk_ = true;
  started_ = started;
  free_ = std::move(free);
  unnamed_ = unnamed;
}

void Limits::Forget(absl::Time now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(counts_, [](const auto& entry) { return entry.second.slots.expired(); });
  if (rates_.size() <= rates_max_) return;
  std::erase_if(rates_, [now](const auto& entry) {
    const std::shared_ptr<RateInForce>& rate = entry.second;
    return rate.use_count() == 1 && !rate->asked_.load(std::memory_order_acquire) &&
           rate->Peek(now - kFullAgain) <= absl::ZeroDuration();
  });
  rates_max_ = std::max(kRatesMin, 2 * rates_.size());
}

void Limits::StepBack(absl::Duration by, absl::Time since, absl::Time now) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, rate] : rates_) {
    if (rate->owned_) continue;
    rate->waiting_.store(0, std::memory_order_relaxed);
    rate->throttle_.StepBack(by, since, now);
  }
}

void Limits::AskCover(RateInForce& rate) {
  RateInForce* head = asked_.load(std::memory_order_relaxed);
  do {
    rate.next_asked_ = head;
  } while (!asked_.compare_exchange_weak(head, &rate, std::memory_order_release, std::memory_order_relaxed));
  if (head == nullptr) asked_.notify_one();
}

void Limits::Wake() {
  if (!awake_.asked_.exchange(true)) AskCover(awake_);
}

std::vector<RateInForce::Cover> Limits::AwaitAsked() {
  asked_.wait(nullptr, std::memory_order_acquire);
  const absl::Time until = absl::Now() + covers_for_;
  std::vector<RateInForce::Cover> covers;
  for (RateInForce* rate = asked_.exchange(nullptr, std::memory_order_acquire); rate != nullptr;) {
    RateInForce* const next = rate->next_asked_;
    if (rate == &awake_) {
      awake_.asked_.store(false);
    } else {
      // The one permit that can be taken until then is taken then at the latest.
      covers.push_back({rate, until, until + rate->throttle_.period()});
    }
    rate = next;
  }
  return covers;
}

void Limits::Take(const RateInForce::Cover& cover) {
  // What had run out before it was written covered nothing: the next one is for longer.
  const bool late = cover.until <= absl::Now();
  covers_for_ = late ? std::min(2 * covers_for_, kCoverMost) : RateInForce::kSlow;
  {
    const std::lock_guard lock(mutex_);
    RateInForce& rate = *cover.rate;
    const absl::Duration period = rate.throttle_.period();
    // Unless a reload has made it slower meanwhile: then that was not said of it. Or fast: then it needs none.
    if (period > RateInForce::kSlow && cover.until + period <= cover.free_again) {
      rate.covered_ns_.store(absl::ToUnixNanos(cover.until), std::memory_order_release);
    }
  }
  cover.rate->asked_.store(false, std::memory_order_release);
}

int64_t Limits::BeginBudget(RateInForce& rate, absl::Time now, absl::Time again) {
  rate.began_ns_.store(absl::ToUnixNanos(now), std::memory_order_relaxed);
  rate.again_ns_.store(absl::ToUnixNanos(again), std::memory_order_relaxed);
  return rate.budget_.exchange(0, std::memory_order_relaxed);
}

bool Slots::IsOver(For what) const {
  const int all = used() - leaving_.load(std::memory_order_relaxed);
  const int anything =
      open_to_all_.load(std::memory_order_relaxed) - leaving_open_to_all_.load(std::memory_order_relaxed);
  if (what == For::kAnything) return anything > 0 && (all > max() || anything > max() - reserved());
  return all - anything > max();
}

std::string Slots::Describe() const {
  std::string text = fmt::format("{} of {} open", used(), max());
  if (reserved() > 0) text += fmt::format(", {} of these for transactional mail alone", reserved());
  return text;
}

std::string Slots::name() const {
  const std::lock_guard lock(mutex_);
  return name_;
}

std::string Slots::origin() const {
  const std::lock_guard lock(mutex_);
  return origin_;
}

void Slots::Adopt(std::string_view name, const CountLimit& limit, int reserved) {
  max_.store(limit.count, std::memory_order_relaxed);
  reserved_.store(reserved, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  name_ = name;
  origin_ = limit.origin;
}

std::shared_ptr<Slots> Limits::Count(std::string_view name, const CountLimit& limit, int reserved,
                                     std::string_view identity) {
  const std::lock_guard lock(mutex_);
  Counted& entry = counts_[std::string(identity.empty() ? name : identity)];
  if (entry.kept == nullptr) entry.slots = entry.kept = std::make_shared<Slots>();
  entry.kept->Adopt(name, limit, reserved);
  return entry.kept;
}

std::shared_ptr<Slots> Limits::PassingCount(std::string_view name, const CountLimit& limit) {
  const std::lock_guard lock(mutex_);
  std::weak_ptr<Slots>& entry = counts_[std::string(name)].slots;
  std::shared_ptr<Slots> slots = entry.lock();
  if (slots == nullptr) entry = slots = std::make_shared<Slots>();
  slots->Adopt(name, limit, 0);
  return slots;
}

std::shared_ptr<Reception> Limits::ReceptionOf(std::string_view source, std::string_view judge) {
  const std::lock_guard lock(mutex_);
  if (receptions_.size() > receptions_max_) {
    std::erase_if(receptions_, [](const auto& entry) { return entry.second.expired(); });
    receptions_max_ = 2 * receptions_.size() + 64;
  }
  std::weak_ptr<Reception>& entry = receptions_[{std::string(source), std::string(judge)}];
  std::shared_ptr<Reception> reception = entry.lock();
  if (reception == nullptr) entry = reception = std::make_shared<Reception>();
  return reception;
}

void Limits::ForEach(const std::function<void(const RateInForce&)>& rate,
                     const std::function<void(const std::string& name, const Slots&)>& count) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, entry] : rates_) rate(*entry);
  for (const auto& [identity, entry] : counts_) {
    if (const std::shared_ptr<Slots> slots = entry.slots.lock(); slots != nullptr) count(slots->name(), *slots);
  }
}

absl::Duration RateInForce::Acquire(absl::Time now, const Bid& bid, FairQueueing::Flow* flow) {
  const absl::Duration wait = Take(now, bid, flow);
  if (wait <= absl::ZeroDuration()) return wait;
  AskDisk(now);
  Await(now, bid, flow, now + wait + Grace());
  return wait;
}

absl::Duration RateInForce::Take(absl::Time now, const Bid& bid, FairQueueing::Flow* flow) {
  const Place place = PlaceOf(bid, flow);
  if (const absl::Time kept = KeptUntil(now, place); kept > now) return kept - now;
  if (!IsCovered(now)) return std::max(throttle_.Peek(now), kCommit);
  if (HasBudget() && budget_.fetch_sub(1, std::memory_order_relaxed) <= 0) {
    budget_.fetch_add(1, std::memory_order_relaxed);
    return std::max(Peek(now), kCommit);
  }
  if (const absl::Duration wait = throttle_.Acquire(now); wait > absl::ZeroDuration()) {
    if (HasBudget()) budget_.fetch_add(1, std::memory_order_relaxed);
    return wait;
  }
  // Whoever waited had no better claim, or none any more.
  const bool is_equal = StandingOf(waiting_.load(std::memory_order_relaxed)) == bid.standing;
  if (is_equal) waiting_.store(0, std::memory_order_relaxed);
  if (flow != nullptr) flow->Take(place.start);
  return absl::ZeroDuration();
}

absl::Duration RateInForce::Look(absl::Time now, const Bid& bid, const FairQueueing::Flow* flow) const {
  absl::Duration wait = std::max(Peek(now), KeptUntil(now, PlaceOf(bid, flow)) - now);
  if (!IsCovered(now)) wait = std::max(wait, kCommit);
  return std::max(wait, absl::ZeroDuration());
}

void RateInForce::Await(absl::Time now, const Bid& bid, const FairQueueing::Flow* flow, absl::Time until) {
  Wait(now, PlaceOf(bid, flow), until);
}

void RateInForce::AwaitOverOthers(absl::Time now, uint8_t standing, absl::Time until) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  Wait(now, {.standing = standing, .flow = nullptr, .start = kLast, .since_ns = kLast}, until);
}

bool RateInForce::IsAwaitedBy(absl::Time now, const Bid& bid, const FairQueueing::Flow* flow) const {
  const Waiting waiting = waiting_.load(std::memory_order_relaxed);
  return UntilOf(waiting) > now && StandingOf(waiting) == bid.standing &&
         waiting_flow_.load(std::memory_order_relaxed) == flow &&
         waiting_since_.load(std::memory_order_relaxed) == absl::ToUnixNanos(bid.since);
}

void RateInForce::AskDisk(absl::Time now) {
  if (NeedsDisk(now) && !asked_.exchange(true, std::memory_order_acq_rel)) limits_.AskCover(*this);
}

absl::Duration RateInForce::Grace() const {
  constexpr absl::Duration kLeast = absl::Milliseconds(10), kMost = absl::Milliseconds(250);
  return slow() ? std::clamp(throttle_.period() / 32, kLeast, kMost) : kLeast;
}

RateInForce::Place RateInForce::PlaceOf(const Bid& bid, const FairQueueing::Flow* flow) const {
  // What a flow may be behind by, a part of a second's permits: whoever has one connection asks once in a round trip.
  constexpr int64_t kBehind = 4;
  return {.standing = bid.standing,
          .flow = flow,
          .start = flow == nullptr ? 0 : flow->Start(throttle_.per_second() / kBehind),
          .since_ns = absl::ToUnixNanos(bid.since)};
}

absl::Time RateInForce::KeptUntil(absl::Time now, const Place& place) const {
  const Waiting waiting = waiting_.load(std::memory_order_relaxed);
  const absl::Time until = UntilOf(waiting);
  if (until <= now) return absl::InfinitePast();
  const uint8_t standing = StandingOf(waiting);
  if (standing != place.standing) return standing > place.standing ? until : absl::InfinitePast();
  // A flow's own start goes on while one of it waits.
  const int64_t start = waiting_start_.load(std::memory_order_relaxed);
  if (start != place.start && waiting_flow_.load(std::memory_order_relaxed) != place.flow) {
    return start < place.start ? until : absl::InfinitePast();
  }
  // Of a fast limit the next permit is there before anybody else could have this one.
  const bool before = slow() && waiting_since_.load(std::memory_order_relaxed) < place.since_ns;
  return before ? until : absl::InfinitePast();
}

void RateInForce::Wait(absl::Time now, const Place& place, absl::Time until) {
  if (KeptUntil(now, place) > now) return;
  waiting_flow_.store(place.flow, std::memory_order_relaxed);
  waiting_start_.store(place.start, std::memory_order_relaxed);
  waiting_since_.store(place.since_ns, std::memory_order_relaxed);
  waiting_.store(static_cast<uint64_t>(absl::ToUnixMillis(until)) << 8 | place.standing, std::memory_order_relaxed);
}

absl::Duration RateInForce::Peek(absl::Time now) const {
  const absl::Duration wait = throttle_.Peek(now);
  if (!HasBudget() || budget_.load(std::memory_order_relaxed) > 0) return wait;
  return std::max(wait, absl::Nanoseconds(again_ns_.load(std::memory_order_relaxed) - absl::ToUnixNanos(now)));
}

void RateInForce::Return(absl::Time taken, absl::Time now, FairQueueing::Flow* flow) {
  if (flow != nullptr) flow->GiveBack();
  if (absl::ToUnixNanos(taken) > fresh_ns_.load(std::memory_order_relaxed)) throttle_.Return(taken, now);
  Uncount(taken);
}

void RateInForce::Uncount(absl::Time taken) {
  // What was taken of an earlier budget is not of this one.
  if (!HasBudget() || absl::ToUnixNanos(taken) < began_ns_.load(std::memory_order_relaxed)) return;
  budget_.fetch_add(1, std::memory_order_relaxed);
}

void RateInForce::Describe(std::string value, std::string origin) {
  const std::lock_guard lock(mutex_);
  value_ = std::move(value);
  origin_ = std::move(origin);
}

void RateInForce::Call(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (name_ != name) name_ = name;
}

std::string RateInForce::name() const {
  const std::lock_guard lock(mutex_);
  return name_;
}

std::string RateInForce::value() const {
  const std::lock_guard lock(mutex_);
  return value_;
}

std::string RateInForce::origin() const {
  const std::lock_guard lock(mutex_);
  return origin_;
}

}  // namespace sealift::engine
