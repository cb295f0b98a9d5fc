#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "tools/sink/counters.h"
#include "tools/sink/script.h"

namespace sealift::tools::sink {

// Judge decides for one provider what the usual reply gives way to: rules, limits, blocks, greylisting. It holds what a
// real provider remembers about its senders.
//
// A rate is exact: an admission needs fewer than `count` others in the window that ends with it, so that no window of
// that length, wherever it begins, ever holds more. What is refused does not count.
//
// Owned by:  Sink; one for all workers.
// Threads:   any; a lock, taken only by a provider whose script has something to remember.
// Time:      `now` is the caller's; it may step back by what threads differ.
class Judge {
 public:
  // `action` null: as usual. `why` is already what the caller counts.
  struct Verdict {
    const Action* action = nullptr;
    Count why = Count::scripted_replies;
  };

  Judge(const Provider& provider, uint64_t seed, absl::Time start);
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  // A source connects. Every call is followed by one Disconnect, whatever the verdict.
  Verdict Connect(const std::string& source, absl::Time now);
  void Disconnect(const std::string& source);

  // MAIL, the `messages_before`-th of its connection from 0.
  Verdict Mail(const std::string& source, int64_t messages_before, absl::Time now);

  // Whether a recipient has to come back later.
  bool Greylists(std::string_view mailbox, absl::Time now);

  // The first rule of `phase` that applies; `mailbox` is empty where the phase has none. With `skip` set, rules up to
  // and including that id are passed over.
  const Rule* Match(Phase phase, std::string_view mailbox, bool tls, absl::Time now, uint64_t skip = 0);

 private:
  struct Source {
    int64_t open = 0;
    absl::Time blocked_until = absl::InfinitePast();
    std::vector<std::deque<absl::Time>> admitted;  // by limit, oldest first
  };

  // Null when the limit lets it through, which it then remembers.
  const Action* Break(size_t limit, const std::string& source, absl::Time now);
  Source& Find(const std::string& source, const Limit& limit);
  bool Blocked(const std::string& source, absl::Time now);

  const Provider& provider_;
  const uint64_t seed_;
  const absl::Time start_;
  const Action blocked_;
  const bool remembers_sources_;
  std::mutex mutex_;
  absl::flat_hash_map<std::string, Source> sources_;    // "" is all together
  absl::flat_hash_map<uint64_t, absl::Time> greylist_;  // hash of mailbox -> first attempt
  absl::flat_hash_map<uint64_t, int64_t> met_;          // hash of rule and mailbox -> times
  uint64_t draws_ = 0;                                  // for shares without a recipient
};

}  // namespace sealift::tools::sink
