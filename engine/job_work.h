#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/holds.h"
#include "engine/job.h"
#include "engine/queue_filter.h"
#include "engine/row_count.h"
#include "engine/units.h"
#include "queue/store.h"

namespace sealift::engine {

// What jobs need of the node.
struct JobNode {
  // When a row that waits is to be due; nothing: it stays as it is.
  using DueJudge = std::function<std::optional<absl::Time>(const queue::Pack&, const queue::Row&)>;

  // Of these lanes, whether some shard may still have claimed what is held by now.
  std::function<std::vector<bool>(const std::vector<queue::LaneId>&)> claimed;
  // Rows of the lane are gone.
  std::function<void(const queue::LaneId&, int64_t queued, int64_t retrying)> revise;
  // The campaign has rows again, in these lanes.
  std::function<void(queue::CampaignId, const std::vector<queue::ReplayedRows::Lane>&)> returned;
  // The campaign, which is cancelled, runs again; the job says who ordered that and why.
  std::function<absl::Status(const queue::Campaign&, const Job&)> reopen;
  // Rows of the campaign are due sooner.
  std::function<void(queue::CampaignId)> refilled;
  std::function<std::string(const std::string& domain)> provider_of;  // empty: not known
  // Adds the providers of domains that are not among them, as far as they can be told in that time: the DNS is asked.
  // False: it was too short for all.
  std::function<bool(const std::set<std::string>& domains, absl::Duration patience,
                     std::map<std::string, std::string>& providers)>
      find_providers;
  // The lowest rate at which mail of the campaign may go to the domain.
  std::function<Rate(const queue::Campaign&, const std::string& domain)> limit_of;
  // Ok, or why nothing of the campaign is ever sent here: it was loaded under the other delivery mode.
  std::function<absl::Status(const queue::Campaign&)> check_mode;
  // Whether the pool of the campaign's stream has that source.
  std::function<bool(const queue::Campaign&, const std::string& source)> leaves_from;
  // What a campaign's rows are sent as.
  std::function<queue::Mailing(const queue::Campaign&)> mailing_of;
  // Ok, or why nothing may be written now that need not be: the disk is full, or nearly so.
  std::function<absl::Status()> has_room;
  // Ok, or why nothing is sent, and so nothing settled by a filter or replayed: the node was restored.
  std::function<absl::Status()> may_send;
  // Whether somebody has the names that a filter says.
  std::function<absl::Status(const QueueFilter&)> check_names;
  // How many queued rows a filter means, without those in doubt.
  std::function<absl::StatusOr<RowCount>(const QueueFilter&, absl::Duration patience)> count;
  // Rows of a stream have been settled.
  std::function<void(const std::string& stream, Job::Kind, uint64_t rows)> settled;
  // All that the lanes of a campaign have due later than that is due then. How many rows moved.
  std::function<absl::StatusOr<uint64_t>(queue::CampaignId, const std::vector<queue::LaneRecord>&, absl::Time due)>
      make_due;
  // As above, of the rows of one lane that the judge names; fewer once it is to stop.
  std::function<absl::StatusOr<uint64_t>(const queue::Campaign&, const queue::LaneId&, const DueJudge&,
                                         const std::atomic<bool>& stop)>
      make_rows_due;
};

// JobWork is a job while it runs, moved on a step at a time. What it has moved is durable with each step.
//
// Owned by:  the jobs.
// Threads:   one; blocks.
class JobWork {
 public:
  enum class Progress : uint8_t { kMoved, kWaits, kDone };
  // They outlive it.
  struct Services {
    queue::Store& store;
    Holds& holds;
    const JobNode& node;
    const std::atomic<bool>& stopping;  // ends a step early
  };

  // Usage: a filter that cannot be understood.
  static absl::StatusOr<std::unique_ptr<JobWork>> Of(Job job, const Services& services);
  virtual ~JobWork() = default;
  JobWork(const JobWork&) = delete;
  JobWork& operator=(const JobWork&) = delete;

  const Job& job() const { return job_; }

  // How many rows it would move now. Asked instead of any step.
  absl::StatusOr<RowCount> Count();
  // Does a little. An error is the job's end.
  absl::StatusOr<Progress> Step();
  // The campaign was cancelled: nothing of it is to be sent by this. False: that changes nothing here.
  virtual bool GiveUp(queue::CampaignId /*campaign*/) { return false; }
  // Nothing waits for it any more.
  virtual void LetGo() {}
  // What is to be said of it when it is done; empty: nothing.
  std::string Remark() const;

 protected:
  // A lane that may have rows of the job.
  struct LaneToDo {
    queue::LaneRecord record;
    const queue::Campaign* campaign = nullptr;
    std::string after;  // where the next step begins in it
  };

  JobWork(Job job, RowMatcher matcher, const Services& services);

  virtual absl::StatusOr<Progress> Move() = 0;
  // Counts what it means in rows, and adds to unplaced_.
  virtual absl::StatusOr<uint64_t> CountMeant() = 0;

  absl::Status ListCampaigns();  // once; denied where the one that the filter names is never sent here
  // Finds out whose hosts these domains have, where the filter asks.
  void FindProviders(const std::set<std::string>& domains);
  // Its provider is null while nobody knows it.
  LaneFacts FactsOf(const queue::Campaign& campaign, const queue::LaneId& lane, const std::string& domain) const;
  // Whether it may be the job's, and only the provider that the filter names is not known to be its.
  bool Unplaced(const LaneFacts& lane) const;
  // For so long the DNS is asked at once.
  absl::Duration patience() const;
  // Those of the next lanes of one campaign that may have rows of the job; nothing: there are no more lanes.
  absl::StatusOr<std::optional<std::vector<LaneToDo>>> NextLanes();

  Job job_;
  const RowMatcher matcher_;
  const Services services_;
  std::vector<queue::Campaign> campaigns_;  // of the job
  size_t campaign_ = 0;                     // the one in work
  uint64_t unplaced_ = 0;                   // rows to domains that nobody knows the provider of
  uint64_t in_doubt_ = 0;                   // rows that may have arrived, where they are left
  uint64_t other_mode_ = 0;                 // campaigns that would be of a replay under the other delivery mode

 private:
  bool listed_ = false;
  std::string lanes_cursor_;
  std::map<std::string, std::string> providers_;  // by domain, as far as they are known
  absl::Duration asks_for_;                       // the DNS, about a page
  std::optional<absl::Time> counts_until_;        // it counts only: somebody waits for the answer
};

// One for each kind of job.
std::unique_ptr<JobWork> MakeSettling(Job job, RowMatcher matcher, const JobWork::Services& services);
std::unique_ptr<JobWork> MakeReplay(Job job, RowMatcher matcher, const JobWork::Services& services);
std::unique_ptr<JobWork> MakeRetry(Job job, RowMatcher matcher, const JobWork::Services& services);

}  // namespace sealift::engine
