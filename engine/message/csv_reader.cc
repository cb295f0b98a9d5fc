#include "engine/message/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace sealift::engine {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kAppendBytes = 4096;

}  // namespace

CsvReader::CsvReader(char separator, const Limits& limits) : RowReader(limits), separator_(separator) {
  assert(separator != '"' && separator != '\n' && separator != '\r');
}

void CsvReader::Feed(std::string_view chunk) {
  assert(chunk_.empty() && from_chunk_ == 0 && !finished_);
  chunk_ = chunk;
}

void CsvReader::Finish() { finished_ = true; }

// A row is read straight from the caller's chunk. Only one that spans chunks goes through the buffer, which is looked
// at again when it has doubled: however small the chunks are, no byte is looked at more than a few times.
absl::StatusOr<RowReader::Step> CsvReader::Next() {
  while (true) {
    if (within_ != Within::kNoRow) {
      const bool ended = PassOver(chunk_);
      chunk_.remove_prefix(taken_);
      if (!ended && !finished_) return Step::kNeedMore;
      if (!ended && within_ == Within::kQuoted) return Unclosed();
      within_ = Within::kNoRow;
      row_line_ = line_;
      line_ += lines_;
      return Step::kBadRow;
    }
    const bool buffered = buffer_begin_ < buffer_.size();
    if (!buffered) {
      buffer_.clear();
      buffer_begin_ = 0;
      scan_at_ = 0;
      if (chunk_.empty()) return finished_ ? Step::kEnd : Step::kNeedMore;
    }
    std::string_view text = buffered ? std::string_view(buffer_).substr(buffer_begin_) : chunk_;
    const bool last = finished_ && (!buffered || chunk_.empty());
    Scan scan = Scan::kIncomplete;
    const bool worth_it = text.size() >= scan_at_ || text.size() > limits_.row_bytes_max || last;
    if (worth_it && Start(text, last)) scan = ScanRow(text, last);
    if (scan == Scan::kIncomplete) {
      // A byte order mark may just have been stepped over.
      const size_t size = text.size();
      if (last) return Unclosed();
      if (size > limits_.row_bytes_max) {  // it does not end in the text
        fields_.clear();
        column_.reset();
        reason_ = row_too_long_;
        lines_ = 1;
        within_ = Within::kFieldBegin;
        quoted_return_ = false;
        PassOver(text);
        if (!buffered) chunk_ = {};
        buffer_.clear();
        buffer_begin_ = scan_at_ = from_chunk_ = 0;
        continue;
      }
      if (scan_at_ <= size) scan_at_ = 2 * size;
      if (!buffered) {
        buffer_.assign(text);
        chunk_ = {};
        if (buffer_.empty()) continue;
      } else {
        buffer_.erase(0, buffer_.size() - size);
      }
      buffer_begin_ = 0;
      if (chunk_.empty()) {
        from_chunk_ = 0;  // the chunk is the caller's again: what is kept of it is read from the buffer
        return Step::kNeedMore;
      }
      from_chunk_ = std::min(chunk_.size(), std::max(kAppendBytes, scan_at_ - std::min(scan_at_, size)));
      buffer_.append(chunk_.substr(0, from_chunk_));
      chunk_.remove_prefix(from_chunk_);
      continue;
    }
    scan_at_ = 0;
    if (!buffered) {
      chunk_ = text.substr(taken_);
    } else {
      buffer_begin_ = buffer_.size() - text.size() + taken_;
      const size_t surplus = buffer_.size() - buffer_begin_;
      if (surplus <= from_chunk_) {  // back to reading in place; the row's own bytes stay until the next call
        chunk_ = std::string_view(chunk_.data() - surplus, chunk_.size() + surplus);
        buffer_begin_ = buffer_.size();
        from_chunk_ = 0;
      }
    }
    row_line_ = line_;
    line_ += lines_;
    offset_ += taken_;
    if (scan == Scan::kEmptyLine) continue;
    return scan == Scan::kRow ? Step::kRow : Step::kBadRow;
  }
}

absl::Status CsvReader::Unclosed() const {
  return absl::InvalidArgumentError(fmt::format("line {}: a quote is opened in this row and never closed", line_));
}

