#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/hold_set.h"
#include "engine/options.h"
#include "queue/store.h"

namespace sealift::engine {

// Holds keeps what operators have ordered of rows and sources: holds, suspensions of a source, and routes to another
// pool. Each has an id and a history; what is in force survives a restart and binds rows that arrive later.
//
// An order is durable and known to every shard when its method returns: from then on nothing that it keeps is begun,
// though what is between MAIL and the final dot ends.
//
// Owned by:  the node.
// Threads:   any but a shard's; blocks. One change at a time.
// Errors:    sentences an operator can act on, with an exit code; none repeats an address.
class Holds {
 public:
  static constexpr size_t kInForceMax = 1000;  // each is asked of every lane

  // Returns once every shard has adopted the set.
  using Publish = std::function<void(std::shared_ptr<const HoldSet>)>;
  using ReadOptions = std::function<std::shared_ptr<const Options>()>;
  struct Given {
    std::string reason, by;
  };
  struct Request {
    Hold::Kind kind = Hold::Kind::kHold;
    QueueFilter filter;
    std::string to_pool;                         // of a route
    std::optional<absl::Duration> for_duration;  // none: until it is ended
  };
  // Which are to be ended: the one with this id; or all of these kinds whose rows the filter covers.
  struct Which {
    std::string id;
    std::vector<Hold::Kind> kinds;
    QueueFilter filter;
  };

  Holds(queue::Store& store, ReadOptions options, Publish publish);

  // Reads what was in force when the node stopped; before the shards run, which begin with it.
  absl::Status Open(absl::Time now);
  std::shared_ptr<const HoldSet> in_force() const;

  // Whether it could be placed, and how it is understood.
  absl::StatusOr<Hold> Check(const Request& request) const;
  absl::StatusOr<Hold> Place(const Request& request, const Given& given, absl::Time now);
  // NotFound: there is none.
  absl::StatusOr<std::vector<Hold>> End(const Which& which, const Given& given, absl::Time now, bool dry_run);
  // Ends those whose time is over.
  void EndDue(absl::Time now);
  // A source or provider that is called otherwise in `after` is the same one: what is ordered of it stays in force. It
  // is known by its address, a group of the configuration by its hosts. Until Followed they keep under both names: the
  // shards adopt `after` in between. FailedPrecondition: something in force is for a provider that there is no more;
  // not at a start, where the log says so.
  enum class Since : uint8_t { kStart, kReload };
  absl::Status FollowNames(const Options& after, absl::Time now, Since since);
  void Followed();
  // Forgets what ended before that time.
  absl::Status Forget(absl::Time before);

  // The newest first; with `ended` also those that are not in force any more.
  std::vector<Hold> List(bool ended) const;

  // Keeps the rows of a job from being claimed while it moves them; nothing of it is stored. None: no more.
  void KeepFor(uint32_t job, std::vector<std::shared_ptr<const Hold>> holds);

 private:
  // With what its terms say beside themselves: which domain a recipient is of, which stream a campaign.
  QueueFilter Implied(QueueFilter filter) const;
  absl::Status Write(const std::vector<Hold>& holds);
  std::shared_ptr<const HoldSet> Assemble();  // decision_ is held
  void Announce();

  queue::Store& store_;
  const ReadOptions options_;
  const Publish publish_;
  std::mutex decision_;                                    // one at a time
  mutable std::mutex mutex_;                               // guards the rest
  std::map<uint32_t, std::shared_ptr<const Hold>> holds_;  // by number, ended ones too
  // By job; no job has the first number.
  std::map<uint32_t, std::vector<std::shared_ptr<const Hold>>> of_jobs_;
  static constexpr uint32_t kOfOldNames = 0;
  std::shared_ptr<const HoldSet> in_force_ = std::make_shared<const HoldSet>();
  uint64_t generation_ = 0;  // of in_force_
};

}  // namespace sealift::engine
