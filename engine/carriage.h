#pragma once

#include "absl/time/time.h"
#include "engine/limits.h"

namespace sealift::engine {

// Carriage is what a session has of the limits on how many connections carry the mail of a stream, or of a campaign, at
// once. A connection is its path's, by which mail of several goes: it counts for whom it is being opened, then for
// those whose message it has, up to the first that is not theirs, and for nobody while it is idle.
//
// A session that always has more mail gives way after a turn, where other paths have none that may carry theirs.
//
// Owned by:  its session, and what it has is given back with it.
// Threads:   the shard's.
// Time:      the caller passes `now`.
class Carriage {
 public:
  // How long a session that gave way leaves to others what it had: they look again within that.
  static constexpr absl::Duration kLeftToOthers = absl::Milliseconds(300);

  // `of_path`: what all sessions of its path have.
  explicit Carriage(SharedSlots& of_path) : of_path_(of_path) {}
  Carriage(const Carriage&) = delete;
  Carriage& operator=(const Carriage&) = delete;
  ~Carriage() { Release(); }

  // Whether it may carry mail that is counted in these: takes one of each that it has not yet, or none and calls.
  bool Take(const SharedSlots& counts, absl::Time now);
  // It carries no other mail any more.
  void KeepOnly(const SharedSlots& counts);
  void Release() { KeepOnly({}); }

  // Between two messages: whether it is to give up what it has had for a `turn`, once its last message is answered.
  bool IsToGiveWay(absl::Duration turn, absl::Time now);
  void GiveWay(absl::Time now);

  // A path of which nothing is counted there calls on who gives way.
  static void Call(const SharedSlots& counts, const SharedSlots& of_path, absl::Time now);

 private:
  SharedSlots& of_path_;
  SharedSlots has_;
  absl::Time since_ = absl::InfinitePast(), left_until_ = absl::InfinitePast();
  bool gives_way_ = false;
};

}  // namespace sealift::engine
