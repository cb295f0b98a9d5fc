#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "queue/siphash.h"
#include "queue/types.h"

namespace sealift::queue {

class CampaignTable;
class Database;
class Expiries;
class KeyRing;

// A campaign's *roll* says which rows it has queued: the sum, modulo 2^64, of a keyed hash of each of them. A load adds
// its rows to its part, the committer takes off what it settles from its own; both parts are sealed and written in the
// batch of what they tell of. So whoever puts a settled row back, gives a pack its old mask, or takes rows away, makes
// the rows differ from the roll, and nobody without the node's key can make up one that fits.
//
// A start compares them before anything else is done with the rows. docs/formats/queue.md says what that finds.

// What a queued row adds to its campaign's roll. One that is held in doubt is another row than the same one on its way.
uint64_t RollMark(const SipKey& key, CampaignId campaign, RowId row, bool in_doubt);

// What a cancellation leaves in the roll beside the rows that were queued, which stay in it until they are parked: a
// head of before, put back, finds another roll than its rows'.
uint64_t CancelMark(const SipKey& key, CampaignId campaign);

// The two parts of a roll.
struct Roll {
  uint64_t loaded = 0;   // by loads
  uint64_t settled = 0;  // by the committer; what it takes off
  uint64_t queued() const { return loaded - settled; }
};

// Reads every row of the campaigns that are not cancelled, and notes when they expire; with so many threads. DataLoss:
// they are not those that were committed.
absl::Status CheckRolls(Database* database, KeyRing* ring, const CampaignTable& campaigns, Expiries* expiries,
                        int threads);

// A database of format 1 has no rolls: makes them of the rows that it has, and the database one of this format.
absl::Status MakeRolls(Database* database, KeyRing* ring, const CampaignTable& campaigns, Expiries* expiries,
                       int threads);

}  // namespace sealift::queue
