#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "engine/fair_queueing.h"
#include "engine/options.h"
#include "engine/precedence.h"
#include "engine/reception.h"
#include "engine/shaping/throttle.h"

namespace sealift::engine {

class Limits;

// Bid says who asks a limit for a permit. It is for the highest standing first, of equals for whose flow it is the turn
// (fair_queueing.h), and of a slow limit, within a flow, for who has had none for longest.
struct Bid {
  uint8_t standing = 0;
  absl::Time since = absl::InfinitePast();       // it had its last permit, or came; by a clock that nobody sets
  absl::Duration waited = absl::ZeroDuration();  // since then
};

// A rate in force, with the words that explain it: what it limits, its value, who set it.
//
// A limit holds across a restart too. Of a slow one (a permit in more than a second) the disk knows that a permit may
// be taken, and until when, before one is: whoever asks first waits for that, some milliseconds
// (engine/limit_ledger.h). Of a fast one nothing needs to be known: after a restart it begins with nothing left to
// take, which costs a second at most.
//
// Beside its rate a limit may have a budget: so many permits, and no more before the budget is filled again.
//
// Threads:   any. The throttle is what senders ask; the words are for `explain` and change only with a reload.
class RateInForce {
 public:
  static constexpr absl::Duration kSlow = absl::Seconds(1);
  // What a commit takes, about.
  static constexpr absl::Duration kCommit = absl::Milliseconds(5);

  RateInForce(Limits& limits, std::string kind, std::string key)
      : limits_(limits), kind_(std::move(kind)), key_(std::move(key)) {}

  const std::string& kind() const { return kind_; }  // the metric's label: source, destination, stream, campaign, ...
  std::string name() const;                          // "ip1"
  std::string value() const;                         // "20000/h"
  std::string origin() const;                        // the configuration's file:line

  // The part of a campaign in this limit.
  std::shared_ptr<FairQueueing::Flow> FlowOf(std::string_view campaign, uint8_t standing, int weight) {
    return shares_.FlowOf(campaign, standing, weight);
  }

  // Takes a permit and returns zero, or waits for one and returns how long until it is worth asking again. Who needs
  // more than one limit asks for all of them at once: engine/bound_rates.h.
  absl::Duration Acquire(absl::Time now, const Bid& bid, FairQueueing::Flow* flow = nullptr);
  // Takes a permit and returns zero, or how long until it is worth asking again. While another waits whose bid goes
  // before, the permit is kept for it: what is scarce goes to who matters more, across sites and shards.
  absl::Duration Take(absl::Time now, const Bid& bid, FairQueueing::Flow* flow);
  // What Take would return, taking nothing.
  absl::Duration Look(absl::Time now, const Bid& bid, const FairQueueing::Flow* flow) const;
  // It waits: the permit is kept for it until then, unless another waits whose bid goes before.
  void Await(absl::Time now, const Bid& bid, const FairQueueing::Flow* flow, absl::Time until);
  // The same, but no equal stands back for it.
  void AwaitOverOthers(absl::Time now, uint8_t standing, absl::Time until);
  // Whether it is the one that the permit is kept for.
  bool IsAwaitedBy(absl::Time now, const Bid& bid, const FairQueueing::Flow* flow) const;
  // It waits no more.
  void Withdraw(absl::Time now, const Bid& bid, const FairQueueing::Flow* flow) {
    if (IsAwaitedBy(now, bid, flow)) waiting_.store(0, std::memory_order_relaxed);
  }
  // Whether a permit is free but for the disk; which is asked then.
  bool NeedsDisk(absl::Time now) const { return !IsCovered(now) && throttle_.Peek(now) <= absl::ZeroDuration(); }
  void AskDisk(absl::Time now);
  // How long until a permit may be free, whoever else waits for it.
  absl::Duration Peek(absl::Time now) const;
  // Between permits at the steady rate.
  absl::Duration period() const { return throttle_.period(); }
  // Whether each permit is worth waiting for by itself.
  bool slow() const {
    return throttle_.period() >= kSlow || (HasBudget() && budget_.load(std::memory_order_relaxed) <= 1);
  }
  // For so long a permit of a slow limit is held for who waits for another limit too. A longer time would cost those
  // behind more than it wins: who comes late for this one waits for half a period, on average.
  absl::Duration HeldFor() const { return slow() ? throttle_.period() / 2 : absl::ZeroDuration(); }
  // How long a free permit is kept for who has waited for it: a timer's tick, a turn of a busy shard, and a commit.
  absl::Duration Grace() const;
  // Gives back a permit that was taken then and not used; it is free again as Throttle::Return says.
  void Return(absl::Time taken, absl::Time now, FairQueueing::Flow* flow = nullptr);

