#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "engine/active_campaign.h"
#include "engine/lane.h"
#include "engine/lookup_memory.h"
#include "engine/shard_services.h"
#include "queue/store.h"

namespace sealift::engine {

// LaneTable keeps the lanes of one shard that are worth keeping in memory, and the windows of rows that they have read.
//
// It pages through each running campaign's lanes in the store, takes up those that have something due, and reads their
// rows in batches, a batch a turn of the ring. However long the queue, about kLanesMax lanes are here, and those of
// transactional mail beside them, which never waits behind the others: when the table is full the pages wait, and a
// shard that receives lanes from another hands back what is too much. Beyond kWaitingMax those of which nothing can be
// sent for a while give way: they are not due, their domain does not resolve, no host of their site answers, their
// window is closed, or a limit is spent. A later pass finds them again; the shard that looks after the lane's
// destination makes it, wherever its site is.
//
// Owned by:  the scheduler.
// Threads:   the shard's; the store's answers arrive through its inbox.
class LaneTable {
 public:
  static constexpr size_t kLanesMax = 16'384;
  static constexpr size_t kTransactionalMax = 2'048;  // lanes of transactional mail: they have room of their own
  static constexpr size_t kWaitingMax = kLanesMax / 4;
  // How long one that has rows must wait to give way. One that is not due gives way for less (Soon): with ten
  // thousand that wait a minute each there was no room for those that were due.
  static constexpr absl::Duration kAWhile = absl::Minutes(1);
  static constexpr int kPacksMax = 8;  // of one read
  // A lane whose window has more rows reads nothing, so a window never has more than this and one read.
  static constexpr size_t kWindowMax = static_cast<size_t>(kPacksMax) * queue::Pack::kRowsMax;

  struct Callbacks {
    std::function<void(Lane&)> found;      // a lane needs its site: it was taken up, or has lost it; perhaps again
    std::function<void(Lane&)> rows;       // rows came into its window
    std::function<void(Lane&)> emptied;    // its window was given back: nothing of it is ready any more
    std::function<void(Lane&)> rewound;    // it begins anew, and has claimed nothing: it may go another way from here
    std::function<void(Lane&)> forgotten;  // it is about to go: nothing may refer to it any more
    // Until when no row of a lane can be sent, whatever it has: a time that is past where that is not so.
    std::function<absl::Time(Lane&)> blocked_until;
  };

  LaneTable(ShardServices& services, Callbacks callbacks);

  // Takes up the campaign's lanes, now and as they become due; again after a Stop, or when it has new rows: lanes that
  // are here already hear of theirs.
  void Run(std::shared_ptr<ActiveCampaign> campaign);

  // Gives back every row of the campaign that is not being sent, and calls `done` once no row of it is unsettled.
  void Stop(queue::CampaignId campaign, std::function<void()> done);

  // A lane that another shard has resolved, and that is not here. Null: there is no room, and it was handed back.
  Lane* Receive(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign);
  // A lane that had no rows, and that nobody has.
  void TakeUp(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign);
  // A lane that this shard found and gave to another is not there any more; it is to be found again at that time.
  void HandedBack(queue::CampaignId campaign, absl::Time when);
  // The store shows this of a lane that is here: it may have fresh rows that it does not know of.
  void Compare(Lane& lane, const queue::LaneRecord& record);
  // The lane has gone to another shard. It is idle.
  void GiveAway(Lane& lane);
  Lane* Find(const queue::LaneId& id);

  // The lane may have room: reads on if so, or forgets it if there is nothing left of it.
  void Want(Lane& lane);

  // A row of the lane is durable and due then. The caller wants the lane afterwards: it may have to begin anew.
  void DueAt(Lane& lane, absl::Time due);

  // What is due at a time of the clock is looked for when it is that, by the clock as it is now.
  void OnClockSet();

  // Asks for the lane's site again at that time: its domain could not be resolved.
  void LookUpAt(Lane& lane, absl::Time when);

  // Moves what waits for its due time in this lane to `due`; `done` has the number of rows.
  void MakeDue(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign, absl::Time due,
               std::function<void(absl::StatusOr<uint64_t>)> done);

  // Gives back the window of a lane that has nothing under way, to read it again from the start.
  void Rewind(Lane& lane);

  // Makes another pass over all lanes: those that were passed over may be sent now.
  void LookAgain();

