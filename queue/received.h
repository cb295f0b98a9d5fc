#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/address_hash.h"
#include "queue/database.h"

namespace sealift::queue {

// The column family `received`: that somebody has received a message of a stream, and when, by keyed hashes alone. The
// committer writes it with the outcome, in the same batch; what is older than any question (kReceivedKept) goes when
// files are compacted.
//
// Threads: any that may block.

// See Store::ReadReceived.
absl::StatusOr<std::vector<absl::Time>> ReadReceipts(Database* database, const AddressHash& stream,
                                                     const AddressHash& recipient, absl::Time since, size_t max);

}  // namespace sealift::queue