  // What leaves without asking counts against the budget all the same.
  void Count() { budget_.fetch_sub(1, std::memory_order_relaxed); }
  // What is given back of the budget alone: it did not come to what the budget counts.
  void Uncount(absl::Time taken);

  // How long the disk lets a slow limit's next permit be taken, and what it knows then: when it is free again.
  struct Cover {
    RateInForce* rate;
    absl::Time until, free_again;
  };

 private:
  friend class Limits;

  bool HasBudget() const { return again_ns_.load(std::memory_order_relaxed) != 0; }
  bool IsCovered(absl::Time now) const { return covered_ns_.load(std::memory_order_acquire) >= absl::ToUnixNanos(now); }

  // The standing of who waits, in the low byte, and until when (in ms) it is waited for.
  using Waiting = uint64_t;
  struct Place {
    uint8_t standing;
    const FairQueueing::Flow* flow;
    int64_t start, since_ns;
  };
  Place PlaceOf(const Bid& bid, const FairQueueing::Flow* flow) const;
  // Until when a free permit is kept for another than this; InfinitePast: it is not.
  absl::Time KeptUntil(absl::Time now, const Place& place) const;
  void Wait(absl::Time now, const Place& place, absl::Time until);

  void Call(std::string_view name);
  void Describe(std::string value, std::string origin);

  Limits& limits_;
  Throttle throttle_;
  std::atomic<Waiting> waiting_{0};
  std::atomic<const FairQueueing::Flow*> waiting_flow_{nullptr};
  std::atomic<int64_t> waiting_start_{0};  // of its flow
  std::atomic<int64_t> waiting_since_{0};
  FairQueueing shares_;
  std::atomic<int64_t> covered_ns_{std::numeric_limits<int64_t>::max()};  // permits may be taken until then
  std::atomic<bool> asked_{false};                                        // it is among those to be covered
  RateInForce* next_asked_ = nullptr;
  std::atomic<int64_t> budget_{0}, again_ns_{0}, began_ns_{0};  // again_ns_ 0: there is none

  bool owned_ = false;                                                  // guarded by Limits
  std::atomic<int64_t> fresh_ns_{std::numeric_limits<int64_t>::min()};  // what was taken until then does not come back

  const std::string kind_, key_;
  mutable std::mutex mutex_;
  std::string name_, value_, origin_;
  Throttle::Options options_;  // guarded by Limits
};

// A number of things that may be open at once, shared by shards. Some of them may be reserved: what is taken for
// everybody never leaves less than those.
class Slots {
 public:
  enum class For : uint8_t { kAnything, kReserved };

  std::string name() const;    // "source ip1"
  std::string origin() const;  // the configuration's file:line