  // Reads the campaign's lanes again, also those that wait for a due time: rows of theirs were settled or moved whoever
  // has claimed them.
  void Reread(queue::CampaignId campaign);

  // Gives back every row that is not being sent; each lane is read again once what it is sending is durable.
  void GiveBack();
  void GiveBack(const std::function<bool(Lane&)>& concerned);
  void GiveBack(Lane& lane);

  // Other holds are in force. `concerned`: what binds a lane has changed, so that it is given back and judged anew.
  void HoldsChanged(const std::function<bool(Lane&)>& concerned);

  // Whether an operator keeps this row: it is counted as held then.
  bool Keep(Lane& lane, const Claim& claim);

  // What the lane's rows are sent as.
  queue::Mailing MailingOf(const Lane& lane) const;

  // Sends the reads that this turn asked for.
  void FlushReads();

  size_t size() const { return lanes_.size(); }
  void ForEach(const std::function<void(Lane&)>& visit);

 private:
  struct Pager {
    explicit Pager(LaneTable& in) : table(in), timer(Timer::Calling<&Pager::OnTimer>(this)) {}
    void OnTimer();

    LaneTable& table;
    std::shared_ptr<ActiveCampaign> campaign;
    std::string cursor;
    bool reading = false;
    bool done = false;                              // this pass has seen every lane
    bool again = false;                             // another pass was asked for meanwhile
    bool crowded = false;                           // lanes of this pass, or of the last, found no room elsewhere
    size_t lanes_read = 0, lanes = 0;               // in this pass; in the last one
    absl::Time next_page = absl::InfinitePast();    // not before: another shard is full
    absl::Time next_pass = absl::InfiniteFuture();  // when something that was passed over is due
    Timer timer;
  };
  struct Stopping {
    queue::CampaignId campaign;
    std::function<void()> done;
  };

  friend struct Lane;

  Lane& Create(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign);
  void OnDue(Lane& lane);
  void Flush(std::vector<queue::LaneRead>& reads, queue::ReadTurn turn);
  bool IsTransactional(const ActiveCampaign& campaign) const;
  // For so many more lanes; of transactional mail, for any at all.
  bool HasRoom(const ActiveCampaign& campaign, size_t lanes) const;
  // How soon a lane must be due to keep its place while there are many; passes for those that did not are as far apart.
  static absl::Duration Soon(const Pager& pager);
  void NextPage(Pager& pager);
  void OnPage(queue::CampaignId campaign, queue::LanesPage page);
  void PassOver(Pager& pager, absl::Time due);
  void OnWindows(std::vector<queue::LaneWindow> windows);
  void OnWindow(Lane& lane, queue::LaneWindow window);
  void Read(Lane& lane, bool fresh_too);
  void ArmDue(Lane& lane);
  void Discard(Lane& lane);
  void MaybeForget(Lane& lane);
  // Lanes of that kind which wait for a while are too many to be kept.
  bool Crowded(bool transactional) const;
  // The shard that looks after the lane's destination: its pages find the lane.
  int HomeOf(const queue::LaneId& id) const;
  // Nothing of the lane can be sent before `until`: it is found again then. False: nobody would find it.
  bool GiveWay(Lane& lane, absl::Time until);
  // The same for one that has rows of which none can be sent, where there is no room for it.
  bool GivesWayToOthers(Lane& lane);
  // Pages, or lanes from elsewhere, have waited for room for a while.
  void MakeRoom();
  void MakeRoomSoon();
  void Forget(Lane& lane);
  void CheckStopped();

  ShardServices& services_;
  Callbacks callbacks_;
  absl::flat_hash_map<queue::LaneId, std::unique_ptr<Lane>> lanes_;
  std::unordered_map<uint32_t, std::unique_ptr<Pager>> pagers_;  // by campaign
  std::unordered_map<uint32_t, int> lanes_of_;                   // by campaign, of those in memory
  size_t transactional_ = 0;                                     // of the lanes
  bool page_waits_ = false;                                      // for room
  Timer room_timer_;                                             // then, or where lanes were handed back
  LookupMemory lookups_;                                         // of lanes that gave way
  std::vector<Claim> retries_, fresh_;                           // of the window that has come; else empty
  std::vector<queue::LaneRead> reads_, urgent_reads_;            // of this turn; urgent: transactional
  std::vector<Stopping> stopping_;
};

}  // namespace sealift::engine
