#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/row_reader.h"

namespace sealift::engine {

// CsvReader reads RFC 4180 from chunks as they arrive, of any size: quoted fields, doubled quotes, line ends inside
// quotes, CRLF, LF or CR at the end of a line (the last line may lack it), a UTF-8 byte order mark at the start. Empty
// lines are skipped. A quote inside a field that does not begin with one is an ordinary character.
//
// Rows are delimited the same way whatever they hold: text after a closing quote makes its row bad and does not end it,
// so a value can never become a row. A quote that is never closed therefore ends the reading, at the file's end. A row
// over its cap is a bad one: it is passed over as it comes, by the same rules.
//
// Memory:    a row that lies within a chunk is not copied; the rest is bounded by `row_bytes_max`.
// Errors:    a quote that is never closed ends the reading.
class CsvReader final : public RowReader {
 public:
  // `separator`: a comma, or the tab of a TSV file, which is read by the same rules.
  explicit CsvReader(char separator = ',') : CsvReader(separator, Limits{}) {}
  CsvReader(char separator, const Limits& limits);

  void Feed(std::string_view chunk) override;
  void Finish() override;
  absl::StatusOr<Step> Next() override;

 private:
  enum class Scan { kRow, kBadRow, kEmptyLine, kIncomplete };

  // Reads a row at the beginning of `text`; `last`: nothing follows it.
  Scan ScanRow(std::string_view text, bool last);
  void ScanQuoted(std::string_view text, size_t& at);
  void AddField(std::string_view field);
  void Bad(std::string_view reason);
  // Goes on in a row over its cap; false when its end is not in `text`. Counts what it took in taken_.
  bool PassOver(std::string_view text);
  absl::Status Unclosed() const;
  // Steps over a byte order mark; false when more bytes are needed to know.
  bool Start(std::string_view& text, bool last);

  const char separator_;
  std::string_view chunk_;  // what of the caller's chunk is unread
  std::string buffer_;      // rows that began in an earlier chunk
  size_t buffer_begin_ = 0;
  size_t from_chunk_ = 0;  // bytes at the end of buffer_ that are also before chunk_
  size_t scan_at_ = 0;     // size of the buffered row below which looking again is not worth it
  bool finished_ = false;
  bool started_ = false;
  uint64_t line_ = 1;

  // Of a row over its cap: where in it the next byte is.
  enum class Within { kNoRow, kFieldBegin, kPlain, kQuoted, kQuote, kReturn };
  Within within_ = Within::kNoRow;
  bool quoted_return_ = false;  // the last byte is a CR within quotes

  // Of the row being read.
  size_t taken_ = 0;
  uint64_t lines_ = 0;
  bool unclosed_ = false;
  struct Unescaped {
    size_t field, begin, size;
  };
  std::vector<Unescaped> unescaped_fields_;
  std::string unescaped_;  // fields whose quotes were doubled
};

}  // namespace sealift::engine
