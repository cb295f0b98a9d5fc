#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/limits.h"
#include "engine/metrics.h"
#include "engine/options.h"
#include "engine/shaping/warmup.h"
#include "queue/notes.h"

namespace sealift::engine {

// Warmups is what sources that receivers do not know yet may send: a budget a day for each source and whoever judges it
// (a known provider, any other site by itself), beside a rate that spreads it over the day.
//
// It is an address that receivers know: a source under another name goes on where it was, one with another address
// begins anew.
//
// What may be sent is reserved on disk before it is: a budget holds what a few seconds can use, Tick says what to
// write, and Granted gives it out once it is written. After a kill -9 all that was reserved counts as sent, but not
// towards the half of a day's volume that lets the next day begin.
//
// Owned by:  the node; outlives its shards.
// Threads:   any. Shards ask for limits through Limits, which does not lock; On and the rest lock for a moment.
// Time:      the caller passes it; Tick once a second or so.
class Warmups {
 public:
  // `mode`: sink or live. What was sent into the sink did not warm anything.
  Warmups(Limits& limits, Metrics& metrics, std::string mode)
      : limits_(limits), metrics_(metrics), mode_(std::move(mode)) {}

  // What was written in an earlier run, before Adopt.
  void Recall(std::string_view name, std::string_view value);
  // Since a restore nobody knows what was sent today: all of it counts as sent.
  void SupposeUsed(absl::Time now);
  // The plans of these options are in force.
  void Adopt(const Options& options);

  // What limits the source there; null: it is warm.
  std::shared_ptr<RateInForce> On(const std::string& source, const std::string& judge);

  // What is to be written. `slowed`: sources, and where replies slow them now; "" as the judge: everywhere.
  std::vector<queue::Note> Tick(absl::Time now, const std::set<std::pair<std::string, std::string>>& slowed);
  // It is written: what was reserved may be sent.
  void Granted();
  // It could not be written.
  void Refused();
  // What is to be written at the end: exactly what was sent.
  std::vector<queue::Note> Close(absl::Time now);
  // Since the last call a source has become warm somewhere, or is so no more: its queues have other limits.
  bool TakeTurns();

  struct Status {
    std::string source, judge;
    Warmup::Plan plan;
    Warmup::Standing standing;  // `sent` as it is now
    int64_t quota = 0;          // of the day
    bool over = false;
    std::string origin;
  };
  // As of the last Tick.
  std::vector<Status> List();

  // By which sources marketing mail of a pool leaves to that judge: its own, and those that a warm-up's overflow names.
  std::vector<int> SourcesOf(const Options& options, const PoolOptions& pool, const std::string& judge);
  // The warm-ups of these sources there, also where they have not begun; none where one of the sources is warm: it
  // takes what the others may not.
  std::vector<Status> Binding(const Options& options, const PoolOptions& pool, const std::string& judge);

  // What an operator orders of a source's plan: for one judge, or all, which a freeze means of those that begin later
  // too. Returns for how many.
  struct Order {
    std::optional<int> day;
    std::optional<bool> freeze;
    std::string by, reason;  // a reason is not needed
  };
  absl::StatusOr<int> Apply(const std::string& source, const std::string& judge, const Order& order, absl::Time now);

 private:
  static constexpr size_t kJudgesMax = 4096;  // of a source; the others together are one

  using Key = std::pair<std::string, std::string>;  // a source's address, or its name where it has none; judge

  struct Entry {
    Warmup warmup;
    std::shared_ptr<RateInForce> rate;       // null: no shard has asked for it yet
    int64_t reserved = 0;                    // of today: written and given out
    int64_t doubtful = 0;                    // of these: an earlier run had reserved them, and perhaps not sent
    int64_t asked = 0;                       // of today: to be written
    bool changed = false;                    // something else is to be written
    absl::Duration spaced;                   // between messages, as the rate has it
    int64_t noted = 0;                       // of today, as it was when it was written last
    absl::Time free = absl::InfinitePast();  // the next one, as an earlier run wrote it; taken over by the first Tick
  };

  struct Planned {
    std::string source;  // its name
    std::map<std::string, Warmup::Plan> by_judge;
    std::optional<Warmup::Plan> of_others;
    std::string origin;
  };

  const std::string& AddressOf(const std::string& source) const;
  // What an earlier version wrote of a source by its name is known by its address.
  void RecallNames();

  // Null: nothing is said of it.
  const Warmup::Plan* PlanOf(const std::string& address, const std::string& judge) const;
  // Whether nothing limits the source there.
  bool IsWarm(const std::string& address, const std::string& judge) const;
  // Null: nobody has asked for it.
  const Entry* FindKnown(const std::string& address, const std::string& judge) const;
  Status StatusOf(const Key& key, const Entry& entry) const;
  using Place = std::map<Key, Entry>::value_type;

  // Null: there is no plan for it.
  Place* Find(const std::string& address, const std::string& judge);
  void Bind(Place& place);
  // Its rate is called after the source.
  void Name(const Key& key, Entry& entry);
  int64_t SentOf(const Entry& entry) const;
  // The plan's place in the configuration, and what operators have ordered.
  static std::string OriginOf(const Planned& planned, const Entry& entry);
  // Where the day is one of which nobody knows what was sent.
  void SupposeUsed(Entry& entry) const;
  // Of a site that is not sent to any more, and has not got beyond the first day.
  bool IsForgettable(const Place& place) const;
  // A source's freeze as such; an empty order: there is none.
  queue::Note NoteOfFreeze(const std::string& address, const std::string& order) const;
  // Another date has begun.
  void Turn(Entry& entry, absl::Time now);
  // How many may be taken before what is reserved is looked at again.
  static int64_t AheadOf(const Entry& entry, absl::Time now);
  // When the next one is free once so many more are taken.
  static absl::Time FreeAfter(const Entry& entry, int64_t more, absl::Time now);
  void Pace(Entry& entry, int64_t sent, absl::Time now);
  void Describe(const Key& key, Entry& entry);
  queue::Note NoteOf(const Key& key, const Entry& entry, int64_t sent, absl::Time free) const;

  Limits& limits_;
  Metrics& metrics_;
  const std::string mode_;
  std::mutex mutex_;
  std::map<std::string, std::string> addresses_;  // of sources, by name
  std::map<std::string, Planned> plans_;          // by address
  std::map<std::string, size_t> judges_;          // how many of an address are in `entries_`
  std::vector<queue::Note> beside_;               // to be written beside what is of entries
  std::vector<queue::Note> offered_;              // ... and was given to be written, and what entries that went leave
  struct Recalled {
    Warmup::Standing standing;
    int64_t doubtful = 0;
    absl::Time free = absl::InfinitePast();
  };
  std::map<Key, Recalled> recalled_;
  std::map<Key, Entry> entries_;
  std::map<std::string, std::string> frozen_;  // addresses that are frozen as such, and by which order
  bool turned_ = false;
  absl::Time supposed_used_ = absl::InfinitePast();  // a day of this date has nothing left
};

}  // namespace sealift::engine
