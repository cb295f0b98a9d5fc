#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace sealift::tools::sink {

// BodyScanner finds the end of a message in what follows DATA, takes the doubled dots out again, and notes what the
// sender did wrong on the way. It also reads the chunks of BDAT (RFC 3030), which carry no dots.
//
// It is the sink's hot path: a line costs one memchr, a buffer one vectorised pass for the rest.
//
// Owned by:  Session.
// Threads:   one.
// Source:    RFC 5321 2.3.8 (bare CR and LF), 4.5.2 (transparency), 4.5.3.1.6 (1000 bytes a line, CRLF included);
//            RFC 6152 (8 bits only when announced). Only CRLF.CRLF ends a message: a bare LF before or after the dot is
//            content, and a flaw.
class BodyScanner {
 public:
  enum class Keep : uint8_t { kNothing, kHeader, kAll };

  struct Flaws {
    uint64_t bare_lf = 0, bare_cr = 0, long_lines = 0, unstuffed_dots = 0;
    bool eight_bit = false;  // a byte above 127 was seen
  };

  // Begins a message. With `dots` it ends at CRLF.CRLF, without when the caller says so. At most `kept_bytes_max` bytes
  // are kept, and of a header at most 64 KiB.
  void Start(Keep keep, bool dots, uint64_t kept_bytes_max);

  // Takes bytes up to and including the end of the message, or all of them.
  size_t Feed(std::span<const char> input);

  // The end was found; with dots only.
  bool done() const { return state_ == State::kDone; }

  // Bytes of the message as it was before dots were doubled, without the final dot.
  uint64_t bytes() const { return bytes_; }
  const std::string& kept() const { return kept_; }

  // Complete once the message is.
  Flaws flaws() const;

 private:
  enum class State : uint8_t { kLineStart, kDot, kDotCr, kText, kDone };

  void Flush(const char* begin, const char* end);  // [begin, end) is content
  void Survey(const char* begin, const char* end);

  Keep keep_ = Keep::kNothing;
  bool dots_ = true;
  uint64_t kept_bytes_max_ = 0;
  State state_ = State::kLineStart;
  bool last_was_cr_ = false;
  uint64_t line_bytes_ = 0;  // of the line so far, CRLF included, a removed dot not
  uint64_t bytes_ = 0;
  uint64_t crs_ = 0, crlfs_ = 0;
  uint64_t bare_lf_ = 0, long_lines_ = 0, unstuffed_dots_ = 0;
  unsigned char bits_ = 0;  // every byte or-ed together
  std::string kept_;
};

}  // namespace sealift::tools::sink
