#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "dns/answer.h"
#include "engine/active_campaign.h"
#include "engine/attempt.h"
#include "engine/bound_rates.h"
#include "engine/carriage.h"
#include "engine/fair_queueing.h"
#include "engine/hold_set.h"
#include "engine/lane.h"
#include "engine/limits.h"
#include "engine/metrics.h"
#include "engine/options.h"
#include "engine/precedence.h"
#include "engine/reception.h"
#include "engine/restraints.h"
#include "engine/runtime/signal.h"
#include "engine/runtime/timer_wheel.h"
#include "engine/shaping/send_window.h"
#include "engine/tls_requirement.h"

namespace sealift::engine {

class DkimSigner;
class Scheduler;
struct Path;
struct SignedMessage;
struct Site;

// Why nothing may be sent right now, and until when. `rate` names the limit where it is one.
struct Refusal {
  enum class Kind : uint8_t {
    kNone,
    kNoRows,
    kRate,
    kUnsettled,
    kStorage,
    kSigning,
    kBackoff,
    kNoTls,
    kWindow,       // the stream's send window is closed
    kConnections,  // as many connections are open as a limit allows
    kHold,         // an operator's order bars the source
  };
  Kind kind = Kind::kNone;
  std::shared_ptr<RateInForce> rate;  // kRate
  std::shared_ptr<const Hold> hold;   // kHold
  absl::Time until = absl::InfinitePast();
};

// What no host of a site has offered.
enum class Lack : uint8_t {
  kNone,        // nothing of TLS: a host did not answer as it should
  kPromised,    // TLS that a host had promised: it may be under attack, and nothing bounces for it
  kTls,         // the TLS that the path requires
  kRequireTls,  // REQUIRETLS, over TLS and by hosts that are who they say: nobody can have taken the offer out
};

// A path that failed waits, longer each time. One row is tried when it ends; the others stay queued, untouched.
struct Block {
  absl::Time until = absl::InfinitePast();
  int failures = 0;  // in a row
  Lack lack = Lack::kNone;
  bool looked_up = false;  // since it is over, whether the domains have other hosts now
  Attempt attempt;         // what failed, redacted: "mx1.d1.test [127.0.0.5]: connection refused"
};

// What one source needs to send for one SendQueue: the rates that must all permit it, and the counters that it adds to.
struct SendPermits {
  int source = 0;  // index into Options::sources
  std::vector<BoundRate> rates;
  std::vector<BoundRate> connection_rates;  // at which connections are opened for its mail
  // What the source may send there on a day of its warm-up; null: it is warm. It is among `rates` where rows wait for
  // it; else they count and do not wait.
  std::shared_ptr<RateInForce> warmup;
  bool waits_for_warmup = false;
  int messages_per_connection = 0;  // a connection that has carried as many carries no more of its mail
  Counter* delivered = nullptr;
  Restraints::Attempts attempts;  // what a backoff is measured by

  // Whether the rate is among those for messages or for connections.
  bool Binds(const RateInForce& rate) const;
};

// A row that has left its lane to be signed before a session asks for it: engine/sign_ahead.h.
struct ReadyRow {
  Claim claim;
  Lane* lane = nullptr;
  std::shared_ptr<SignedMessage> message;
  size_t bytes = 0;  // of the message, as it was reckoned when the row came in
};

// Weighted round robin: who is served goes behind its equals after as many messages as its weight.
class Turn {
 public:
  // Counts a message. True: the turn is over.
  bool EndsWithThis(int weight) {
    if (++served_ < weight) return false;
    served_ = 0;
    return true;
  }

