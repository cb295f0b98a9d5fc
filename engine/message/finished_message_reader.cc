#include "engine/message/finished_message_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/message/recipient_list.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

// RFC 5322 3.6: at most once.
enum Once : size_t { kFrom, kDate, kMessageId, kTo, kCc, kBcc, kOthers };
constexpr std::array<std::string_view, 11> kOnce = {"From",   "Date",     "Message-ID",  "To",         "Cc",     "Bcc",
                                                    "Sender", "Reply-To", "In-Reply-To", "References", "Subject"};

bool IsEightBit(std::string_view bytes) {
  uint8_t all = 0;
  for (const char c : bytes) all = static_cast<uint8_t>(all | static_cast<uint8_t>(c));
  return all > 127;
}

// RFC 5322 3.6.8, with the blanks that 4.5.8 has let in before the colon.
std::string_view FieldName(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  std::string_view name = line.substr(0, colon);
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
  const bool printable = std::ranges::all_of(name, [](char c) { return c > 32 && c < 127; });
  return printable ? name : std::string_view();
}

// What stands between the angle brackets of a Message-ID (RFC 5322 3.6.4), or all of it where there are none.
std::string_view IdOf(std::string_view value) {
  const size_t open = value.find('<');
  const size_t close = value.find('>', open == std::string_view::npos ? 0 : open);
  if (open != std::string_view::npos && close != std::string_view::npos)
    return value.substr(open + 1, close - open - 1);
  const size_t begin = value.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return value.substr(begin, value.find_last_not_of(" \t\r\n") + 1 - begin);
}

}  // namespace

void FinishedMessageReader::Begin(uint32_t number) {
  message_ = {.number = number};
  recipients_.clear();
  authors_.clear();
  message_id_.clear();
  rejection_.clear();
  in_header_ = true;
  lines_ = 0;
  seen_ = 0;
  header_.clear();
  partial_line_.clear();
  out_.clear();
  hasher_ = {};
}

void FinishedMessageReader::Reject(std::string reason) { rejection_ = std::move(reason); }

absl::Status FinishedMessageReader::Add(std::string_view bytes) {
  while (!bytes.empty() && rejection_.empty()) {
    const size_t end = bytes.find('\n');
    if (end == std::string_view::npos || !partial_line_.empty()) {
      partial_line_.append(bytes.substr(0, end));
      if (partial_line_.size() > kLineBytesMax + 1) {
        Reject(fmt::format("line {} has more than {} bytes", lines_ + 1, kLineBytesMax));
        return absl::OkStatus();
      }
      if (end == std::string_view::npos) return absl::OkStatus();
    }
    const absl::Status taken = TakeLine(partial_line_.empty() ? bytes.substr(0, end) : std::string_view(partial_line_));
    if (!taken.ok()) return taken;
    partial_line_.clear();
    bytes.remove_prefix(end + 1);
  }
  return absl::OkStatus();
}

absl::Status FinishedMessageReader::End() {
  if (rejection_.empty() && !partial_line_.empty()) {
    // Only a line end may take the CR away.
    if (partial_line_.ends_with('\r')) partial_line_ += '\r';
    if (absl::Status taken = TakeLine(partial_line_); !taken.ok()) return taken;
  }
  if (rejection_.empty() && in_header_) {
    if (absl::Status ended = EndHeader(); !ended.ok()) return ended;
  }
  if (!rejection_.empty()) return absl::OkStatus();
  message_.body_hash = hasher_.Finish();
  out_ += ".\r\n";
  return Flush(1);
}

absl::Status FinishedMessageReader::TakeLine(std::string_view line) {
  ++lines_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > kLineBytesMax) {
    Reject(fmt::format("line {} has more than {} bytes", lines_, kLineBytesMax));
  } else if (line.find('\r') != std::string_view::npos) {
    Reject(fmt::format("line {} has a CR that ends no line", lines_));
  } else if (line.find('\0') != std::string_view::npos) {
    Reject(fmt::format("line {} has a NUL", lines_));
  }
  if (!rejection_.empty()) return absl::OkStatus();
  if (!in_header_) return TakeBodyLine(line);
  if (line.empty()) return EndHeader();
  header_ += line;
  header_ += "\r\n";
  if (header_.size() > kHeaderBytesMax) Reject(fmt::format("its header has more than {} bytes", kHeaderBytesMax));
  return absl::OkStatus();
}