  bool TryTake(For what = For::kAnything) {
    if (what == For::kReserved) return TryTake(used_, max_.load(std::memory_order_relaxed));
    const int open = max_.load(std::memory_order_relaxed) - reserved_.load(std::memory_order_relaxed);
    if (!TryTake(open_to_all_, open)) return false;
    if (TryTake(used_, max_.load(std::memory_order_relaxed))) return true;
    open_to_all_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void Return(For what = For::kAnything) { Add(what, -1, used_, open_to_all_); }
  // It was open before it was counted here.
  void TakeAnyway(For what) { Add(what, 1, used_, open_to_all_); }

  // A reload may leave less room than there is taken. Whoever has one for that asks, says that he leaves, and says so
  // again when he returns it.
  bool IsOver(For what) const;
  void Leave(For what) { Add(what, 1, leaving_, leaving_open_to_all_); }
  void HasLeft(For what) { Add(what, -1, leaving_, leaving_open_to_all_); }

  void Adopt(std::string_view name, const CountLimit& limit, int reserved);
  // What is transactional and finds none calls here.
  Precedence& precedence() { return precedence_; }
  // What is not calls here.
  Precedence& idle_call() { return idle_call_; }

  // Whether TryTake would fail.
  bool IsFull(For what = For::kAnything) const {
    return used() >= max() ||
           (what == For::kAnything && open_to_all_.load(std::memory_order_relaxed) >= max() - reserved());
  }
  int used() const { return used_.load(std::memory_order_relaxed); }
  int max() const { return max_.load(std::memory_order_relaxed); }
  int reserved() const { return reserved_.load(std::memory_order_relaxed); }
  // "18 of 20 open"; where some are reserved: "18 of 20 open, 2 of these for transactional mail alone"
  std::string Describe() const;

 private:
  static void Add(For what, int one, std::atomic<int>& all, std::atomic<int>& for_anything) {
    all.fetch_add(one, std::memory_order_relaxed);
    if (what == For::kAnything) for_anything.fetch_add(one, std::memory_order_relaxed);
  }
  static bool TryTake(std::atomic<int>& used, int max) {
    int now = used.load(std::memory_order_relaxed);
    while (now < max) {
      if (used.compare_exchange_weak(now, now + 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  std::atomic<int> used_{0}, open_to_all_{0};
  std::atomic<int> leaving_{0}, leaving_open_to_all_{0};  // of these
  std::atomic<int> max_{0}, reserved_{0};
  Precedence precedence_, idle_call_;
  mutable std::mutex mutex_;
  std::string name_, origin_;
};
using SharedSlots = std::vector<std::shared_ptr<Slots>>;

// Limits holds every rate and count in force on this node, by name: the only state that shards share.
//
// A reload changes a limit's value and keeps what was already taken of it.
//
// Without a ledger (KeepOnDisk was not called) nothing is known after a restart, and nothing waits for the disk.
//
// Owned by:  the node; outlives its shards.
// Threads:   any. A look-up locks, so callers keep the pointer.
// Memory:    what is in use, and twice as many rates at most: each site may have some, and sites come and go.
class Limits {
 public:
  // The rate of this kind on `name`, made or changed to `limit`. `identity`: what is counted, whatever it is called;
  // what a source has used its address has used. Empty: the name.
  std::shared_ptr<RateInForce> Rate(std::string_view kind, std::string_view name, const RateLimit& limit,
                                    std::string_view identity = {});
  // The same for one whose owner knows after a restart what became of it: nothing waits for the disk.
  std::shared_ptr<RateInForce> OwnedRate(std::string_view kind, std::string_view name, const RateLimit& limit,
                                         std::string_view identity = {});
  std::shared_ptr<Slots> Count(std::string_view name, const CountLimit& limit, int reserved = 0,
                               std::string_view identity = {});
  // The same of one that is in force for as long as somebody has it.
  std::shared_ptr<Slots> PassingCount(std::string_view name, const CountLimit& limit);
  // Of a source by what judges as one: there is one for as long as somebody has it.
  std::shared_ptr<Reception> ReceptionOf(std::string_view source, std::string_view judge);

  // Changes how an owned rate is spaced, and not what it says; or what it says.
  void Space(RateInForce& rate, const Throttle::Options& options, absl::Time now) {
    rate.throttle_.Adopt(options, now);
  }
  void Describe(RateInForce& rate, std::string value, std::string origin) {
    rate.Describe(std::move(value), std::move(origin));
  }

  // No permit of it is free before that. What was taken until now does not come back to it.
  void FreeFrom(RateInForce& rate, absl::Time when, absl::Time now) {
    rate.fresh_ns_.store(absl::ToUnixNanos(now), std::memory_order_relaxed);
    rate.throttle_.FreeFrom(when);
  }

  // The clock was set back by so much, not before `since` by the clock as it is: rates are spaced as they were, but for
  // owned ones, which follow the calendar.
  void StepBack(absl::Duration by, absl::Time since, absl::Time now);

  // An owned rate has a budget from now on, or another: empty, and filled no more before `again`. What was taken of the
  // old one does not come back to it. Returns what was left; less than nothing if more was counted than it held.
  int64_t BeginBudget(RateInForce& rate, absl::Time now, absl::Time again);
  void Fill(RateInForce& rate, int64_t permits) { rate.budget_.fetch_add(permits, std::memory_order_relaxed); }
  void FilledAgainAt(RateInForce& rate, absl::Time again) {
    rate.again_ns_.store(absl::ToUnixNanos(again), std::memory_order_relaxed);
  }
  int64_t LeftOf(const RateInForce& rate) const { return rate.budget_.load(std::memory_order_relaxed); }

  // Of a limit that `free` does not name: it was not in use, or nobody knows, and its last permit was just taken.
  enum class Unnamed : uint8_t { kFree, kTaken };
  // From now on slow limits ask the ledger first; `free` says when each limit that was in use before this start is free
  // again, by its key. For the start, before any limit is asked for.
  void KeepOnDisk(absl::Time started, std::map<std::string, absl::Time, std::less<>> free,
                  Unnamed unnamed = Unnamed::kFree);
  // What is to be written for each slow limit that was asked for a permit: blocks until there is one, or Wake is
  // called.
  std::vector<RateInForce::Cover> AwaitAsked();
  void Wake();
  // It is written.
  void Take(const RateInForce::Cover& cover);
  // It could not be written: whoever wants a permit asks again.
  void Refuse(const RateInForce::Cover& cover) { cover.rate->asked_.store(false, std::memory_order_release); }
  static std::string KeyOf(const RateInForce& rate) { return rate.key_; }

  static constexpr size_t kRatesMin = 1024;
  // Rates that nobody has and that have as much to give as new ones are forgotten. Once a second or so.
  void Forget(absl::Time now);

  // Every one that was ever asked for, by name.
  void ForEach(const std::function<void(const RateInForce&)>& rate,
               const std::function<void(const std::string& name, const Slots&)>& count);

 private:
  friend class RateInForce;

  enum class Keeper : uint8_t { kLedger, kOwner };

  std::shared_ptr<RateInForce> Find(std::string_view kind, std::string_view name, const RateLimit& limit,
                                    std::string_view identity, Keeper keeper);
  void AskCover(RateInForce& rate);

  std::atomic<RateInForce*> asked_{nullptr};        // a stack through next_asked_
  absl::Duration covers_for_ = RateInForce::kSlow;  // of the ledger alone
  RateInForce awake_{*this, "", ""};                // in it, it ends a wait
  bool on_disk_ = false;
  absl::Time started_ = absl::InfinitePast();
  Unnamed unnamed_ = Unnamed::kFree;
  std::map<std::string, absl::Time, std::less<>> free_;  // of limits not asked for yet

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<RateInForce>, std::less<>> rates_;
  size_t rates_max_ = kRatesMin;  // with more, Forget looks for those that nobody has
  struct Counted {
    std::weak_ptr<Slots> slots;
    std::shared_ptr<Slots> kept;  // null: by those who have it alone
  };
  std::map<std::string, Counted, std::less<>> counts_;
  std::map<std::pair<std::string, std::string>, std::weak_ptr<Reception>> receptions_;
  size_t receptions_max_ = 64;  // with more, those that nobody has are taken out
};

}  // namespace sealift::engine
