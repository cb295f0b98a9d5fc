#pragma once

#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "engine/block_memory.h"
#include "engine/failed_hosts.h"
#include "engine/runtime/scope.h"
#include "engine/runtime/task_group.h"
#include "engine/shard_services.h"
#include "engine/site.h"
#include "engine/smtp/reply.h"

namespace sealift::engine {

class Scheduler;

// Paths opens sessions where rows wait, no faster than a receiver likes, and leaves alone for a while what does not
// answer.
//
// A path starts with one connection; while rows still wait another follows every kPace, up to the limits and to what
// the receiver is known to let in (reception.h). The first few follow as soon as each one before has had a message
// answered: a small campaign is over before there would be others. One that has carried all that it may is replaced at
// once, which does not delay the next that is added. When no host answers, or none offers the TLS that is required, the
// path is blocked: the row that was tried is deferred, the others stay queued and untouched, and the stream's retry
// schedule says when to try again.
//
// Owned by:  the scheduler.
// Threads:   the shard's.
class Paths {
 public:
  static constexpr absl::Duration kPace = absl::Milliseconds(20);
  // Another shard or another site may have given a connection back by then.
  static constexpr absl::Duration kMoreSlotsAgain = absl::Milliseconds(200);
  static constexpr absl::Duration kWorthConnecting = absl::Seconds(1);  // a permit comes while the session is opened
  static constexpr int kPromptMax = 8;                                  // sessions that need not wait for kPace
  static constexpr int kFruitlessMax = 3;                               // sessions in a row
  static constexpr int kSessionsMax = 4096;  // of one shard; marketing mail leaves a sixteenth of them free

  Paths(ShardServices& services, Scheduler& scheduler);

  // Rows of the site may wait: wakes an idle session, or opens one, or sets a timer for when one may open.
  void Pump(Site& site);

  Path& PathOf(Site& site, int source, const TlsRequirement& requirement);

  // A session of the path begins to wait for a row that any mail may have.
  void OnIdle(Path& path) { idle_.insert(&path); }

  // Calls Pump again at that time.
  void WakeAt(Path& path, absl::Time when);

  // A host has greeted the session of that visit: it has let it in, and there may be room for another, or has not.
  void OnGreeting(Path& path, Reception::Visit& visit, const Reply& greeting);
  // A session had its first answer to a message: the path works.
  void OnTaken(Path& path);
  // A session found no host that answers as it should: unless others of the path are well, it is blocked from now on.
  // `attempt` says what was found instead; where it has not begun on a row of its own, one has it as its outcome.
  void OnUnreachable(Path& path, Lack lack, const Attempt& attempt);
  // A host turned a session away that goes on to another: rules hear what it said, and `attempt` what they make of it.
  // Returns until when they suspend the path for it; InfinitePast: they do not.
  absl::Time OnTurnedAway(Path& path, Attempt& attempt, absl::Time begun);
  // A host let a session in and then took nothing: one such session is an accident, several in a row are as bad as no
  // answer. The row that met this has its outcome already.
  void OnFruitless(Path& path, Attempt attempt);
  // Nothing is kept any more for a queue that cannot use it.
  void Withdraw(const SendQueue& queue, const SendPermits& permits);
  // A session ends and has begun no message. Where each permit is worth a connection the next one waits, twice as long
  // each time.
  void OnOpenedInVain(Path& path);
  // A session ends, in the next moment, because its connection has carried all that one may: another may follow it.
  void OnUsedUp(Path& path);
  // A session has ended, whichever way.
  void OnSessionEnd(Path& path, const Path::Taken& taken);

  // Whether a session that is between two messages is to end, so that transactional mail which has none gets its
  // connection. Asked once for each session that ends: it answers a call.
  bool StandsAside(Path& path, Slots::For what, const Carriage& carriage);

  // Whether a session that is between two messages is to end because a reload has left less room than there is open, or
  // has moved its source to another address.
  bool IsTooMany(Path& path, Path::Taken& taken);

