#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "queue/address_hash.h"
#include "queue/chunk_writer.h"
#include "queue/database.h"
#include "queue/keys.h"
#include "queue/load.h"
#include "queue/sealer.h"
#include "queue/seen_filter.h"
#include "queue/suppression_list.h"
#include "queue/types.h"

namespace sealift::queue {

// LoadChunk buffers rows until they are committed together, then writes them in key order.
//
// Recipients and fields are encoded at once into large blocks, so that a row costs no allocation of its own and is
// copied once more, into its pack.
//
// A large chunk is the work of two threads: the caller's and one for the while of a call.
//
// Owned by:  Load.
// Threads:   one at a time.
class LoadChunk {
 public:
  LoadChunk(CampaignId campaign, const KeyRing* ring) : campaign_(campaign), ring_(ring) {}

  // False: the chunk has this address, for the same message.
  bool Add(const Load::Row& row);

  // No more is added: gives back what only Add needs.
  void Close() { addresses_ = {}; }

  // Takes out the rows whose address the campaign has already; *found: how many. `filter`: who says of most that they
  // are new; null: nobody.
  absl::Status DropSeen(Database* database, const SeenFilter* filter, uint64_t* found);

  // Takes out the rows whose recipient is suppressed for this mailing; *found: how many.
  absl::Status DropSuppressed(const SuppressionList& list, const Mailing& mailing, Unsealer* unsealer, uint64_t* found);

  // The addresses of the rows that are left.
  void AddTo(SeenFilter* filter);

  // Writes packs, lanes, and seen addresses and names; the last beside the others where the writer has columns that are
  // apart. Adds the rows to the campaign's roll.
  absl::Status Write(Sealer* sealer, absl::Time accepted, absl::Time expires, ChunkWriter* writer, uint64_t* roll);

  size_t rows() const { return entries_.size() - dropped_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    DestinationId destination;
    RowId id;
    AddressHash address;
    BodyId message;
    const char* body;  // of the row
    uint32_t body_size;
    bool dropped = false;
  };

  const char* Keep(std::string_view bytes);
  // Of these entries, in the order of their addresses, those that the campaign has already.
  absl::Status MarkSeen(Database* database, const SeenFilter* filter, std::span<const uint32_t> among, uint64_t* found);
  absl::Status WriteRows(Sealer* sealer, absl::Time accepted, absl::Time expires, ChunkWriter* writer, uint64_t* roll);
  absl::Status WriteSeen(ChunkWriter* writer);
  void SortByAddress();
  void Dropped(uint64_t count);  // so many more entries were marked

  const CampaignId campaign_;
  const KeyRing* const ring_;
  std::vector<Entry> entries_;                           // in the order of the input
  std::vector<uint32_t> by_address_;                     // those that are left, once SortByAddress was called
  std::vector<std::pair<AddressHash, uint32_t>> names_;  // other names of entries
  size_t dropped_ = 0;
  absl::flat_hash_set<std::pair<AddressHash, BodyId>> addresses_;
  absl::flat_hash_map<DestinationId, std::string> domains_;

  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t block_left_ = 0;
  char* block_next_ = nullptr;
  size_t bytes_ = 0;
  std::string scratch_;
};

}  // namespace sealift::queue
