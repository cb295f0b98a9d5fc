#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/sealift/files.h"
#include "tools/sealift/mbox_splitter.h"
#include "tools/sealift/message_frames.h"

namespace sealift::tools {

// MessageSource is what `campaign load --messages` was given, framed for the load request: the regular files of a
// directory whose names end with .eml, in the order of their names, without those of directories beneath it; or an mbox
// file, or one on standard input.
//
// Owned by:  a command; stays where it is. Threads: one.
// Memory:    the names of the files, and what one Read gives.
// Errors:    exit 66 when there is nothing to read, 65 when the file is no mbox, 74 when reading breaks off.
class MessageSource {
 public:
  explicit MessageSource(std::string path) : path_(std::move(path)), mbox_(frames_) {}
  MessageSource(const MessageSource&) = delete;
  MessageSource& operator=(const MessageSource&) = delete;

  absl::Status Open();

  // False at the end. `piece` gets at least one byte, and about `bytes_max`.
  absl::StatusOr<bool> Read(std::string* piece, size_t bytes_max);

  // The name of the file that the message (counted from 1) came from; of an mbox, none.
  std::string NameOf(uint64_t message) const;

 private:
  absl::Status List();
  absl::StatusOr<bool> ReadOn();
  absl::StatusOr<bool> ReadFiles();
  absl::StatusOr<bool> ReadMbox();

  const std::string path_;
  std::vector<std::string> names_;  // empty: it is an mbox
  size_t next_ = 0;                 // of the names
  std::optional<InputFile> file_;
  MessageFrames frames_;
  MboxSplitter mbox_;
  std::string buffer_;
};

}  // namespace sealift::tools
