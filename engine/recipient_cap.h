#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/options.h"
#include "engine/runtime/task.h"
#include "engine/shard_services.h"
#include "queue/address_hash.h"

namespace sealift::engine {

// What says in events, and of a row, that it waits because its recipient has had enough.
inline constexpr std::string_view kRecipientCapClass = "recipient_cap";

// RecipientCap keeps a stream from sending more to one recipient than its `recipient_cap` allows, in any hour or day
// that one looks at: over all campaigns of the stream, replays and tests. What counts is what was delivered.
//
// What was delivered is on disk, written with the outcome (queue/received.h), so that a kill forgets nothing; here is
// only what is under way and not there yet. A message that is asked about while others to its recipient are under way
// counts them as delivered. A stream without a cap asks nothing and writes nothing.
//
// Owned by:  the scheduler. A recipient's site is one shard's, so one of these sees all that goes to it.
// Threads:   the shard's.
// Errors:    what the store cannot read, or the status of the scope that ended meanwhile.
class RecipientCap {
 public:
  struct Answer {
    // Held from MAIL on until the outcome is durable, or given up: the message is under way. Null: it may not be sent.
    std::shared_ptr<const void> admitted;
    absl::Time again;  // when it may be asked again
    std::string why;   // for the event; names nobody
  };

  explicit RecipientCap(ShardServices& services);

  // For a message of the stream, which has a cap, to this recipient.
  Task<absl::StatusOr<Answer>> Ask(const StreamOptions& stream, std::string recipient);

 private:
  using Key = std::pair<std::string, queue::AddressHash>;  // stream, recipient
  using UnderWay = absl::flat_hash_map<Key, size_t>;

  ShardServices& services_;
  const std::shared_ptr<UnderWay> under_way_;  // shared with what was admitted, which may outlive this
};

}  // namespace sealift::engine
