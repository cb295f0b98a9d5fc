#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/campaign.h"
#include "queue/types.h"

namespace sealift::queue {

class BodyFiles;
class LoadChunk;
struct LoadContext;

// Load puts the rows of one input into a campaign, in chunks that are committed whole.
//
// Rows are buffered, sorted by lane, sealed as packs and ingested as sorted files; one ingestion commits the chunk, its
// counts and the place in the input together, so that an interrupted load resumes exactly there. Small chunks go
// through the write-ahead log instead. The caller:
//
//   while (row) { if (load->full()) load->Commit(offset, digest, false); load->Add(row); }
//   load->Commit(offset, digest, true);
//
// A campaign of finished messages has besides its rows what they get. The bytes of a message are given first, in pieces
// that are sealed and written as they come, then its rows:
//
//   load->BeginBody(message); while (piece) load->AddPiece(piece); load->KeepBody();  // or DropBody
//   for (recipient) load->Add(row of that message);
//   if (load->full()) load->Commit(...)
//
// The files of pieces become part of the queue in the ingestion that holds the rows.
//
// What was added and not committed when a Load is destroyed was never accepted.
//
// Owned by:  the caller; must not outlive its Store. One at a time a campaign.
// Threads:   one at a time, any.
// Errors:    Cancelled once the campaign is; FailedPrecondition after a failed sync: nothing is acknowledged any more.
class Load {
 public:
  static constexpr size_t kChunkRowsMax = 500'000;
  static constexpr size_t kChunkBytesMax = 64 << 20;
  static constexpr size_t kRowBytesMax = 1 << 20;  // recipient and fields of one row
  static constexpr size_t kPieceBytesMax = 128 << 10;

  struct Row {
    RowId id{};                                // greater than every id added to this campaign before
    std::string_view recipient, domain;        // domain: lower-case A-label
    std::span<const std::string_view> fields;  // in the order of the campaign's columns
    BodyId body{};                             // what it gets, if that is a finished message
    std::string_view name = {};                // what else it is found by (Store::FindNamed); several rows may have it
  };

  enum class Added { kAccepted, kDuplicate };

  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Buffers a row. kDuplicate: this chunk has the address already, for the same message where it is a finished one. An
  // address that an earlier chunk had is found, and counted as a duplicate, by Commit; so is one that is suppressed,
  // and counted as that.
  absl::StatusOr<Added> Add(const Row& row);

  // A finished message; `body` is greater than every one that was begun before. ResourceExhausted: the file system was
  // full since the last start, and until the next one nothing is ingested.
  absl::Status BeginBody(BodyId body);
  absl::Status AddPiece(std::string_view piece);  // at most kPieceBytesMax
  absl::Status KeepBody();                        // it is whole
  void DropBody();                                // it never was

  // Counts a row of the input that was not accepted.
  void Reject() { ++rejected_; }

  // The chunk should be committed before more is added (Add refuses one and a half times as much).
  bool full() const;

  // Commits the chunk: durable on return. `input_offset` and `digest` (printable, at most 1 KiB) describe the input up
  // to the rows added so far; `complete`: this was all of it. A campaign that was kLoading is then kReady.
  absl::Status Commit(uint64_t input_offset, std::string_view digest, bool complete);

  // As of the last Commit.
  uint64_t offset() const { return progress_.input_offset; }
  const std::string& digest() const { return progress_.input_digest; }
  uint32_t rows() const { return progress_.input_rows; }
  const Counters& counters() const { return progress_.counters; }  // the load's own four

 private:
  friend class Store;

  explicit Load(std::unique_ptr<LoadContext> context);

  std::unique_ptr<LoadContext> context_;
  std::unique_ptr<LoadChunk> chunk_;
  std::unique_ptr<BodyFiles> bodies_;  // of the chunk
  Campaign progress_;
  uint64_t rejected_ = 0, suppressed_ = 0, duplicates_ = 0;  // since the last Commit
  uint32_t last_row_ = 0;
};

}  // namespace sealift::queue