bool CsvReader::PassOver(std::string_view text) {
  taken_ = 0;
  bool ended = false;
  while (!ended && taken_ < text.size()) {
    const char c = text[taken_];
    if (within_ == Within::kReturn && c != '\n') {
      ended = true;
      break;
    }
    ++taken_;
    if (within_ == Within::kQuoted) {
      if (quoted_return_ && c != '\n') ++lines_;
      quoted_return_ = c == '\r';
      if (c == '\n') ++lines_;
      if (c == '"') within_ = Within::kQuote;
    } else if (c == '"' && (within_ == Within::kFieldBegin || within_ == Within::kQuote)) {
      within_ = Within::kQuoted;
    } else if (c == '\n') {
      ended = true;
    } else {
      within_ = c == separator_ ? Within::kFieldBegin : c == '\r' ? Within::kReturn : Within::kPlain;
    }
  }
  offset_ += taken_;
  return ended;
}

bool CsvReader::Start(std::string_view& text, bool last) {
  if (started_) return true;
  if (text.size() < kByteOrderMark.size() && kByteOrderMark.starts_with(text) && !last) return false;
  started_ = true;
  if (text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
    offset_ += kByteOrderMark.size();
  }
  return true;
}

CsvReader::Scan CsvReader::ScanRow(std::string_view text, bool last) {
  fields_.clear();
  unescaped_fields_.clear();
  unescaped_.clear();
  reason_ = {};
  column_.reset();
  lines_ = 1;
  const char separator = separator_;
  const size_t size = text.size();
  size_t at = 0;
  while (true) {
    if (at < size && text[at] == '"') {
      unclosed_ = false;
      ScanQuoted(text, at);
      if (unclosed_) return Scan::kIncomplete;
      if (at < size && text[at] != separator && text[at] != '\n' && text[at] != '\r') {
        Bad("text stands behind a closing quote");
        while (at < size && text[at] != separator && text[at] != '\n' && text[at] != '\r') ++at;
      }
    } else {
      const size_t begin = at;
      while (at < size && text[at] != separator && text[at] != '\n' && text[at] != '\r') ++at;
      AddField(text.substr(begin, at - begin));
    }
    if (at == size) {
      if (!last) return Scan::kIncomplete;
      break;
    }
    if (text[at] == separator) {
      ++at;
      continue;
    }
    if (text[at] == '\r') {
      if (at + 1 == size && !last) return Scan::kIncomplete;
      if (at + 1 < size && text[at + 1] == '\n') ++at;
    }
    ++at;
    break;
  }
  taken_ = at;
  for (const Unescaped& field : unescaped_fields_) {
    fields_[field.field] = std::string_view(unescaped_).substr(field.begin, field.size);
  }
  if (taken_ > limits_.row_bytes_max) {
    reason_ = row_too_long_;
    column_.reset();
  }
  if (!reason_.empty()) return Scan::kBadRow;
  const bool empty_line = fields_.size() == 1 && fields_[0].empty() && text.substr(0, 1) != "\"";
  return empty_line ? Scan::kEmptyLine : Scan::kRow;
}

void CsvReader::ScanQuoted(std::string_view text, size_t& at) {
  const size_t begin = at + 1;
  size_t piece = begin;
  const size_t unescaped_begin = unescaped_.size();
  bool doubled = false;
  while (true) {
    const size_t quote = text.find('"', piece);
    if (quote == std::string_view::npos) {
      unclosed_ = true;
      return;
    }
    if (quote + 1 < text.size() && text[quote + 1] == '"') {
      doubled = true;
      unescaped_.append(text, piece, quote + 1 - piece);
      piece = quote + 2;
      continue;
    }
    const std::string_view inside = text.substr(begin, quote - begin);
    for (size_t i = 0; i < inside.size(); ++i) {
      if (inside[i] == '\n' || (inside[i] == '\r' && (i + 1 == inside.size() || inside[i + 1] != '\n'))) ++lines_;
    }
    if (doubled) {
      unescaped_.append(text, piece, quote - piece);
      unescaped_fields_.push_back({fields_.size(), unescaped_begin, unescaped_.size() - unescaped_begin});
    }
    AddField(inside);
    at = quote + 1;
    return;
  }
}

void CsvReader::AddField(std::string_view field) {
  if (field.size() > limits_.field_bytes_max && reason_.empty()) {
    Bad(field_too_long_);
    column_ = fields_.size();
  }
  if (fields_.size() >= limits_.fields_max) {
    Bad(too_many_fields_);
    return;
  }
  fields_.push_back(field);
}

void CsvReader::Bad(std::string_view reason) {
  if (reason_.empty()) reason_ = reason;
}

}  // namespace sealift::engine
