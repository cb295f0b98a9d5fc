#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/holds.h"
#include "engine/job.h"
#include "engine/job_work.h"
#include "engine/queue_filter.h"
#include "engine/row_count.h"
#include "engine/units.h"
#include "queue/store.h"

namespace sealift::engine {

// Jobs takes orders to move rows and carries them out in the background, a bounded number a commit. What is settled or
// replayed is recorded in the commit that moves it: a kill in the middle loses and doubles nothing, and the next start
// goes on. A retry, which moves due times alone, is recorded each second. What has a pace runs for as long as it takes.
//
// While rows are settled a hold keeps them from being claimed; what is being sent already is waited for, a lane at a
// time, so that one slow destination keeps a job from its own rows only. While the queue takes nothing, or the disk has
// less room than a load asks for, a job waits and says why.
//
// Owned by:  the node.
// Threads:   any but a shard's; blocks. It moves rows on a thread of its own.
// Errors:    sentences an operator can act on, with an exit code.
class Jobs {
 public:
  using Node = JobNode;
  struct Request {
    Job::Kind kind = Job::Kind::kBounce;
    QueueFilter filter;
    queue::OutcomeKind outcome = queue::OutcomeKind::kBounced;
    std::string matching;
    absl::Time since = absl::InfinitePast();
    Rate rate;
    std::optional<absl::Duration> expires_in;
  };

  Jobs(queue::Store& store, Holds& holds, Node node);
  ~Jobs();

  // Knows what was running when the node stopped.
  absl::Status Open();
  // Goes on with it, on a thread of its own.
  void Begin();
  // Ends its thread between two steps; the next start goes on.
  void Stop();

  // How many rows it would move now: exactly, but for what arrives or is settled meanwhile.
  absl::StatusOr<RowCount> Count(const Request& request);
  absl::StatusOr<Job> Start(const Request& request, const Holds::Given& given, absl::Time now);
  // What it has moved stays moved. NotFound: there is no such job.
  absl::StatusOr<Job> Cancel(std::string_view id, std::string why = "");
  absl::StatusOr<Job> Find(std::string_view id) const;
  // As it is when it has ended, or when that much time has passed.
  absl::StatusOr<Job> Await(std::string_view id, absl::Duration patience) const;
  std::vector<Job> List() const;  // the newest first
  // When each of the replays under way was ordered. What was settled and kept then is kept until it ends, however slow
  // its pace is.
  std::vector<absl::Time> ReplaysOrdered() const;
  // The campaign was cancelled: what replays under way have not brought back of it stays settled.
  void GiveUp(queue::CampaignId campaign);
  // Whether a replay under way may bring rows of the campaign back.
  bool MayReplay(const queue::Campaign& campaign) const;
  // Forgets what ended before that time.
  absl::Status Forget(absl::Time before);

 private:
  absl::Status Check(const Request& request, QueueFilter* understood) const;
  absl::Status Write(const Job& job);
  void Publish(const Job& job);

  struct Running {
    std::unique_ptr<JobWork> work;
    absl::Time rests_until = absl::InfinitePast();
  };

  void Run();
  // Does a little of the job; false: it waits for something.
  bool Step(Running& running);
  // It takes no step for a while, and says why.
  void Rest(Running& running, std::string why);
  void End(JobWork& work, Job::State state, std::string why);

  queue::Store& store_;
  const Node node_;
  std::atomic<bool> stopping_ = false;
  const JobWork::Services services_;
  mutable std::mutex mutex_;  // guards the rest
  std::condition_variable wakes_;
  mutable std::condition_variable ended_;
  std::map<uint32_t, Job> jobs_;  // as they were last written
  uint32_t next_number_ = 0;
  std::list<Running> running_;                 // each is the thread's
  std::map<uint32_t, std::string> cancelled_;  // to be ended, and who says so
  std::set<queue::CampaignId> given_up_;       // to be told to replays
  std::thread thread_;
};

}  // namespace sealift::engine
