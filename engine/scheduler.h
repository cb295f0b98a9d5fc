#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "engine/attempt.h"
#include "engine/carriage.h"
#include "engine/directory.h"
#include "engine/lane.h"
#include "engine/lane_table.h"
#include "engine/paths.h"
#include "engine/recipient_cap.h"
#include "engine/runtime/task_group.h"
#include "engine/settler.h"
#include "engine/shard_services.h"
#include "engine/sign_ahead.h"
#include "engine/site.h"
#include "engine/suppression_overlay.h"

namespace sealift::engine {

struct Sending;

// A row that a session is to send, with its permits taken.
struct Assignment {
  Claim claim;
  Lane* lane = nullptr;
  SendQueue* queue = nullptr;
  std::shared_ptr<const SendPermits> permits;      // null: none were asked
  std::shared_ptr<SignedMessage> message;          // null: the session renders it
  absl::Time permitted = absl::InfinitePast();     // when they were taken
  bool intended = false;                           // the store knows that its final dot may be sent
  std::shared_ptr<RecipientCap::Place> under_cap;  // it is under way to a recipient whose messages are counted
};

// Gives back what was taken for a row that is not sent.
void ReturnPermits(const Assignment& assignment, absl::Time now);

// Scheduler decides which row goes next, and keeps the account of every row that this shard has claimed.
//
// A site's queues stand in the order of their streams: transactional before marketing, then by priority; queues of
// equal standing take turns of as many messages as their campaigns weigh, the lanes of a queue of as many
// rows as a pack may hold. A row leaves its lane only with a permit of every limit that binds it, and only while its
// outcome could be settled.
//
// Owned by:  the shard.
// Threads:   the shard's.
class Scheduler {
 public:
  // Of what is asked for no stream in particular: it never waits behind another.
  static constexpr uint8_t kNoStanding = 255;
  // How often rows that a limit keeps waiting for long are looked through for those whose time is over.
  static constexpr absl::Duration kLookAfterExpiries = absl::Seconds(5);
  // A lane that has made room for others is looked at again by then, but where no host answers: what keeps it may have
  // been lifted.
  static constexpr absl::Duration kLookAgain = absl::Minutes(5);

  Scheduler(ShardServices& services, int unsettled_share);
  ~Scheduler();

  void Run(std::shared_ptr<ActiveCampaign> campaign) { lanes_.Run(std::move(campaign)); }
  void Stop(queue::CampaignId campaign, std::function<void()> done) { lanes_.Stop(campaign, std::move(done)); }

  // What waits for its due time in this lane is due now.
  void MakeDue(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign, absl::Time due,
               std::function<void(absl::StatusOr<uint64_t>)> done);

  // A lane whose site this shard owns, from the shard that resolved it. It binds this shard to the holds that it was
  // found under: one that has ended there would keep it here, where no pass looks for it again.
  void Receive(LaneHandover handed);
  // A lane that was handed over is not there any more, and is due then.
  void HandedBack(queue::CampaignId campaign, absl::Time when) { lanes_.HandedBack(campaign, when); }

  // The next row for a session on `path`, which may carry it; or nothing, and why. kReserved: of transactional streams
  // alone.
  std::optional<Assignment> Next(Path& path, Refusal& refusal, Carriage& carriage,
                                 Slots::For what = Slots::For::kAnything);
  // The same without asking any limit: for a path that failed, so that a row has that as its outcome.
  std::optional<Assignment> Head(Path& path);

  // The row has its outcome.
  void Conclude(const Assignment& assignment, const Attempt& heard);
  // Nothing was said about the row: it is the next of its lane again. What was said of us instead, if anything, is
  // heard.
  void Return(const Assignment& assignment);
  void ReturnAndHear(const Assignment& assignment, Attempt of_us);
  // A host said this while a session was opened, and no row has it as its outcome; `begun`: when the session turned to
  // it. `attempt` becomes what the rules make of it. Returns until when they suspend the path; InfinitePast: they do
  // not.
  absl::Time HearOpening(const Path& path, Attempt& attempt, absl::Time begun);
  // Just before MAIL: whether nothing that became known since the row was claimed forbids to send it. False: the row
  // has its outcome or was given back, and is not the session's any more.
  bool Confirm(const Assignment& assignment);

  // Whether the row's recipient may have another message of its stream now; asks the disk where the stream has a cap.
  // False: the row is not the session's any more.
  Task<bool> Admit(Assignment& assignment);

  // Whether the row's stream would rather hold a message than send it twice.
  bool HoldsInDoubt(const Assignment& assignment) const;
  // Waits until the store knows that the row's final dot may be sent. From then on the row has an outcome.
  Task<absl::Status> Intend(Assignment& assignment, absl::Time date);

  // Somebody was suppressed.
  void Hear(const queue::SuppressionNews& news);
  // Gives back what was claimed and is not being sent, so that it is read and judged again: more was suppressed than
  // Hear was told, or somebody is suppressed no more.
  void JudgeAgain();

  // Rows of the campaign were settled or moved whoever has claimed them.
  void Reread(std::shared_ptr<ActiveCampaign> campaign);

  // False: the outcome of a transaction could not be committed, so none begins.
  void AllowSending(bool allowed);

  // New options and keys are in force: limits, queues, paths and signatures follow.
  void Adopt(std::shared_ptr<const Options> options, std::shared_ptr<const SigningKeys> keys);

  // What limits its queues has changed: a source has become warm somewhere.
  void Reconfigure();
  // The clock was set, forward or back, up to a second ago: what waits for a time of it waits until it is that. Pauses
  // are by a clock that nobody sets (ShardServices::SteadyNow).
  void OnClockSet();