absl::Status FinishedMessageReader::TakeBodyLine(std::string_view line) {
  message_.size += line.size() + 2;
  if (message_.size > kBytesMax) {
    Reject(fmt::format("it has more than {} MiB: link to large attachments instead of mailing them", kBytesMax >> 20));
    return absl::OkStatus();
  }
  message_.eight_bit = message_.eight_bit || IsEightBit(line);
  hasher_.Add(line);
  hasher_.Add("\r\n");
  if (line.starts_with('.')) out_ += '.';
  out_ += line;
  out_ += "\r\n";
  return Flush(piece_bytes_);
}

absl::Status FinishedMessageReader::EndHeader() {
  in_header_ = false;
  int line = 1;
  for (std::string_view rest = header_; !rest.empty();) {
    size_t end = rest.find("\r\n");
    int lines = 1;
    while (end + 2 < rest.size() && (rest[end + 2] == ' ' || rest[end + 2] == '\t')) {
      end = rest.find("\r\n", end + 2);
      ++lines;
    }
    if (!TakeField(rest.substr(0, end + 2), line)) return absl::OkStatus();
    rest.remove_prefix(end + 2);
    line += lines;
  }
  if ((seen_ & 1u << kFrom) == 0) {
    Reject("it has no From");
  } else if (recipients_.empty()) {
    Reject("it has no recipient in To, Cc or Bcc");
  } else if (IsEightBit(out_) && !IsUtf8(out_)) {
    Reject("its header has bytes that are no UTF-8");
  }
  if (!rejection_.empty()) return absl::OkStatus();
  message_.utf8_header = message_.eight_bit = IsEightBit(out_);
  message_.has_date = (seen_ & 1u << kDate) != 0;
  message_.has_message_id = (seen_ & 1u << kMessageId) != 0;
  out_ += "\r\n";
  message_.size = out_.size();
  return absl::OkStatus();
}

// `field` with its folds and its line end. False: the message is rejected.
bool FinishedMessageReader::TakeField(std::string_view field, int line) {
  const std::string_view name = FieldName(field.substr(0, field.find("\r\n")));
  // A name that begins with a dot is none that anybody uses, and would be the one line to look different in DATA.
  if (name.empty() || name.front() == '.') {
    Reject(fmt::format("line {} of its header is no field: a name, a colon and a value", line));
    return false;
  }
  const auto known =
      std::ranges::find_if(kOnce, [&](std::string_view each) { return EqualsIgnoreCase(each, name); }) - kOnce.begin();
  const size_t index = static_cast<size_t>(known);
  if (index < kOnce.size()) {
    if ((seen_ & 1u << index) != 0) {
      Reject(fmt::format("it has more than one {}", kOnce[index]));
      return false;
    }
    seen_ |= 1u << index;
  }
  if (index == kFrom || index == kTo || index == kCc || index == kBcc) {
    const absl::Status read =
        ParseRecipientList(field.substr(field.find(':') + 1), index == kFrom ? authors_ : recipients_);
    if (!read.ok()) {
      Reject(fmt::format("{}: {}", kOnce[index], std::string(read.message())));
      return false;
    }
    if (index == kFrom && authors_.empty()) {
      Reject("From: it names nobody");
      return false;
    }
  }
  if (index == kMessageId) message_id_ = IdOf(field.substr(field.find(':') + 1));
  OwnListFields& own = message_.own;
  own.unsubscribe =
      own.unsubscribe || EqualsIgnoreCase(name, "List-Unsubscribe") || EqualsIgnoreCase(name, "List-Unsubscribe-Post");
  own.list_id = own.list_id || EqualsIgnoreCase(name, "List-Id");
  own.feedback_id = own.feedback_id || EqualsIgnoreCase(name, "Feedback-ID");
  const bool hidden = index == kBcc || EqualsIgnoreCase(name, "Resent-Bcc") || EqualsIgnoreCase(name, "Return-Path");
  if (!hidden) out_ += field;
  return true;
}

absl::Status FinishedMessageReader::Flush(size_t at_least) {
  while (out_.size() >= at_least) {
    ++message_.pieces;
    if (absl::Status status = sink_(std::string_view(out_).substr(0, piece_bytes_)); !status.ok()) return status;
    out_.erase(0, piece_bytes_);
  }
  return absl::OkStatus();
}

}  // namespace sealift::engine
