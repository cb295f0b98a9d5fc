#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/limits.h"
#include "engine/metrics.h"
#include "engine/options.h"
#include "engine/shaping/response_rules.h"
#include "queue/notes.h"

namespace sealift::engine {

// Restraints is what replies have put on our own sending: sources that go slower towards a provider until it is over,
// or not at all for a time, and campaigns that the node is to pause.
//
// A backoff is a rate like any other, so that a permit asks it and `explain` names it. It begins at what was measured
// before the reply, times the rule's factor; it never goes under a floor, so that there is something to learn from; and
// it comes back in ten equal steps, after which nothing limits any more. Replies to what was already under way do not
// slow it again; one to what was begun since does, so that nobody says the same twice of one backoff. Where even the
// floor is refused, nothing is tried for a while, and for twice as long each time, until something is taken.
//
// When a source is refused, its siblings do not take its load over at once: each goes on at the pace that it has, and
// in ten equal steps may grow by what the refused one was at.
//
// A suspension lets nothing through for its time; then a backoff begins at the floor, or at a message a step where that
// is more, and is over after as long again, half an hour at most. No later reply shortens it.
//
// A row that was refused before for the same reason, or for somebody else's address, is not believed alone where a
// built-in rule would suspend: its next hop may list whoever forwards it. So no row keeps all the others back.
//
// A restart changes none of it: what is written goes on where it was, triggers and bounces are counted on.
//
// It is an address that receivers know: a source under another name is slowed as it was. So is a group of the
// configuration that has another name and the same hosts.
//
// What judges as one is restrained as one: a known provider by its name, any other site by itself.
//
// Owned by:  the node; outlives its shards.
// Threads:   any. A negative reply locks for a moment; nothing waits for a disk.
// Time:      the caller passes it; Tick once a second or so.
class Restraints {
 public:
  // Of the rates that replies make.
  static constexpr std::string_view kRateKind = "backoff";
  // What is in front of the domain of a site that is no known provider's.
  static constexpr std::string_view kSitePrefix = "site ";
  static bool IsKnownProvider(std::string_view judge) { return !judge.starts_with(kSitePrefix); }

  // Where a reply was heard.
  struct Place {
    std::string source, provider;  // the provider's name, or "site d1.test"
    std::string stream, campaign;
  };

  // The row whose recipient was known when it was said.
  struct Told {
    uint64_t row = 0;    // tells it from others; 0: it was said before any recipient
    bool again = false;  // the row's last attempt was refused for the same reason
    // A connection was refused while others are let in: how many there are is learnt (Reception), and no built-in rule
    // that goes by the class alone slows down for it.
    bool crowded = false;
  };

  // What becomes of the row, by rule.
  struct Ruling {
    Action action = Action::kDefer;
    Remedy remedy = Remedy::kNone;
    std::string rule;                                   // that decided the row; empty: the classification's
    absl::Time suspended_until = absl::InfinitePast();  // if it was acted on so: nothing more leaves from there
  };

  // A campaign has more hard bounces than its stream allows.
  struct Pause {
    std::string campaign, reason;
  };

  struct Slowed {
    std::string kind, name, rule, origin;
    bool suspended = false;
    double rate_per_second = 0, base_per_second = 0;
    double top_per_second = 0;  // more than the base: it is a refused source's sibling, and was not refused itself
    absl::Time since, last;
    absl::Duration duration;  // from `last` until it is over
  };

  Restraints(Limits& limits, Metrics& metrics) : limits_(limits), metrics_(metrics) {}

  // The rules and streams of these options are in force. InvalidArgument: a rule cannot be understood.
  absl::Status Adopt(std::shared_ptr<const Options> options);