 private:
  int served_ = 0;
};

// SendQueue is the lanes of one campaign at one site that the same destination settings and demands bind, in the order
// of their turn.
struct SendQueue {
  Site* site = nullptr;
  std::shared_ptr<ActiveCampaign> campaign;
  const StreamOptions* stream = nullptr;  // of the options in force
  DestinationSettings settings;
  DomainSecurity security;  // of the domains of its lanes
  TlsRequirement requirement;
  std::string domain;  // of the lane that made it: what its settings were looked up for
  int lanes = 0;
  std::vector<std::shared_ptr<const SendPermits>> permits;  // a source of the stream's pool each
  SharedSlots carried_by;                                   // the connections that carry its mail are counted in these
  uint64_t restraints = 0;                                  // the generation that `permits` were made under
  HoldSet::Placement placement;                             // where operators' orders let its rows leave
  size_t next_source = 0;                                   // whose turn it is to open a session
  std::list<Lane*> ready;                                   // lanes that have rows in their window
  size_t taken_of_front = 0;                                // of the first of them, in this turn
  size_t rows_ready = 0;                                    // in their windows, and ahead
  std::shared_ptr<const DkimSigner> signer;                 // null: the stream does not sign
  std::list<ReadyRow> ahead;                                // they go before `ready`; empty without a signer
  size_t message_bytes = 0;                                 // of the largest that was signed; 0: none was
  bool waits_for_signers = false;
  bool awaits_connection = false;  // one is to be opened: those that there are have carried as many as its mail allows
  Turn turn;                       // among the queues of its standing at the site
  // When it had its last permit for a message and for a connection, or came; of ShardServices::SteadyNow.
  absl::Time had_message = absl::InfinitePast(), had_connection = absl::InfinitePast();
  absl::Time claimed = absl::InfinitePast();  // when it began to wait for a slow limit, to open a session
  Turn signing_turn;                          // ... among those that wait for the signers
  Histogram* delivery_seconds = nullptr;
  SendWindow::Span window;  // of its stream, as it was last asked; `until` is over when it is to be asked again

  bool HasRows() const { return !ahead.empty() || !ready.empty(); }
  // The row that goes next. There is one.
  const Claim& Front() const { return ahead.empty() ? ready.front()->window.front() : ahead.front().claim; }
  // The front row of the lane whose turn it is. It goes behind the others with the last row of a pack, once it had as
  // many as a pack may hold: rows of a lane that are settled together cost one write, one by one as many. There is one.
  std::pair<Lane*, Claim> PopFront();
  // It is the next of its lane again, and the lane's turn.
  void PushFront(Lane& lane, Claim claim);

  // What is transactional overtakes, then the higher priority (0 to 100); nothing without a stream.
  uint8_t Standing() const;
  Bid BidForMessage(absl::Time steady) const {
    return {.standing = Standing(), .since = had_message, .waited = steady - had_message};
  }
  Bid BidForConnection(absl::Time steady) const {
    return {.standing = Standing(), .since = had_connection, .waited = steady - had_connection};
  }
  bool transactional() const { return stream != nullptr && stream->kind == StreamKind::kTransactional; }
  // Of the connections that its settings allow, those that only transactional mail has.
  int ReservedConnections() const { return settings.reserved_for_transactional.Of(settings.connections.count); }
  // When its stream's window opens again; InfinitePast: it is open.
  absl::Time ClosedUntil(absl::Time now);
  // The stream as its rows leave: from the pool of a route where there is one. Not without a stream.
  StreamOptions RoutedStream() const;
  // Null: its pool does not have that source.
  const std::shared_ptr<const SendPermits>* PermitsOf(int source) const;
};

// Path is a site as one source and one TLS policy reach it: the sessions, the idle ones among them, and what blocks it.
struct Path {
  Path(Scheduler& by, Site& of, std::string from, const TlsRequirement& under)
      : scheduler(by),
        site(of),
        source_name(std::move(from)),
        requirement(under),
        timer(Timer::Calling<&Path::OnTimer>(this)) {}
  void OnTimer();

