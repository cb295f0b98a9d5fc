#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/options.h"
#include "engine/runtime/task.h"
#include "engine/shard_services.h"
#include "queue/address_hash.h"
#include "queue/outcome.h"

namespace sealift::engine {

// What says in events, and of a row, that it waits because its recipient has had enough.
inline constexpr std::string_view kRecipientCapClass = queue::kSatedClass;

// RecipientCap keeps a stream from sending more to one recipient than its `recipient_cap` allows, in any hour or day
// that one looks at: over all campaigns of the stream, replays and tests. What counts is what was delivered.
//
// What was delivered is on disk, written with the outcome (queue/received.h), so that a kill forgets nothing; here is
// only what is under way, or delivered and not there yet. A message that is asked about while others to its recipient
// are under way counts them as delivered. A stream without a cap asks nothing and writes nothing.
//
// A row over the cap costs no connection: readers tell of it with the row (queue::LaneWindow::sated), and what has
// become known since it was read (Known) is asked before one is opened for it. Just before MAIL the disk has the last
// word.
//
// Owned by:  the scheduler. A recipient's site is one shard's, so one of these sees all that goes to it.
// Threads:   the shard's.
// Errors:    what the store cannot read, or the status of the scope that ended meanwhile.
class RecipientCap {
 public:
  struct Wait {
    absl::Time again;  // when it may be asked again
    std::string why;   // for the event; names nobody
  };
  // A message that is under way.
  struct Place {
    std::optional<absl::Time> delivered;
    bool given_up = false;
  };
  struct Answer {
    // Held from MAIL on until the outcome is durable, or given up. Null: it may not be sent.
    std::shared_ptr<Place> admitted;
    Wait wait;
  };

  explicit RecipientCap(ShardServices& services);

  // For a message of the stream, which has a cap, to this recipient.
  Task<absl::StatusOr<Answer>> Ask(const StreamOptions& stream, std::string recipient);

  // What is known without the disk: of those that were asked about lately. Nothing: it may be asked.
  std::optional<Wait> Known(const StreamOptions& stream, std::string_view recipient, absl::Time now) const;
  // A message that was admitted has arrived.
  void Delivered(Place& admitted, const std::string& stream, std::string_view recipient, absl::Time now);

  // Of one who has had all that the stream allows; the first of that then.
  static Wait WaitOf(const StreamOptions& stream, absl::Time first);

 private:
  using Key = std::pair<std::string, queue::AddressHash>;  // stream, recipient
  using Places = std::vector<std::shared_ptr<Place>>;
  using UnderWay = absl::flat_hash_map<Key, Places>;

  // Of one who has received that; with what may be under way as well there are as many as were `counted`. Nothing:
  // another may go.
  static std::optional<Wait> WaitFor(const StreamOptions& stream, const std::vector<absl::Time>& received,
                                     size_t counted, absl::Time now);
  // With those of the others that have arrived: the disk has some of them, or has not yet.
  static std::vector<absl::Time> With(const std::vector<absl::Time>& received, const Places& others);
  void Learn(const Key& key, std::vector<absl::Time> times);

  ShardServices& services_;
  absl::flat_hash_map<Key, std::vector<absl::Time>> known_;  // what they have received, oldest first
  std::deque<Key> learned_;                                  // the keys of known_, oldest first
  const std::shared_ptr<UnderWay> under_way_;                // shared with what was admitted, which may outlive this
};

}  // namespace sealift::engine