  // A negative reply, to a message that had its permits then.
  Ruling Hear(const Place& place, const HeardReply& reply, const Told& told, absl::Time permitted, absl::Time now);
  // Counts a hard bounce that came back by mail. Whether it is not to be believed, as Hear would not.
  bool Doubts(const std::string& judge, absl::Time now);
  // What attempts there are to be counted by: a backoff begins at their pace. Kept for as long as somebody has them.
  using Attempts = std::array<std::shared_ptr<Counter>, 3>;  // of the source there, of the stream, of the campaign
  Attempts AttemptsAt(const Place& place);
  // A row of a campaign of that stream has its last outcome. Locks only where hard bounces may pause it.
  void Count(const StreamOptions& stream, const std::string& campaign, bool hard_bounce);

  // The rates that bind mail there: of what is slowed, and of what was for as long as somebody has them.
  std::vector<std::shared_ptr<RateInForce>> RatesOn(const Place& place) const;
  // It grows whenever RatesOn may say more than before, on whichever shard the reply was heard.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // Measures, and lets what is over go.
  void Tick(absl::Time now);
  // Called whenever Pauses has one more, on the thread that counted: it must not wait, nor ask anything here.
  void OnPause(std::function<void()> more) { on_pause_ = std::move(more); }
  // The campaigns to be paused: each again and again until one says what became of it, also after a restart.
  std::vector<Pause> Pauses() const;
  // It is paused, or has ended: whoever sends on begins to count its bounces anew.
  void CountAnew(const std::string& campaign);
  // The campaigns whose bounces are counted.
  std::vector<std::string> Counted() const;

  std::vector<Slowed> List() const;
  // Suspensions that replies have put on the source, everywhere or there ("": towards anybody), are over: it goes on as
  // it does after any. Returns which; with `dry_run` only that.
  std::vector<Slowed> EndSuspensions(std::string_view source, std::string_view provider, bool dry_run, absl::Time now);
  // The same of one suspension, by the name of its rate, whatever its scope.
  std::vector<Slowed> EndSuspension(std::string_view name, bool dry_run, absl::Time now);
  // Sources and where replies to them slow them now; "": everywhere.
  std::set<std::pair<std::string, std::string>> SlowedSources() const;

  // What is to be known after a restart, as far as it has changed since the last call.
  std::vector<queue::Note> TakeChanged();
  // It could not be written.
  void Refused();
  // What was written in an earlier run, before mail is sent.
  void Recall(std::string_view name, std::string_view value, absl::Time now);

 private:
  using Key = std::pair<std::string, std::string>;  // kind of backoff, and its name
  static constexpr std::string_view kPairKind = "source_provider", kSourceKind = "source", kProviderKind = "provider",
                                    kStreamKind = "stream", kCampaignKind = "campaign";

  struct Slowdown {
    std::shared_ptr<RateInForce> rate;
    bool suspended = false;                // nothing leaves until last + duration
    double base = 0, lowest = 0, now = 0;  // messages a second; base is what was measured
    double top = 0;                        // where a recovery ends: base, and more for who may take over a load
    double floor = 0;
    absl::Time since, last;
    absl::Time acted = absl::InfinitePast();            // on a reply: what had its permits until then was under way
    absl::Duration duration, recovery;                  // until it is over; of the backoff that follows a suspension
    absl::Duration pause;                               // the last one for that even the floor was refused; zero: none
    absl::Time refused_since = absl::InfiniteFuture();  // even the floor
    std::string rule, origin;
    bool changed = false;  // it is to be written

