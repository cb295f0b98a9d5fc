#pragma once

#include <cstdint>
#include <functional>
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
#include "engine/event_chain.h"
#include "queue/event.h"
#include "queue/store.h"

namespace sealift::engine {

// Restoration is what stands between a node that was restored from a backup and its queue: whatever is queued may have
// been sent since the backup was taken, and who has opted out since is not known, so that everything is in doubt and
// nothing is sent. It ends when what happened since has been taken over, or when somebody says that it ends.
//
// Owned by:  the node.
// Threads:   any but a shard's; blocks. One reconciliation at a time.
class Restoration {
 public:
  // `go_on` begins sending what is running.
  Restoration(queue::Store& store, std::string mode, std::function<absl::Status()> go_on)
      : store_(store), mode_(std::move(mode)), go_on_(std::move(go_on)) {}

  std::optional<queue::Restored> pending() const { return store_.restored(); }

  // Ok, or the sentence that says why nothing is sent and what to do. Exit 77.
  absl::Status MaySend() const;

  // Sends what is queued from here on. Durable on return.
  absl::Status Release();

 private:
  friend class Reconciliation;

  queue::Store& store_;
  const std::string mode_;
  const std::function<absl::Status()> go_on_;
  std::mutex mutex_;
};

// Reconciliation takes over what became of rows since the backup was taken: the lines of `sealift events` from the node
// that was lost, of any length and in any order, those from before the backup too.
//
//  - A row that is queued here and has an outcome there since is settled with that outcome and its evidence. What is in
//    the backup already, as the event's cursor says, settles nothing: the row may have been replayed before the backup.
//  - A row that bounced or expired here, and was replayed and delivered there since, is delivered here too; one that
//  was
//    delivered, and came back, is bounced.
//  - A row that fell in doubt there, and that nobody released, is held in doubt here too. That is known when all lines
//    have come: until then such words are kept back, and who was released. Beyond some ten thousand doubts, and a
//    multiple of that released, a row may be held that was released there.
//  - A campaign that was loaded since is not here. Its name is taken by a cancelled campaign without rows, so that
//    loading it once more, which would mail everybody twice, is refused.
//  - A campaign that was cancelled since, or erased, is cancelled or erased here too, after all that was settled.
//  - A load that was under way ends where the backup has it: its file is not accepted any further.
//
// Lines are committed some hundreds at a time; the same file again settles nothing twice.
//
// Owned by:  one request.
// Threads:   one, a blocking one.
// Errors:    with the line's number; a line of another node's, or a file that is cut short, ends it; so does one that
//            lacks events between the backup and its newest, or has none from as late as the backup, for they would be
//            sent again. What was committed holds,
//            and nothing is released.
class Reconciliation {
 public:
  struct Summary {
    uint64_t events = 0, settled = 0, known = 0, deferred = 0, lacking = 0, foreign = 0;
    uint64_t held = 0;                                 // rows that were held in doubt since, and are here too
    uint64_t masked = 0;                               // events that name nobody
    std::vector<std::string> ended, taken, cancelled;  // campaigns: whose load ended; whose names are taken; cancelled
    std::vector<std::string> running;                  // campaigns that send on, or would
    uint64_t left = 0;                                 // rows that stay queued
    absl::Time newest = absl::InfinitePast();
  };

  // `incomplete`: the events may have gaps.
  Reconciliation(Restoration& restoration, bool dry_run, bool incomplete)
      : restoration_(restoration), lock_(restoration.mutex_), dry_run_(dry_run), incomplete_(incomplete) {}

  absl::Status Feed(std::string_view bytes);
  absl::StatusOr<Summary> Finish();

 private:
  absl::Status Take(std::string_view line);
  absl::Status TakeDeferral(queue::Event event);
  absl::Status Commit();
  absl::Status CommitDoubts();
  absl::Status EndLoad(queue::CampaignId campaign);
  // Of a campaign that is not in the backup, unless it stands here already.
  absl::Status Adopt(queue::CampaignId campaign);
  absl::Status Cancel(queue::CampaignId campaign, bool erase);
  absl::Status CheckWhole() const;
  absl::Status CheckReach(uint64_t backup) const;
  absl::Status CountLeft();

  Restoration& restoration_;
  const std::unique_lock<std::mutex> lock_;
  const bool dry_run_, incomplete_;
  std::string rest_;  // of a line
  uint64_t line_ = 0;
  std::vector<queue::Event> events_;
  std::map<queue::MessageKey, queue::Event> doubts_;  // the newest of each row
  std::map<queue::MessageKey, queue::EventCursor>
      released_;  // rows that an operator has had tried again, and when last
  EventChain chain_;
  std::map<queue::CampaignId, std::pair<std::string, std::string>> names_;  // and streams, as the lines have them
  std::set<queue::CampaignId> lacking_of_, foreign_of_;
  std::map<queue::CampaignId, bool> cancelled_;     // and whether it was erased
  std::map<queue::CampaignId, uint64_t> dequeued_;  // rows that were queued here and are settled, or would be
  std::map<queue::CampaignId, uint64_t> held_;      // ... and are in doubt, or would be
  Summary summary_;
};

}  // namespace sealift::engine
