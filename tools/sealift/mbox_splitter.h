#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/sealift/message_frames.h"

namespace sealift::tools {

// MboxSplitter takes an mbox file apart (RFC 4155, in the form "mboxrd"): a From_ line at its beginning or behind an
// empty line begins a message and is none of it; one ">" of every ">From ", ">>From " and so on is taken away, and so
// is the empty line before the next message.
//
// A From_ line is "From ", a sender and a date as asctime writes it ("From a@d1.test Mon Jan  1 00:00:00 2024"), or a
// sender's address alone. Any other line that begins with "From " is the message's, wherever it stands. A From_ line
// with a date and without an empty line before it is refused: a message cut there would go out without its end, and two
// taken for one would send somebody what is another's.
//
// Owned by:  a command. Threads: one.
// Memory:    a line, or kLineBytesMax of it.
class MboxSplitter {
 public:
  explicit MboxSplitter(MessageFrames& frames) : frames_(frames) {}

  // InvalidArgument, with the line: the file is no mbox, or not to be taken apart for sure.
  absl::Status Add(std::string_view bytes);
  absl::Status Finish();

  uint64_t messages() const { return messages_; }

 private:
  // What decides about a line stands far before that.
  static constexpr size_t kLineBytesMax = 64 << 10;

  absl::Status TakeLine(std::string_view line);

  MessageFrames& frames_;
  uint64_t messages_ = 0;
  uint64_t lines_ = 0;
  std::string partial_;     // a line whose end has not come
  bool in_line_ = false;    // the beginning of this line went before
  std::string empty_line_;  // held back until it is known what follows
};

}  // namespace sealift::tools