    absl::Time Over() const { return last + duration; }
    // A sibling's, whose pace grows in steps.
    bool Spares() const { return top > base; }
  };
  struct Pace {
    std::shared_ptr<Counter> attempts = std::make_shared<Counter>();
    std::string source, provider;                           // of a pair
    std::map<std::string, std::weak_ptr<Counter>> streams;  // that may send there by that source, whyever they do
    uint64_t seen = 0;
    double per_second = 0;  // of the last ten seconds or so; of the time since it began, while that is less
    absl::Duration began;   // so long ago
    absl::Duration idle;    // since the last attempt, in whole ticks
    absl::Time measured = absl::InfinitePast();
    // The last reply that was not believed: what row heard it, and after how many attempts.
    uint64_t doubted_row = 0, doubted_at = 0;
  };
  static constexpr uint64_t kUsualMin = 200;                    // attempts that a norm is known from
  static constexpr absl::Duration kNormKept = absl::Hours(24);  // of a site without mail
  // How a provider, or a site of none, takes our mail, a minute a bucket.
  struct Acceptance {
    std::deque<std::pair<uint64_t, uint64_t>> minutes;  // attempts, hard bounces
    uint64_t attempts_seen = 0, hard = 0;
    uint64_t usual = 0;  // attempts of the time in which it refused few: what its norm is known from
    double norm = 0.02;  // the share that it refused in that time
    absl::Time minute, spike_until = absl::InfinitePast();
    bool changed = false;

    // It has refused nobody of late.
    bool IsQuiet(absl::Time now) const;
  };
  struct Tally {
    std::string stream;
    uint64_t settled = 0, hard = 0;
    std::string why;  // it is to be paused; "": it is not
    bool changed = false;
  };
  struct Reply {
    absl::Time permitted, heard;
  };
  struct Matches {
    std::deque<absl::Time> times;
    absl::Duration period = absl::Hours(24);  // that its trigger looks at; a day where an earlier version wrote it
    bool changed = false;
  };