  // Other holds are in force: what they keep is not claimed any more, and what is free again is read.
  void AdoptHolds(std::shared_ptr<const HoldSet> holds);

  // Whether the lane may still have claimed something that is held by now.
  bool MayHaveClaimed(const queue::LaneId& id);
  // A lane that no shard had has rows again.
  void TakeUp(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign);
  // Rows of the lane were settled, or came back, by an operator's order; `due`: when the first that came back is.
  void Revise(const queue::LaneId& id, int64_t queued, int64_t retrying, absl::Time due);

  // Nothing more is begun, and sessions that have no transaction end. Returns when nothing is under way.
  Task<void> Drain();

  void EndOfTurn();
  void OnDurable(uint64_t number) { settler_.OnDurable(number); }

  // The path is blocked: where that is for lack of TLS, rows that are not to wait for it come back.
  void BounceForNoTls(Path& path);

  // Rows whose time is over have that as their outcome, whatever they wait for.
  void Expire(Site& site);

  // The block of a path is over: its domains may have other hosts by now.
  void Refresh(Site& site);

  bool draining() const { return draining_; }
  ShardServices& services() { return services_; }
  Paths& paths() { return paths_; }
  LaneTable& lanes() { return lanes_; }
  Directory& directory() { return directory_; }
  const Settler& settler() const { return settler_; }

  // A session may soon ask for rows of this queue.
  void Prepare(SendQueue& queue) {
    if (queue.signer != nullptr) sign_ahead_.Fill(queue);
  }
  // Another session would find a row to send.
  bool HasRowToSend(SendQueue& queue) { return queue.signer == nullptr || sign_ahead_.IsReady(queue); }
  // The last session of the site has ended.
  void Unprepare(Site& site);

  // The queue's permits ask for what replies have put on its mail by now, on whichever shard they were heard. To be
  // called before they are looked at.
  void Restrain(SendQueue& queue);
  // From where the queue's rows may leave, but for what holds bar: its pool's sources, and for mail that waits for
  // warm-ups those of the pools that take over what one of them may not send yet.
  std::vector<int> SourcesOf(const SendQueue& queue);
  // What the queue would ask for if it left from the sources that holds bar.
  std::vector<std::shared_ptr<const SendPermits>> BarredPermits(const SendQueue& queue);
  // Why the rows of a lane wait now.
  Refusal WhyWaiting(const Lane& lane);

 private:
  void OnFound(Lane& lane);
  void OnResolved(Lane& lane, Site& site);
  void OnElsewhere(Lane& lane, const SiteIdentity& identity, int shard);
  void OnFailed(Lane& lane, LaneVerdict verdict);
  void OnRows(Lane& lane);
  void OnRewound(Lane& lane);
  void OnForgotten(Lane& lane);
  // Until when no path that the lane's rows may take is open to them: it is blocked, their window is closed, a limit is
  // spent. A time that is past: one is open.
  absl::Time BlockedUntil(const Lane& lane);
  void OnRoom();

  // What holds and routes say of the lane from now on, at that site.
  void Place(Lane& lane, Site& site);
  // What they say may be another thing now: lanes that it concerns begin anew.
  void HoldAgain();
  void Leave(Lane& lane);
  SendQueue& QueueOf(Site& site, const Lane& lane);
  void Configure(SendQueue& queue);
  // What a message of the queue asks for before it leaves from this source, whether a hold bars it or not.
  std::shared_ptr<SendPermits> PermitsFrom(const SendQueue& queue, const Sending& sending, int source);
  // Why nothing of the queue leaves by the path now. kNone: it may.
  Refusal WhyPathWaits(const SendQueue& queue, const SendPermits& permits, const Path& path);
  // What keeps the lane from a source that a hold bars for longest: the hold, or a block or limit that outlasts it.
  Refusal WhyBarred(const Lane& lane, const SendPermits& permits);
  // Every queue and path is as the options in force say.
  void ConfigureAll();
  void PumpAll();
  void Order(Site& site);
  void List(Lane& lane);
  void Unlist(Lane& lane);
  void ConcludeVerdict(Lane& lane);
  Assignment TakeFront(SendQueue& queue, std::shared_ptr<const SendPermits> permits);
  bool ExpireFront(SendQueue& queue, absl::Time now);
  // It is known that the recipient has had enough: the row waits, and costs no permit and no connection.
  bool PostponeFront(SendQueue& queue, absl::Time now);
  void ExpireReady(SendQueue& queue);
  bool MayBegin(Settler::For what = Settler::For::kAnything);
  // What the rules make of a negative reply: of its row, and of where it was heard. `rule` becomes the one that
  // decided.
  void Respond(const Assignment& assignment, Attempt& attempt, std::string& rule);
  void Settle(const Assignment& assignment, queue::Outcome outcome);
  void SettleWithheld(Lane& lane);
  void Withhold(const Assignment& assignment);
  // It is tried again then, and no attempt was made.
  void Postpone(const Assignment& assignment, absl::Time until, std::string why);
  void KeepHeld(const Assignment& assignment);
  // Whether a stream becomes transactional, or ceases to be: other suppressions bind it then.
  static bool KindsChange(const Options& before, const Options& after);

  ShardServices& services_;
  TaskGroup lookups_;
  Settler settler_;
  Paths paths_;
  LaneTable lanes_;
  Directory directory_;
  SuppressionOverlay suppressed_since_;
  SignAhead sign_ahead_;
  RecipientCap recipient_cap_;
  int64_t queues_made_ = 0;
  bool draining_ = false;
  bool allowed_ = true;
  bool starved_ = false;                              // something waits for outcomes to become durable
  absl::flat_hash_set<queue::LaneId> starved_lanes_;  // whose rows do, that no session asks for
  Signal settled_;
};

}  // namespace sealift::engine
