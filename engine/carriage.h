#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "engine/limits.h"

namespace sealift::engine {

// What the sessions of a path have of the limits that Carriage keeps.
struct Carried {
  SharedSlots slots;  // one for each session that has it
  // One of them has given way: until then none takes what others still call for.
  absl::Time left_until = absl::InfinitePast();
};

// Carriage is what a session has of the limits on how many connections carry the mail of a stream, or of a campaign, at
// once. A connection is its path's, by which mail of several goes: it counts for whom it is being opened, then for
// those whose message it has, up to the first that is not theirs, and for nobody while it is idle.
//
// A session that always has more mail gives way after a turn, where other paths have none that may carry theirs, and
// at once where a reload has left less room than was taken.
//
// Owned by:  its session, and what it has is given back with it.
// Threads:   the shard's.
// Time:      the caller passes `now`, by the steady clock.
class Carriage {
 public:
  explicit Carriage(Carried& of_path) : of_path_(of_path) {}
  Carriage(const Carriage&) = delete;
  Carriage& operator=(const Carriage&) = delete;
  ~Carriage() { Release(); }

  // Whether it may carry mail that is counted in these: takes one of each that it has not yet, or none and calls.
  bool Take(const SharedSlots& counts, absl::Time now);
  // Whether Take would do so.
  bool MayTake(const SharedSlots& counts, absl::Time now) const;
  // It carries no other mail any more.
  void KeepOnly(const SharedSlots& counts);
  void Release() { KeepOnly({}); }

  // Between two messages: whether it is to give up what it has, once its last message is answered.
  bool IsToGiveWay(absl::Duration turn, absl::Time now);
  void GiveWay(absl::Time now);

  // Whether a session of the path that has none of them may take one of each.
  static bool MayTake(const SharedSlots& counts, const Carried& of_path, absl::Time now);
  // A path that has none of one of them calls on those who are to give way.
  static void Call(const SharedSlots& counts, const Carried& of_path, absl::Time now);

  int64_t messages = 0;  // that its connection has begun
  bool used_up = false;  // mail waits whose connections carry no more than that

 private:
  enum class GivesWay : uint8_t { kNo, kToCallers, kToLimit };

  Carried& of_path_;
  SharedSlots has_;
  absl::Time since_ = absl::InfinitePast();
  GivesWay gives_way_ = GivesWay::kNo;
};

}  // namespace sealift::engine