  // Whether a session that has found no row for a while is to end, because mail to elsewhere waits for its connection.
  // It answers a call too.
  bool GivesWay(const Path& path);

  // The limit that keeps a further session of the path from being opened for mail of this queue.
  struct Full {
    std::string detail, set_by;
    absl::Time until = absl::InfinitePast();  // where that is known
    std::string limit;                        // LimitStatus::name, where it is one
  };
  std::optional<Full> FullFor(const SendQueue& queue, const Path& path) const;
  // What the path's connections to its site are called as a limit, and how many are open of what binds this queue.
  static std::string NameAtSite(const Path& path);
  static std::string OpenAtSite(const SendQueue& queue, const Path& path);

  // After a reload.
  void Configure(Path& path);

  // The scope in which a session waits while it has nothing in flight, as when it looks for a host that lets it in: it
  // ends at once when the shard is to stop.
  class Stoppable {
   public:
    Stoppable(Paths& paths, Scope& session);
    Stoppable(const Stoppable&) = delete;
    Stoppable& operator=(const Stoppable&) = delete;
    ~Stoppable();

    Scope& scope() { return scope_; }

   private:
    Paths& paths_;
    Scope scope_;
  };
  void EndStoppable();

  // Wakes every idle session: there may be work, or it is time to say goodbye.
  void WakeAll();
  // Ends when every session has; after Cancel they end where they are.
  Task<void> Join() { return sessions_.Join(); }
  void Cancel() { sessions_.Cancel(); }
  size_t sessions() const { return sessions_.size(); }

  FailedHosts& failed_hosts() { return failed_hosts_; }

  // The site is being forgotten: its blocks are not.
  void Forget(const Site& site);
  const BlockMemory& blocks() const { return blocks_; }

 private:
  bool PumpPath(SendQueue& queue, Path& path);
  bool HasTurn(SendQueue& queue, Path& path);
  // When the next may be opened for a permit of a slow limit: the last ones carried nothing.
  static absl::Time OpensForSlow(const SendQueue& queue, const Path& path);
  absl::Duration OpensAhead() const;
  bool RefusedForLong(Path& path) const;
  // The limit that keeps the queue's mail from the path so long that it is not worth connecting. kNone: none does.
  Refusal RefusedForLong(SendQueue& queue, const Path& path) const;
  // Whether a session of the path may have the queue's next row.
  bool MayCarry(SendQueue& queue, const Path& path, const Carriage& carriage) const;
  // As many sessions are open as the shard has for mail of this queue.
  bool HasAll(const SendQueue& queue) const;
  // Transactional mail has no connection, and one that others have is called off; not while a limit of the queue's own
  // keeps it waiting anyway. The next call comes later each time: who hears one stands back for a while.
  void Call(Precedence& precedence, SendQueue& queue, Path& path);
  // Whether one that the site counts with the path's may go to other mail than the path's.
  static bool OthersHaveRoomAtSite(const SendQueue& queue, const Path& path);
  // Whoever waits idly on one of these is asked whether it still needs it.
  void WakeIdle(const Path& path);
  // For what the queue's next session may be opened, as far as the site's own limit goes; nothing: it has enough.
  static std::optional<Slots::For> RoomAtSite(const SendQueue& queue, const Path& path);
  // Sessions that are open count in what limits the path by now.
  static void AdoptSlots(Path& path);
  static bool IsOverAtSite(const Path& path, Slots::For what);
  // Other connections of the path are well: the host has as many as it likes.
  void OnFull(Path& path);
  // The receiver says so itself, or may: one of several connections is refused.
  void OnOneTooMany(Path& path, int code);
  // False: no row was there to have it as its outcome.
  bool BlockPath(Path& path, Lack lack, const Attempt& attempt);

  ShardServices& services_;
  Scheduler& scheduler_;
  FailedHosts failed_hosts_;
  BlockMemory blocks_;
  TaskGroup sessions_;
  absl::flat_hash_set<Stoppable*> stoppable_;
  absl::flat_hash_set<Path*> idle_;  // whose sessions wait for rows, or have waited
};

}  // namespace sealift::engine
