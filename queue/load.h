#pragma once

#include <cstdint>
#include <future>
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
//   while (row) { if (load->full()) load->CommitBehind(offset, digest); load->Add(row); }
//   load->Commit(offset, digest, true);
//
// CommitBehind is how two cores work at one load: while a chunk is sealed, written and synced the next is read.
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
//            ResourceExhausted when RocksDB slows or stops writes for longer than Store::Options::stall_patience. A
//            commit that fails is the end of the Load: begin another.
class Load {
 public:
  static constexpr size_t kChunkRowsMax = 250'000;
  static constexpr size_t kChunkBytesMax = 24 << 20;  // two chunks are in memory
  static constexpr size_t kRowBytesMax = 1 << 20;     // recipient and fields of one row
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
  void Reject() { ++part_.rejected; }

  // The chunk should be committed before more is added (Add refuses one and a half times as much).
  bool full() const;

  // Commits the chunk: durable on return. `input_offset` and `digest` (printable, at most 1 KiB) describe the input up
  // to the rows added so far; `complete`: this was all of it. A campaign that was kLoading is then kReady.
  absl::Status Commit(uint64_t input_offset, std::string_view digest, bool complete);

  // The same of a chunk that is not the last, and returns while it is on its way. One is at a time: this waits for the
  // one before, and says what became of that.
  absl::Status CommitBehind(uint64_t input_offset, std::string_view digest);

  // Waits for the commit that is on its way, and says what became of it.
  absl::Status Wait();

  // As of the last commit that was waited for.
  uint64_t offset() const { return progress_.input_offset; }
  const std::string& digest() const { return progress_.input_digest; }
  uint32_t rows() const { return progress_.input_rows; }
  const Counters& counters() const { return progress_.counters; }  // the load's own four

 private:
  friend class Store;

  // What one commit takes.
  struct Part {
    std::unique_ptr<LoadChunk> chunk;
    std::unique_ptr<BodyFiles> bodies;
    uint64_t rejected = 0, duplicates = 0;
    uint32_t last_row = 0;
    uint64_t input_offset = 0;
    std::string input_digest;
    bool complete = false;
  };

  explicit Load(std::unique_ptr<LoadContext> context);

  Part NewPart() const;
  // Ends the part that is being filled, and begins another.
  absl::StatusOr<Part> TakePart(uint64_t input_offset, std::string_view digest, bool complete);
  // Returns the progress that it has committed, which was `before`.
  absl::StatusOr<Campaign> CommitPart(Part part, const Campaign& before);
  absl::Status Adopt(absl::StatusOr<Campaign> committed);

  std::unique_ptr<LoadContext> context_;
  Campaign progress_;
  uint32_t last_row_ = 0;
  Part part_;  // that is being filled
  std::future<absl::StatusOr<Campaign>> behind_;
  absl::Status failed_;
};

}  // namespace sealift::queue
