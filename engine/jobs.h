#pragma once

#include <condition_variable>
#include <functional>
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
#include "engine/queue_filter.h"
#include "engine/units.h"
#include "queue/store.h"

namespace sealift::engine {

// Job is a move of rows that an operator ordered: queued rows bounced or expired, or settled rows replayed.
struct Job {
  enum class Kind : uint8_t { kBounce, kExpire, kReplay };
  enum class State : uint8_t { kRunning, kDone, kCancelled, kFailed };

  uint32_t number = 0;
  Kind kind = Kind::kBounce;
  State state = State::kRunning;
  QueueFilter filter;
  std::string reason, by;
  absl::Time created;  // rows that were accepted, or settled, later are not its
  absl::Time ended = absl::InfiniteFuture();
  std::string why;  // of a failure

  // Of a replay.
  queue::OutcomeKind outcome = queue::OutcomeKind::kBounced;
  std::string matching;  // of the last reply; empty: any
  absl::Time since = absl::InfinitePast();
  Rate rate;  // unlimited: a tenth of what binds each destination
  std::optional<absl::Duration> expires_in;

  // Its progress, written with the rows that it counts.
  uint64_t total = 0;  // counted when it began
  uint64_t moved = 0, suppressed = 0;
  std::map<std::string, absl::Time> paced;  // of a replay, by domain: the next one's time

  std::string Id() const;  // "j3"
  std::string ToText() const;
  // DataLoss: not what ToText wrote.
  static absl::StatusOr<Job> Parse(uint32_t number, std::string_view text);
};

std::string_view ToString(Job::Kind kind);    // bounce, expire, replay
std::string_view ToString(Job::State state);  // running, done, cancelled, failed

// Jobs moves rows in the background, a bounded number a commit, with a record of what was moved in the same commit: a
// kill in the middle loses and doubles nothing, and the next start goes on.
//
// While a job works, a hold keeps its rows from being claimed; what is being sent already is waited for, a lane at a
// time, so that one slow destination keeps a job from its own rows only.
//
// Owned by:  the node.
// Threads:   any but a shard's; blocks. It moves rows on a thread of its own.
// Errors:    sentences an operator can act on, with an exit code.
class Jobs {
 public:
  // What it needs of the node.
  struct Node {
    // Of these lanes, whether some shard may still have claimed what is held by now.
    std::function<std::vector<bool>(const std::vector<queue::LaneId>&)> claimed;
    // Rows of the lane are gone, or are back and due then.
    std::function<void(const queue::LaneId&, int64_t queued, int64_t retrying, absl::Time due)> revise;
    // The campaign has rows again.
    std::function<void(queue::CampaignId)> refilled;
    std::function<std::string(const std::string& domain)> provider_of;
    // The lowest rate at which mail of the campaign may go to the domain.
    std::function<Rate(const queue::Campaign&, const std::string& domain)> limit_of;
    // Whether the pool of the campaign's stream has that source.
    std::function<bool(const queue::Campaign&, const std::string& source)> leaves_from;
    // What a campaign's rows are sent as.
    std::function<queue::Mailing(const queue::Campaign&)> mailing_of;
    // Ok, or why nothing is sent, and so nothing replayed: the node was restored.
    std::function<absl::Status()> may_send;
    // Whether somebody has the names that a filter says.
    std::function<absl::Status(const QueueFilter&)> check_names;
    // How many queued rows a filter means.
    std::function<absl::StatusOr<uint64_t>(const QueueFilter&)> count;
    // Rows of a stream have been settled.
    std::function<void(const std::string& stream, Job::Kind, uint64_t rows)> settled;
  };
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

  // Goes on with what was running when the node stopped.
  absl::Status Open();
  // Ends its thread between two steps; the next start goes on.
  void Stop();

  // How many rows it would move now: exactly, but for what arrives or is settled meanwhile.
  absl::StatusOr<uint64_t> Count(const Request& request);
  absl::StatusOr<Job> Start(const Request& request, const Holds::Given& given, absl::Time now);
  // What it has moved stays moved. NotFound: there is no such job.
  absl::StatusOr<Job> Cancel(std::string_view id);
  absl::StatusOr<Job> Find(std::string_view id) const;
  std::vector<Job> List() const;  // the newest first
  // Forgets what ended before that time.
  absl::Status Forget(absl::Time before);

 private:
  struct Work;  // a job while it runs

  absl::Status Check(const Request& request, QueueFilter* understood) const;
  absl::Status Write(const Job& job);
  void Publish(const Job& job);

  void Run();
  std::unique_ptr<Work> Begin(Job job);
  // Does a little of the job; false: it waits for something.
  bool Step(Work& work);
  bool Settle(Work& work);
  bool Replay(Work& work);
  void End(Work& work, Job::State state, std::string why);

  absl::Status ListCampaigns(Work& work);
  bool ReadLanes(Work& work);
  LaneFacts FactsOf(Work& work, const queue::Campaign& campaign, const queue::LaneId& lane, const std::string& domain);
  bool MeansParked(Work& work, const queue::Campaign& campaign, const queue::ParkedRow& parked);
  // When the next row to that domain is to go.
  absl::Time NextPaced(Work& work, const queue::Campaign& campaign, const std::string& domain, absl::Time now);

  queue::Store& store_;
  Holds& holds_;
  const Node node_;
  mutable std::mutex mutex_;  // guards the rest
  std::condition_variable wakes_, ended_;
  std::map<uint32_t, Job> jobs_;  // as they were last written
  uint32_t next_number_ = 0;
  std::vector<std::unique_ptr<Work>> running_;  // what they point at is the thread's
  std::vector<uint32_t> cancelled_;             // to be ended
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sealift::engine
