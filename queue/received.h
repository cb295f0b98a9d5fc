#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/address_hash.h"
#include "queue/database.h"
#include "queue/key_ring.h"
#include "queue/store.h"
#include "rocksdb/iterator.h"

namespace sealift::queue {

// The column family `received`: that somebody has received a message of a stream, and when, by keyed hashes alone. The
// committer writes it with the outcome, in the same batch; what is older than any question (kReceivedKept) goes when
// files are compacted.
//
// Threads: any that may block.

class Receipts {
 public:
  explicit Receipts(Database* database);

  // See Store::ReadReceived.
  absl::StatusOr<std::vector<absl::Time>> Of(const AddressHash& stream, const AddressHash& recipient, absl::Time since,
                                             size_t max);

 private:
  std::unique_ptr<rocksdb::Iterator> it_;
};

// Says in each window which rows' recipients are sated (LaneRead::sated_by). A window that cannot be judged says
// nobody: who sends asks once more.
void MarkSated(Database* database, const KeyRing& ring, const std::vector<LaneRead>& reads,
               std::vector<LaneWindow>* windows);

}  // namespace sealift::queue
