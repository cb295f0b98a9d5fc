#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "engine/lane.h"
#include "engine/runtime/signal.h"
#include "engine/runtime/timer_wheel.h"
#include "engine/shard_services.h"
#include "queue/intent.h"
#include "queue/outcome.h"

namespace sealift::engine {

// Settler turns what sessions report into numbered outcomes and hands them to the store in batches.
//
// It keeps the shard's share of the bound on duplicates: a message counts from the moment its transaction begins until
// its outcome is durable, and when the share is used up nothing new begins. After a crash exactly these can be sent
// again. Outcomes gather until they are a quarter of the share, or for kLinger, so that many share the price of a
// commit. A pack that lacks some waits for them while the share has room, and one of a few rows for the others of its
// lane: where many sites have a row each in turn, nearly every row would be settled by itself.
//
// Owned by:  its shard.
// Threads:   the shard's. The committer's answer arrives through the shard's inbox.
class Settler {
 public:
  static constexpr absl::Duration kLinger = absl::Milliseconds(100);

  struct Callbacks {
    std::function<void(Lane&, absl::Time due)> deferred_durable;  // a row of the lane is due again then
    std::function<void(Lane&)> durable;                           // one row less of the lane is unsettled
    std::function<void()> room;                                   // transactions may begin again
  };

  // `share` is how many messages of this shard may be begun and not durable.
  Settler(const ShardServices& services, int share, Callbacks callbacks);

  // Marketing mail leaves a sixteenth of the share to what is transactional.
  enum class For : uint8_t { kAnything, kTransactional };
  bool MayBegin(For what = For::kAnything) const {
    return begun_ < (what == For::kTransactional ? share_ : share_ - share_ / 16);
  }
  void Begin(Lane& lane) {
    ++begun_;
    ++lane.unsettled;
    ++lane.unanswered;
  }
  // The transaction was not begun after all; the row is as it was.
  void Return(Lane& lane) {
    --begun_;
    --lane.unsettled;
    --lane.unanswered;
  }

  // The row has its outcome; `outcome.pack` and `outcome.index` are set here.
  void Settle(Lane& lane, const Claim& claim, queue::Outcome outcome);

  // The row's final dot may be sent once what has the number that this returns is durable.
  uint64_t Intend(const Claim& claim, uint16_t attempt, absl::Time date);
  uint64_t durable() const { return durable_; }
  // Notified whenever durable() grows.
  Signal& grown() { return grown_; }

  // Gives the store what has gathered; called at the end of every turn of the ring.
  void Flush();
  // The same with what is still gathering.
  void FlushAll();

  // The store has made every outcome up to this number durable.
  void OnDurable(uint64_t number);

  int begun() const { return begun_; }
  bool empty() const { return begun_ == 0; }

 private:
  struct Awaited {
    uint64_t number;
    Lane* lane;
    absl::Time due;                    // of a deferral that ends; else InfiniteFuture
    std::shared_ptr<const void> kept;  // until then
  };

  // Three quarters of the share are in use.
  bool Scarce() const { return begun_ >= share_ - share_ / 4; }
  void HandOver(OpenPack& open, Lane* lane);
  void HandOverAll();
  // Without packs that are better settled later.
  void HandOverRipe();

  const ShardServices& services_;
  const int share_;
  Callbacks callbacks_;
  Timer linger_timer_;

  int begun_ = 0;
  int gathered_ = 0;  // outcomes that were not handed over
  int newly_ = 0;     // of those, since something was
  uint64_t last_number_ = 0, durable_ = 0;
  Signal grown_;
  std::vector<std::pair<std::shared_ptr<OpenPack>, Lane*>> lingering_;
  std::vector<std::vector<queue::Outcome>>
      spare_;  // empty, for packs that get their first outcome: memory in use again
  std::vector<queue::Outcome> batch_;
  std::vector<queue::Intent> intents_;
  std::vector<Awaited> awaited_;  // in the order of their numbers
};

}  // namespace sealift::engine
