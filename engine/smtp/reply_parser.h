#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/smtp/reply.h"

namespace sealift::engine {

// ReplyParser turns the bytes a server sends into replies, one a call, and believes nothing.
//
// Accepted beyond RFC 5321 4.2, because real servers do it and it cannot be read two ways: a bare LF ends a line; white
// space before the line end is dropped; NUL, a bare CR, other control characters and 8-bit bytes in the text become
// '?'. Refused as a protocol error: a line that does not begin with three digits and then a space, a hyphen or its end;
// a first digit other than 2 to 5; a code that changes within a reply; a line, a reply or a number of lines over its
// cap. What follows an error cannot be trusted, so the error stays: the session closes.
//
// A reply that nobody asked for is the session's to notice: count commands, and look at `buffered()`.
//
// Owned by:  a session.
// Threads:   the session's.
// Memory:    at most a line, a reply and what was fed last; nothing is read ahead of the reply returned. What it has
// grown to is used again.
// Errors:    InvalidArgument, a sentence without the server's text; the same one for every later call.
class ReplyParser {
 public:
  struct Limits {
    size_t line_bytes_max = 2048;       // RFC 5321 4.5.3.1.5 asks for 512; some servers send long links
    int lines_max = 200;                // of one reply; a generous EHLO has 30
    size_t reply_bytes_max = 64 << 10;  // of one reply
  };

  ReplyParser() = default;
  explicit ReplyParser(const Limits& limits) : limits_(limits) {}

  // Adds what arrived.
  void Feed(std::string_view bytes);

  // The next whole reply, the parser's own until the next call of it; null when more bytes are needed.
  absl::StatusOr<const Reply*> Next();

  // Bytes that belong to no reply returned so far: a begun reply, or replies not asked for.
  size_t buffered() const;

  // Forgets everything, an error too. After STARTTLS, so that what came in clear is never taken for what came
  // encrypted: RFC 3207 5.
  void Clear();

 private:
  absl::Status ReadLine(std::string_view line);
  void BeginReply();

  Limits limits_;
  std::string buffer_;
  size_t begin_ = 0;    // of what no line has taken
  size_t scanned_ = 0;  // up to here there is no LF
  Reply reply_;         // the one being read, or returned last
  int lines_ = 0;       // of reply_
  size_t reply_bytes_ = 0;
  bool last_line_ = false;  // of reply_ was read: it was returned
  absl::Status error_;
};

}  // namespace sealift::engine