  Scheduler& scheduler;
  Site& site;
  const std::string source_name;
  int source = -1;      // index into Options::sources; -1: a reload has taken the source away
  std::string address;  // of the source; what is open from it counts there, whatever it is called by now
  const TlsRequirement requirement;
  int sessions = 0;
  int reserved_sessions = 0;                           // of `sessions`, those that only transactional mail has
  int fruitless = 0;                                   // sessions in a row that a host let in and took nothing from
  int in_vain = 0;                                     // ... that had no permit for a message while they were open
  absl::Time next_for_slow = absl::InfinitePast();     // after these: another may be opened for a slow limit's
  int greeted = 0;                                     // of `sessions`, those that a host has greeted
  int looking = 0;                                     // ... that were turned away and may not ask another host yet
  int answering = 0;                                   // of these, those that it has let in, ready for mail
  int taking = 0;                                      // of `answering`, those that had an answer to a message
  Signal idle;                                         // sessions that wait for a row
  Signal idle_reserved;                                // ... of a transactional stream
  Timer timer;                                         // when a refusal, a block or the pace of opening ends
  absl::Time wake_at = absl::InfinitePast();           // what `timer` is armed for
  absl::Time look_for_expired = absl::InfinitePast();  // when it looks for rows whose time is over
  absl::Time next_open = absl::InfinitePast();         // another session may be opened; by the steady clock
  absl::Time next_added = absl::InfinitePast();        // one more than there are may be; likewise
  absl::Time next_call = absl::InfinitePast();         // for a connection that others have; likewise
  absl::Duration calls_apart;                          // the last two
  bool reloaded = false;                               // there may be more open than a reload has left room for
  bool replaces = false;                               // one that is used up has just ended: its successor adds none
  std::vector<int> pool_mates;                         // sources that share a pool with its own
  // Of the stream that the last session was opened for: when a block ends.
  std::vector<absl::Duration> retry;
  std::string retry_of;
  Block block;
  Refusal refusal;    // the last one
  SharedSlots slots;  // what a session takes one of each: its source's, its providers'
  // What an open session has of them.
  struct Taken {
    SharedSlots slots;
    Slots::For what;
    bool moved = false;   // its source had another address: it leaves from there, and is counted there to its end
    bool leaves = false;  // a reload has left less room than there was open
  };
  std::list<Taken> taken;
  Carried carried;                       // what their Carriages have
  std::shared_ptr<Reception> reception;  // of its source, by what judges as one with the site

  // Whether a limit of connections for each source, pool or node counts the other's with this one's.
  bool CountsWith(const Path& other, Per per) const;
};

// Site is the set of hosts that serve a domain; domains with the same hosts are one site.
//
// Owned by:  the directory of the shard that owns it.
// Threads:   that shard's.
struct Site {
  std::string key;
  std::vector<dns::MxHost> hosts;
  std::string provider;
  std::string judge;                               // its provider's name where that is known, else "site mx.d1.test"
  std::string domain;                              // one that it serves: the one that made it
  std::vector<std::unique_ptr<SendQueue>> queues;  // the one to be served first in front
  std::vector<std::unique_ptr<Path>> paths;
  Precedence precedence;      // of transactional mail that finds the site's own connections taken
  bool maybe_unused = false;  // the directory looks at it again
  struct Heard {
    absl::Time time;
    std::string source, reply;
  };
  std::list<Heard> replies;  // the last ones, redacted

  static constexpr size_t kRepliesMax = 8;
  void Remember(absl::Time now, const Path& by, std::string reply);
  // Nothing has rows for it and nobody is connected to it.
  bool Unused() const;
  // Sessions that are counted with the path's, over all requirements.
  int SessionsWith(const Path& path, Per per) const;
  // Those that any mail may have.
  int OpenSessionsWith(const Path& path, Per per) const;
};

// Where replies to this queue's mail are heard, as rules see it.
Restraints::Place PlaceOf(const SendQueue& queue, std::string_view source);

// What holds are asked with.
LaneFacts FactsOf(const Lane& lane, const Site* site);
RowFacts FactsOf(const Claim& claim);

}  // namespace sealift::engine