  static std::string NameOfPair(std::string_view source, std::string_view provider);
  static std::string NameOfProvider(std::string_view provider);
  // Ends the suspensions whose keys are meant.
  std::vector<Slowed> EndIf(const std::function<bool(const Key&)>& is_meant, bool dry_run, absl::Time now);
  // The source of a key that has one; "": it has none.
  static std::string_view SourceOf(const Key& key);
  // The provider, or site, of one that has one; "": it has none.
  static std::string_view ProviderOf(const Key& key);
  // The same key for a source and a provider of other names.
  static Key Renamed(const Key& key, std::string_view source, std::string_view provider);
  // What is slowed and has another name in these options.
  void Rename(const Options& options);
  // What was of a source with that address and a provider with these hosts, under the names that they have in these
  // options; nothing where another source has its name.
  static std::optional<Key> KeyIn(const Options& options, const Key& key, std::string_view address,
                                  const std::vector<std::string>& hosts);
  // What binds mail there, if it is slowed.
  static std::vector<Key> KeysOf(const Place& place);
  // InfinitePast: it is not suspended.
  absl::Time SuspendedUntil(const Place& place) const;
  // Whether another row is to say it too, and has not: the last attempt but this one was not refused in that way.
  bool AsksAnother(const ResponseRule& rule, const Place& place, const HeardReply& reply, const Told& told);
  // By rule, and by what its scope names: that is what its trigger counts for.
  std::string WhatCounts(const ResponseRule& rule, const Place& place) const;
  bool Triggered(const ResponseRule& rule, const Place& place, absl::Time now);
  void Act(const ResponseRule& rule, const Place& place, const Reply& reply);
  void Slow(const Key& key, double factor, const ResponseRule& rule, const Reply& reply);
  // A sibling of the refused one, unless it is slowed itself: its pace grows by no more than that in the rule's time.
  void Spare(const Key& key, double by, const ResponseRule& rule, absl::Time now);
  Slowdown& At(const Key& key, absl::Time now);
  // From now on RatesOn knows it.
  void Add(const Key& key, Slowdown slowdown);
  // Who set a rule: of the configuration in force, or of one before it.
  std::string OriginOf(std::string_view rule) const;
  // As it is now, by that rule.
  void Enforce(Slowdown& slowdown, const ResponseRule& rule);
  // Where it begins again after a suspension.
  static double AfterSuspension(const Slowdown& slowdown);
  // A backoff begins, at what was measured.
  void Begin(const Key& key, Slowdown& slowdown, const ResponseRule& rule, absl::Time now) const;
  // Whether the reply says nothing that was not acted on: of what was under way then, or while nothing is sent at all.
  static bool IsKnown(const Slowdown& slowdown, double factor, const ResponseRule& rule, const Reply& reply);
  static void PauseAtFloor(Slowdown& slowdown, const ResponseRule& rule, absl::Time now);
  void Judge(Tally& tally);
  void Set(Slowdown& slowdown);
  // The next permit is one of the new pace, or of after the suspension: what was just refused is not tried at once.
  void Wait(Slowdown& slowdown);
  // The suspension is over.
  void Resume(Slowdown& slowdown);
  // ... before its time.
  void ResumeNow(Slowdown& slowdown, absl::Time now);
  static Slowed AsListed(const Key& key, const Slowdown& slowdown);
  // A step nearer to what it was, or over.
  void Recover(Slowdown& slowdown, absl::Time now);
  double Measured(const Key& key) const;
  // Where nothing was measured yet, what a backoff begins at.
  double PaceOf(const Key& key) const;
  // Some of them, if there are many: the others have their turn with the next ticks.
  void TickPaces(absl::Duration of_tick, absl::Time now);
  void TickSlowdowns(absl::Time now);
  void ShowSlowdowns();
  // Where it is to be seen, with others that have the same labels.
  Gauge* GaugeOf(const Key& key);
  void TickProviders(absl::Time now);
  void TickMatches(absl::Time now);
  void ShowSpikes(const std::string& provider, absl::Time now);
  uint64_t AttemptsTo(std::string_view provider) const;
  uint64_t AttemptsSince(uint64_t seen, std::string_view provider) const;
  // Counts a hard bounce. Whether it is not to be believed, because there are far more than usual.
  bool IsDoubted(const std::string& provider, absl::Time now);
  // Where far more is refused than usual, none of it is believed for an hour.
  void Doubt(const std::string& provider, Acceptance& acceptance, absl::Time now);
  // Pools, by their names.
  std::set<std::string> PoolsOf(const std::string& source) const;
  // The stream's; or, where a route or a warm-up's overflow took the mail elsewhere, those of the source.
  std::set<std::string> PoolsThatSent(const Place& place) const;
  // That the stream signs for.
  std::set<std::string> DomainsOf(std::string_view stream) const;
  // Those of streams that sign for a domain of this one.
  std::set<std::string> PoolsThatSignWith(std::string_view stream) const;
  std::set<std::string> SourcesOf(const std::set<std::string>& pools) const;
  // By which any of these streams may send there, be it by a route or a warm-up's overflow.
  std::set<std::string> SourcesThatCarry(const std::function<bool(const std::string& stream)>& is_meant,
                                         std::string_view provider) const;
  // Who would take a load of that source over: whatever stream was refused, it has others.
  std::set<std::string> SiblingsOf(const Place& place) const;

  Limits& limits_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Options> options_;
  std::shared_ptr<const ResponseRules> rules_;
  std::map<Key, Slowdown> slowdowns_;  // each has its rate
  std::map<Gauge*, int64_t> shown_;    // what their gauges have
  std::vector<Key> outdated_;          // to be written: nothing is known by these names any more
  std::vector<queue::Note> offered_;   // given to be written by the last call
  std::vector<queue::Note> refused_;   // ... and not written
  std::atomic<uint64_t> generation_{0};
  std::map<Key, Pace> paces_;                      // of pairs, streams and campaigns
  Key next_pace_;                                  // to be measured
  std::map<std::string, Acceptance> acceptances_;  // by provider, or site
  std::map<std::string, Tally> tallies_;           // by campaign
  std::map<std::string, Matches> matches_;         // by rule and what it acts on
  absl::Time ticked_ = absl::InfinitePast();
  std::function<void()> on_pause_;  // set before shards begin
};

}  // namespace sealift::engine
