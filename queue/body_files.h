#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "queue/database.h"
#include "queue/sealer.h"
#include "queue/types.h"
#include "rocksdb/sst_file_writer.h"

namespace sealift::queue {

// BodyFiles writes the finished messages of one chunk to sorted files, sealed, as they arrive: a message of any size
// costs kBufferedMax of memory.
//
// Small messages share a file. One that outgrows the buffer gets a file of its own, so that it can still be dropped
// when something is found wrong near its end: nothing can be taken out of a sorted file. The files are the chunk's
// until it is ingested; what was not is removed here, or at the next start.
//
// Owned by:  Load; one a chunk.
// Threads:   one at a time.
class BodyFiles {
 public:
  static constexpr size_t kBufferedMax = 512 << 10;

  BodyFiles(Database* database, CampaignId campaign) : database_(database), campaign_(campaign) {}
  ~BodyFiles();
  BodyFiles(const BodyFiles&) = delete;
  BodyFiles& operator=(const BodyFiles&) = delete;

  absl::Status Begin(BodyId body);  // greater than the one before
  absl::Status Add(Sealer* sealer, std::string_view piece);
  absl::Status Keep();
  void Drop();

  // Ends the files: they can be ingested.
  absl::Status Finish();

  bool empty() const { return paths_.empty(); }
  const std::vector<std::string>& paths() const { return paths_; }  // in the order of their keys
  uint64_t bytes() const { return bytes_; }                         // of the messages that were kept

 private:
  absl::Status Write(std::string_view key, std::string_view value);
  absl::Status WriteBuffered();
  absl::Status CloseFile();

  Database* const database_;
  const CampaignId campaign_;
  std::vector<std::string> paths_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;  // of the last path; null: it is ended
  uint64_t bytes_ = 0;

  BodyId last_{};
  bool open_ = false;   // a message is under way
  bool alone_ = false;  // ... in a file of its own
  uint32_t pieces_ = 0;
  std::vector<std::pair<std::string, std::string>> buffered_;
  size_t buffered_bytes_ = 0;
  uint64_t message_bytes_ = 0;
};

}  // namespace sealift::queue
