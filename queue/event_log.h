#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/database.h"
#include "queue/event.h"
#include "queue/event_block.h"
#include "queue/key_ring.h"
#include "queue/sealer.h"
#include "queue/types.h"

namespace rocksdb {
class WriteBatch;
}

namespace sealift::queue {

// Seals what a commit has to remember, and adds it to the commit. Retention cuts the log at a time: no block is older
// than the `newest` before it, whenever its events were, and it is the newest from here on. Only what a clock that ran
// ahead has left, once it is set, makes none of those that follow younger than they are.
//
// Threads: the committer's.
absl::Status AddEventBlock(Database* database, KeyRing* ring, Sealer* sealer, uint64_t sequence, EventBlock* events,
                           absl::Time* newest, rocksdb::WriteBatch* batch);

// Of the newest block; the epoch when there is none.
absl::StatusOr<absl::Time> NewestBlockTime(Database* database);

// Reads the evidence: blocks in the order of the commits, or those that concern one message. No campaign's key is
// needed.
//
// Threads: any, with an Unsealer of its own.

absl::StatusOr<EventsPage> ReadEventsPage(Database* database, Unsealer* unsealer, std::string_view after, int max,
                                          const EventFilter& filter);

absl::StatusOr<std::vector<Event>> EventsOf(Database* database, Unsealer* unsealer, const MessageKey& message);

// The messages of a lane whose events name a recipient that `means`.
absl::StatusOr<std::vector<MessageKey>> MessagesInEvents(Database* database, Unsealer* unsealer, const LaneId& lane,
                                                         const std::function<bool(std::string_view)>& means);

// The newest event of the commits before `sequence`, be it kept or forgotten; the first of all cursors: there was none.
absl::StatusOr<EventCursor> LastEventBefore(Database* database, Unsealer* unsealer, uint64_t sequence);

// Forgets the events of the commits before `sequence`, and notes which was the newest of them.
absl::Status ForgetEventsBefore(Database* database, Unsealer* unsealer, uint64_t sequence, rocksdb::WriteBatch* batch);

// Behind what is older than `before`. The times of a clock that was wrong for a while stand between right ones: those
// that have not come by `now` say nothing, and of the others most are right.
absl::StatusOr<uint64_t> FirstBlockKept(Database* database, absl::Time before, absl::Time now);

// The first block whose newest event is not before `time`; one beyond the last when there is none.
absl::StatusOr<uint64_t> FirstBlockSince(Database* database, absl::Time time);

}  // namespace sealift::queue
