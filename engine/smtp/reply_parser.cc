#include "engine/smtp/reply_parser.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What is printed: a question mark for each byte of what is not, and for each 8-bit one where they are no UTF-8.
void Clean(std::span<char> text) {
  const bool is_utf8 = IsUtf8({text.data(), text.size()});
  bool c1 = false;  // the byte before began a control character of two
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool ends_c1 = std::exchange(c1, byte == 0xC2 && is_utf8 && static_cast<unsigned char>(text[i + 1]) < 0xA0);
    if (byte == '\t') {
      text[i] = ' ';
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !is_utf8) || c1 || ends_c1) {
      text[i] = '?';
    }
  }
}

}  // namespace

void ReplyParser::Feed(std::string_view bytes) {
  if (!error_.ok()) return;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  buffer_.append(bytes);
}

absl::StatusOr<const Reply*> ReplyParser::Next() {
  if (!error_.ok()) return error_;
  if (last_line_) BeginReply();
  while (true) {
    const size_t end = buffer_.find('\n', scanned_);
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      if (scanned_ - begin_ > limits_.line_bytes_max) {
        error_ = absl::InvalidArgumentError(
            fmt::format("protocol error: a reply line is longer than {} bytes", limits_.line_bytes_max));
        return error_;
      }
      return nullptr;
    }
    const std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
    error_ = ReadLine(line);
    if (!error_.ok()) return error_;
    begin_ = scanned_ = end + 1;
    if (last_line_) {
      reply_bytes_ = 0;
      return &reply_;
    }
  }
}

void ReplyParser::BeginReply() {
  reply_.code = 0;
  reply_.enhanced.reset();
  reply_.lines.clear();
  lines_ = 0;
  reply_bytes_ = 0;
  last_line_ = false;
}

absl::Status ReplyParser::ReadLine(std::string_view line) {
  if (line.size() > limits_.line_bytes_max) {
    return absl::InvalidArgumentError(
        fmt::format("protocol error: a reply line is longer than {} bytes", limits_.line_bytes_max));
  }
  reply_bytes_ += line.size();
  if (reply_bytes_ > limits_.reply_bytes_max) {
    return absl::InvalidArgumentError(
        fmt::format("protocol error: a reply is longer than {} bytes", limits_.reply_bytes_max));
  }
  if (lines_ >= limits_.lines_max) {
    return absl::InvalidArgumentError(fmt::format("protocol error: a reply has more than {} lines", limits_.lines_max));
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  if (line.size() < 3 || !IsDigit(line[0]) || !IsDigit(line[1]) || !IsDigit(line[2]) || line[0] < '2' ||
      line[0] > '5') {
    return absl::InvalidArgumentError("protocol error: a reply line does not begin with a reply code");
  }
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-' && line[3] != '\t') {
    return absl::InvalidArgumentError("protocol error: a reply code is followed by neither a space nor a hyphen");
  }
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (reply_.code == 0) {
    reply_.code = code;
  } else if (reply_.code != code) {
    return absl::InvalidArgumentError("protocol error: the code changes within a reply");
  }
  last_line_ = line.size() <= 3 || line[3] != '-';
  std::string_view text = line.size() > 4 ? line.substr(4) : std::string_view();
  if (lines_++ > 0) reply_.lines += '\n';
  const size_t begin = reply_.lines.size();
  reply_.lines += text;
  Clean(std::span(reply_.lines).subspan(begin));
  if (!reply_.enhanced.has_value()) {
    text = std::string_view(reply_.lines).substr(begin);
    const std::optional<EnhancedCode> enhanced = TakeEnhancedCode(text);
    if (enhanced.has_value() && enhanced->cls == code / 100) reply_.enhanced = enhanced;
  }
  return absl::OkStatus();
}

size_t ReplyParser::buffered() const { return buffer_.size() - begin_ + reply_bytes_; }

void ReplyParser::Clear() {
  buffer_.clear();
  begin_ = scanned_ = 0;
  BeginReply();
  error_ = absl::OkStatus();
}

}  // namespace sealift::engine
