#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/types.h"

namespace sealift::queue {

class CommitBatch;

// One recipient of a campaign. The views point into the Pack that the row came from.
struct Row {
  RowId id{};
  uint16_t attempts = 0;                     // made so far
  absl::Time date = absl::InfinitePast();    // the Date header, set at the first attempt and kept
  std::string_view reason_class;             // of the last attempt; empty: none was made
  std::string_view recipient;                // as the input wrote it, domain as A-label
  std::span<const std::string_view> fields;  // in the order of the campaign's columns
};

// Pack holds up to 16 rows of one lane that are due together: what is sealed, claimed and read as one.
//
// Sixteen recipients in one value pay for one key, one nonce and one tag, and a lane's next rows are one read away. The
// rows are decoded in place: a Pack owns the plaintext and its rows are views of it.
//
// Owned by:  whoever claimed it, through shared_ptr; an Outcome holds on to its pack until it is committed.
// Threads:   what is public is immutable. The committer alone touches the rest.
class Pack {
 public:
  static constexpr size_t kRowsMax = 16;

  LaneId lane() const { return lane_; }
  absl::Time due() const { return due_; }  // InfinitePast: fresh, that is never attempted; InfiniteFuture: in doubt
  absl::Time accepted() const { return accepted_; }
  absl::Time expires() const { return expires_; }  // not to be sent after
  // The rows that are still queued. An Outcome names one by its index here.
  const std::vector<Row>& rows() const { return rows_; }

  // The encoded form that is sealed.
  static void Encode(absl::Time accepted, absl::Time expires, std::span<const Row> rows, std::string* out);

  // The ClaimEpoch in which it is read; before it has outcomes.
  void set_epoch(uint64_t epoch) { epoch_ = epoch; }

  // DataLoss: not a pack. Decodes what Encode wrote and leaves out the rows whose bit (by place in the encoded form) is
  // set in `settled`. `key` is the place in the schedule that it was read from.
  static absl::StatusOr<std::shared_ptr<Pack>> Decode(std::string key, std::string plaintext, uint16_t settled);

 private:
  friend class CommitBatch;

  Pack() = default;

  LaneId lane_;
  absl::Time due_, accepted_, expires_;
  std::string plaintext_;
  std::vector<std::string_view> fields_;
  std::vector<Row> rows_;
  std::array<uint16_t, kRowsMax> bits_{};  // of each row in the settled mask

  // The committer's. A bit is a row's place in the encoded form.
  std::string key_;
  uint16_t all_ = 0;      // every row that was encoded
  uint16_t settled_ = 0;  // what is committed
  uint16_t pending_ = 0;  // what the commit that is being built settles
  uint64_t epoch_ = 0;    // when settled_ was what the database has
};

// The encoded form of rows that were never tried, piece by piece, for a load that keeps recipients and fields encoded
// while it sorts them.
void PutPackHead(absl::Time accepted, absl::Time expires, size_t rows, std::string* out);
void PutRowHead(RowId id, uint16_t attempts, absl::Time date, std::string* out);
void PutRowBody(std::string_view recipient, std::span<const std::string_view> fields, std::string* out);

}  // namespace sealift::queue
