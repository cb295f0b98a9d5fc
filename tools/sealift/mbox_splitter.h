#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/sealift/message_frames.h"

namespace sealift::tools {

// MboxSplitter takes an mbox file apart (RFC 4155, in the form "mboxrd"): every line that begins with "From " begins a
// message and is none of it; one ">" of every ">From ", ">>From " and so on is taken away, and so is the empty line
// before the next message.
//
// Every such line counts, also where no empty line stands before it: a message cut in two is rejected, while two taken
// for one would send somebody what is another's.
//
// Owned by:  a command. Threads: one.
// Memory:    a line, or kLineBytesMax of it.
class MboxSplitter {
 public:
  explicit MboxSplitter(MessageFrames& frames) : frames_(frames) {}

  // InvalidArgument: the file is no mbox.
  absl::Status Add(std::string_view bytes);
  absl::Status Finish();

  uint64_t messages() const { return messages_; }

 private:
  // What decides about a line stands far before that.
  static constexpr size_t kLineBytesMax = 64 << 10;

  absl::Status TakeLine(std::string_view line);

  MessageFrames& frames_;
  uint64_t messages_ = 0;
  std::string partial_;     // a line whose end has not come
  bool in_line_ = false;    // the beginning of this line went before
  std::string empty_line_;  // held back until it is known what follows
};

}  // namespace sealift::tools
