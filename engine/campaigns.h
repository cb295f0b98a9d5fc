#pragma once

#include <functional>
#include <future>
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
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/active_campaign.h"
#include "engine/options.h"
#include "engine/pause_history.h"
#include "engine/shard.h"
#include "queue/store.h"

namespace sealift::engine {

// Campaigns starts, pauses and ends campaigns: what an operator decides becomes durable in the store first, then known
// to every shard.
//
// A campaign is stamped with the delivery mode that it was loaded under and is never sent under the other.
//
// Owned by:  the node.
// Threads:   any but a shard's; blocks. One decision at a time.
class Campaigns {
 public:
  struct Surroundings {
    // Ok, or why nothing of any campaign is sent.
    std::function<absl::Status()> may_send;
    // So many more of the campaign's rows were cancelled: it was as this says before. May be empty.
    std::function<void(const queue::Campaign& before, uint64_t rows)> cancelled;
    // Whether nothing is about to bring rows of the campaign back. Empty: nothing ever is.
    std::function<bool(const queue::Campaign&)> stays_settled;
  };
  Campaigns(queue::Store& store, const std::vector<std::unique_ptr<Shard>>& shards, Delivery delivery,
            Surroundings surroundings);

  // Sends on with what was running when the node stopped, unless nothing may be sent, and knows again what is to start
  // by itself. Where it fails nothing is sent.
  absl::Status Recover();

  absl::StatusOr<queue::Campaign> Find(std::string_view name);

  absl::Status Start(std::string_view name);
  // What its load asked for: a start at once, or at a time that has come. True: it is being sent.
  absl::StatusOr<bool> StartLoaded(std::string_view name, bool start, std::optional<absl::Time> at);
  // Also calls off the start of one that is ready and would start by itself: `resume` or `start` sends it all the same.
  // One that is paused already keeps its cause.
  absl::Status Pause(std::string_view name, const PauseCause& cause);
  // Of one that is paused; nothing where nobody has said.
  std::optional<PauseCause> WhyPaused(const queue::Campaign& campaign) const;
  PauseHistory PausesOf(std::string_view name) const;
  absl::Status Resume(std::string_view name, const PauseCause& cause);
  // Nothing new of it is begun from here on; it is cancelled once what is being sent has ended. kTryLater when that
  // takes longer than `patience`: FinishCancelling does it then, also after a restart. Meanwhile it is paused, and
  // other decisions are not kept up.
  absl::StatusOr<queue::Campaign> Cancel(std::string_view name, bool erase, absl::Duration patience);
  // Cancels those of which nothing is being sent any more.
  void FinishCancelling();

  // The campaign that was cancelled then runs again, with nothing queued yet, for a replay of what was cancelled.
  // Denied as CheckMode says.
  absl::Status Reopen(const queue::Campaign& cancelled, const PauseCause& cause);
  // Rows came back to a campaign: if it runs, they are sent.
  absl::Status Refilled(queue::CampaignId id);

  // Starts what was loaded with --start-at and is due. While nothing is, it is one comparison.
  void StartDue(absl::Time now);
  // Erases what has had nothing queued, running or not, for as long as its erase_after says: all but its counts and
  // its events goes. The time counts from when this first saw it so; a row that is queued again begins it anew.
  void EraseDue(absl::Time now);

  // Null unless it is running.
  std::shared_ptr<ActiveCampaign> Active(queue::CampaignId id) const;

  static std::string_view ModeName(Delivery delivery) { return delivery == Delivery::kSink ? "sink" : "live"; }
  static bool Done(const queue::Campaign& campaign) {
    return campaign.state == queue::CampaignState::kRunning && campaign.load_complete &&
           campaign.counters.queued() == 0;
  }

  // Denied when it was loaded under the other delivery mode.
  absl::Status CheckMode(const queue::Campaign& campaign) const;

 private:
  absl::Status Remember(std::string_view name, const PauseHistory& pauses);
  // Running from here on: durable first, then known to the shards.
  absl::Status SendOn(const queue::Campaign& campaign);
  absl::Status Activate(const queue::Campaign& campaign);
  // The halves of it; only the first can fail.
  absl::StatusOr<std::shared_ptr<ActiveCampaign>> Prepare(const queue::Campaign& campaign);
  void Send(const std::shared_ptr<ActiveCampaign>& active);
  // It is ready: when it is to start by itself, if it is, is kept in mind.
  void Schedule(const queue::Campaign& campaign);
  std::optional<queue::CampaignId> TakeDue(absl::Time now);
  // Takes the campaign's rows back from every shard; `done` once all have returned what they could.
  void Deactivate(queue::CampaignId id, std::function<void()> done);
  // One that waits until what is being sent has ended.
  struct Cancelling {
    bool erase = false;
    std::shared_future<void> returned;
  };
  // Begins it, unless it is under way already; decision_ is held.
  absl::StatusOr<std::shared_future<void>> BeginCancelling(const queue::Campaign& campaign, bool erase);
  // Nothing of it is being sent; decision_ is held.
  absl::StatusOr<queue::Campaign> Finish(queue::CampaignId id, bool erase);
  // Ok, unless it is being cancelled.
  absl::Status CheckStays(const queue::Campaign& campaign) const;

  queue::Store& store_;
  const std::vector<std::unique_ptr<Shard>>& shards_;
  const Delivery delivery_;
  const Surroundings surroundings_;
  std::mutex decision_;       // one at a time
  mutable std::mutex mutex_;  // guards the next four
  std::map<queue::CampaignId, Cancelling> cancelling_;
  std::map<queue::CampaignId, std::shared_ptr<ActiveCampaign>> active_;
  std::set<std::pair<absl::Time, queue::CampaignId>> starts_;  // whoever is not ready any more then is passed over
  std::map<std::string, PauseHistory, std::less<>> pauses_;    // by the campaign's name
  // What each campaign's settings say of erasing, which never changes. Of EraseDue's thread.
  std::map<queue::CampaignId, absl::Duration> erase_after_;
};

// The template of a stored campaign, compiled.
absl::StatusOr<Template> CompileTemplate(const queue::CampaignSpec& spec);

}  // namespace sealift::engine
