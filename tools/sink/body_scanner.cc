#include "tools/sink/body_scanner.h"

#include <algorithm>
#include <cstring>

namespace sealift::tools::sink {
namespace {

constexpr uint64_t kLineBytesMax = 1000;        // RFC 5321 4.5.3.1.6
constexpr uint64_t kHeaderBytesMax = 64 << 10;  // of what is kept when only the header is wanted

}  // namespace

void BodyScanner::Start(Keep keep, bool dots, uint64_t kept_bytes_max) {
  keep_ = keep;
  dots_ = dots;
  kept_bytes_max_ = keep == Keep::kHeader ? std::min<uint64_t>(kept_bytes_max, kHeaderBytesMax) : kept_bytes_max;
  state_ = State::kLineStart;
  last_was_cr_ = false;
  line_bytes_ = bytes_ = crs_ = crlfs_ = bare_lf_ = long_lines_ = unstuffed_dots_ = 0;
  bits_ = 0;
  kept_.clear();
}

size_t BodyScanner::Feed(std::span<const char> input) {
  const char* const begin = input.data();
  const char* const end = begin + input.size();
  const char* p = begin;
  const char* segment = begin;  // content that has not been flushed
  while (p < end && state_ != State::kDone) {
    switch (state_) {
      case State::kLineStart:
        if (dots_ && *p == '.') {
          Flush(segment, p);
          segment = ++p;
          state_ = State::kDot;
        } else {
          state_ = State::kText;
        }
        break;
      case State::kDot:
        if (*p == '\r') {
          segment = ++p;  // content only if no LF follows
          state_ = State::kDotCr;
        } else {
          if (*p != '.') ++unstuffed_dots_;
          state_ = State::kText;
        }
        break;
      case State::kDotCr:
        if (*p == '\n') {
          ++crlfs_;
          segment = ++p;
          state_ = State::kDone;
        } else {
          static constexpr char kCr = '\r';
          Flush(&kCr, &kCr + 1);
          ++unstuffed_dots_;
          line_bytes_ = 1;
          state_ = State::kText;
        }
        break;
      case State::kText: {
        const char* newline = static_cast<const char*>(memchr(p, '\n', static_cast<size_t>(end - p)));
        if (newline == nullptr) {
          line_bytes_ += static_cast<uint64_t>(end - p);
          last_was_cr_ = end[-1] == '\r';
          p = end;
          break;
        }
        const bool crlf = newline > p ? newline[-1] == '\r' : last_was_cr_;
        line_bytes_ += static_cast<uint64_t>(newline + 1 - p);
        p = newline + 1;
        last_was_cr_ = false;
        if (!crlf) {
          ++bare_lf_;  // not the end of a line, or a dot after it could end the message for some and not for others
          break;
        }
        ++crlfs_;
        if (line_bytes_ > kLineBytesMax) ++long_lines_;
        if (line_bytes_ == 2 && keep_ == Keep::kHeader) {
          Flush(segment, p);
          segment = p;
          keep_ = Keep::kNothing;
        }
        line_bytes_ = 0;
        state_ = State::kLineStart;
        break;
      }
      case State::kDone:
        break;
    }
  }
  Flush(segment, p);
  Survey(begin, p);
  return static_cast<size_t>(p - begin);
}

void BodyScanner::Flush(const char* begin, const char* end) {
  const auto size = static_cast<size_t>(end - begin);
  bytes_ += size;
  if (keep_ == Keep::kNothing || size == 0) return;
  if (kept_.size() + size > kept_bytes_max_) {
    kept_.append(begin, kept_bytes_max_ - kept_.size());
    keep_ = Keep::kNothing;
    return;
  }
  kept_.append(begin, size);
}

void BodyScanner::Survey(const char* begin, const char* end) {
  // Blocks of at most 255 bytes let the compiler count in bytes, a vector at a time.
  unsigned char bits = 0;
  while (begin < end) {
    const char* const stop = end - begin > 224 ? begin + 224 : end;
    unsigned char crs = 0;
    for (; begin < stop; ++begin) {
      bits |= static_cast<unsigned char>(*begin);
      crs = static_cast<unsigned char>(crs + (*begin == '\r' ? 1 : 0));
    }
    crs_ += crs;
  }
  bits_ |= bits;
}

BodyScanner::Flaws BodyScanner::flaws() const {
  return {.bare_lf = bare_lf_,
          .bare_cr = crs_ - crlfs_,
          .long_lines = long_lines_ + (line_bytes_ > kLineBytesMax ? 1 : 0),
          .unstuffed_dots = unstuffed_dots_,
          .eight_bit = (bits_ & 0x80) != 0};
}

}  // namespace sealift::tools::sink
