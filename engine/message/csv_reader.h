#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// CsvReader reads RFC 4180 from chunks as they arrive, of any size: quoted fields, doubled quotes, line ends inside
// quotes, CRLF, LF or CR at the end of a line (the last line may lack it), a UTF-8 byte order mark at the start. Empty
// lines are skipped. A quote inside a field that does not begin with one is an ordinary character.
//
// Rows are delimited the same way whatever they hold: text after a closing quote makes its row bad and does not end it,
// so a value can never become a row. A quote that is never closed therefore ends the reading.
//
// Owned by:  one load.
// Threads:   one at a time.
// Memory:    a row that lies within a chunk is not copied; the rest is bounded by `row_bytes_max`.
// Errors:    a bad row is an answer (kBadRow, with `reason()`); an unclosed quote and a row over its cap are
// InvalidArgument,
//            with the line at which it began. Neither quotes the file.
class CsvReader {
 public:
  struct Options {
    char separator = ',';
    size_t field_bytes_max = 256 << 10;
    size_t row_bytes_max = 1 << 20;
    size_t fields_max = 1000;
  };

  enum class Step {
    kRow,       // fields() is a row
    kBadRow,    // reason() says why it cannot be used
    kNeedMore,  // Feed or Finish
    kEnd,
  };

  CsvReader() : CsvReader(Options{}) {}
  explicit CsvReader(const Options& options);

  // Adds a chunk. It stays the caller's and must stay as it is until Next has returned kNeedMore; feed the next one
  // then.
  void Feed(std::string_view chunk);
  // Says that there is no more.
  void Finish();

  absl::StatusOr<Step> Next();

  // Of the row that Next returned; valid until the next call.
  std::span<const std::string_view> fields() const { return fields_; }
  std::string_view reason() const { return reason_; }
  uint64_t line() const { return row_line_; }  // at which the row begins, from 1
  uint64_t offset() const { return offset_; }  // bytes of the input up to the row's end, its line end included

 private:
  enum class Scan { kRow, kBadRow, kEmptyLine, kIncomplete };

  // Reads a row at the beginning of `text`; `last`: nothing follows it.
  Scan ScanRow(std::string_view text, bool last);
  void ScanQuoted(std::string_view text, size_t& at);
  void AddField(std::string_view field);
  void Bad(std::string_view reason);
  // Steps over a byte order mark; false when more bytes are needed to know.
  bool Start(std::string_view& text, bool last);

  Options options_;
  std::string_view chunk_;  // what of the caller's chunk is unread
  std::string buffer_;      // rows that began in an earlier chunk
  size_t buffer_begin_ = 0;
  size_t from_chunk_ = 0;  // bytes at the end of buffer_ that are also before chunk_
  size_t scan_at_ = 0;     // size of the buffered row below which looking again is not worth it
  bool finished_ = false;
  bool started_ = false;
  uint64_t line_ = 1;
  uint64_t offset_ = 0;

  // Of the row being read.
  uint64_t row_line_ = 0;
  size_t taken_ = 0;
  uint64_t lines_ = 0;
  bool unclosed_ = false;
  std::string_view reason_;
  std::vector<std::string_view> fields_;
  struct Unescaped {
    size_t field, begin, size;
  };
  std::vector<Unescaped> unescaped_fields_;
  std::string unescaped_;  // fields whose quotes were doubled
};

}  // namespace sealift::engine
