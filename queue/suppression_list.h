#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/database.h"
#include "queue/key_ring.h"
#include "queue/sealer.h"
#include "queue/suppression.h"

namespace rocksdb {
class WriteBatch;
}

namespace sealift::queue {

struct SuppressionsPage {
  std::vector<SuppressionRecord> records;  // in the order of their keys, which is that of nothing else
  std::string cursor;                      // go on after this
  bool done = false;
};

// SuppressionList is the column family of those who get no mail: one sealed record an address, found by its hash.
//
// Nearly every question is answered with no, from the filters of the column's files; a list that is empty is not asked
// at all. The committer is the only writer.
//
// Owned by:  Store.
// Threads:   any; an Unsealer a thread. Change: the committer's.
// Errors:    what cannot be read is an error and never "not suppressed".
class SuppressionList {
 public:
  static constexpr size_t kTogether = 512;  // questions that are asked at once

  struct Question {
    AddressHash address;
    const Mailing* mailing;
    bool suppressed = false;  // the answer
  };

  SuppressionList(Database* database, KeyRing* ring) : database_(database), ring_(ring) {}

  // Whether there is anything in it.
  absl::Status Open();

  bool any() const { return any_.load(std::memory_order_acquire); }

  // Answers at most kTogether questions.
  absl::Status Ask(Unsealer* unsealer, std::span<Question> questions) const;

  absl::StatusOr<std::optional<SuppressionRecord>> Find(Unsealer* unsealer, const AddressHash& address) const;

  // At most `max` records after the cursor (empty: the first). InvalidArgument: not a cursor.
  absl::StatusOr<SuppressionsPage> Read(Unsealer* unsealer, std::string_view cursor, int max) const;

  // Adds the changes to the batch, in their order; what they leave in force is appended to *news. Returns how many
  // there is something to record of.
  absl::StatusOr<uint64_t> Change(std::span<const SuppressionChange> changes, Sealer* sealer, Unsealer* unsealer,
                                  rocksdb::WriteBatch* batch, SuppressionNews* news);

 private:
  absl::StatusOr<SuppressionRecord> Decode(Unsealer* unsealer, std::string_view key, std::string_view value) const;

  Database* const database_;
  KeyRing* const ring_;
  std::atomic<bool> any_ = false;
};

}  // namespace sealift::queue
