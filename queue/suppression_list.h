#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
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

// How long a suspicion waits for another: one that is heard later is the first again.
inline constexpr absl::Duration kSuspicionLasts = absl::Hours(24 * 30);

// The reason that a suspicion has in the list when it came in a report: such come of what was taken, so that who takes
// another message does not refute it.
inline constexpr std::string_view kReported = "reported after the message had been taken";

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
  static constexpr size_t kTogether = 512;                   // questions that are asked at once
  static constexpr size_t kSuspectedBits = size_t{1} << 21;  // for 100,000 of whom one in a thousand others looks alike

  struct Question {
    AddressHash address;
    const Mailing* mailing;
    bool suppressed = false;  // the answer
    bool suspected = false;   // and this: it may be nobody
  };

  SuppressionList(Database* database, KeyRing* ring) : database_(database), ring_(ring) {}

  // Whether there is anything in it.
  absl::Status Open();

  bool any() const { return any_.load(std::memory_order_acquire); }

  // Remembers that somebody with this address is suspected, and says whether anybody may be: without the disk, as a
  // commit asks it of whomever took mail. Who is claimed or suspected since the start has been remembered; one that
  // only looks alike may have been.
  void Suspect(std::string_view recipient) const;
  bool MaySuspect(std::string_view recipient) const;

  // Answers at most kTogether questions.
  absl::Status Ask(Unsealer* unsealer, std::span<Question> questions) const;

  absl::StatusOr<std::optional<SuppressionRecord>> Find(Unsealer* unsealer, const AddressHash& address) const;

  // At most `max` records after the cursor (empty: the first). InvalidArgument: not a cursor.
  absl::StatusOr<SuppressionsPage> Read(Unsealer* unsealer, std::string_view cursor, int max) const;

  // Adds the changes to the batch, in their order; what they leave in force is appended to *news. What delivery itself
  // takes back it has refuted: only what is older and was not reported. Returns how many there is something to record
  // of.
  absl::StatusOr<uint64_t> Change(std::span<const SuppressionChange> changes, Sealer* sealer, Unsealer* unsealer,
                                  rocksdb::WriteBatch* batch, SuppressionNews* news);

 private:
  absl::StatusOr<SuppressionRecord> Decode(Unsealer* unsealer, std::string_view key, std::string_view value) const;

  Database* const database_;
  KeyRing* const ring_;
  std::atomic<bool> any_ = false;
  mutable std::atomic<bool> any_suspected_ = false;
  // A Bloom filter of their addresses. Where they are so many that it is full, deliveries ask the list in vain.
  mutable std::array<std::atomic<uint64_t>, kSuspectedBits / 64> suspected_{};
};

}  // namespace sealift::queue
