#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// RowReader reads rows of text from the chunks of a file as they arrive, of any size. The first row names the columns.
//
// Line and offset of a row depend on the bytes of the file alone, never on how they were cut into chunks: a load that
// was interrupted passes over the rows that it has committed by their offsets.
//
// Owned by:  one load.
// Threads:   one at a time.
// Errors:    a bad row is an answer (kBadRow, with `reason()`); what makes the rest of the file unreadable is
//            InvalidArgument with the line. Neither quotes the file.
class RowReader {
 public:
  struct Limits {
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

  explicit RowReader(const Limits& limits);
  virtual ~RowReader() = default;
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  // Adds a chunk. It stays the caller's and must stay as it is until Next has returned kNeedMore; feed the next one
  // then.
  virtual void Feed(std::string_view chunk) = 0;
  // Says that there is no more.
  virtual void Finish() = 0;

  virtual absl::StatusOr<Step> Next() = 0;

  // From now on a row may lack this field, which is empty then. Asked by readers whose rows name their fields.
  void MayLack(size_t field) { may_lack_.insert(field); }

  // Of the row that Next returned; valid until the next call.
  std::span<const std::string_view> fields() const { return fields_; }
  std::string_view reason() const { return reason_; }
  // The field that makes the row a bad one, if it is one field.
  std::optional<size_t> column() const { return column_; }
  uint64_t line() const { return row_line_; }  // at which the row begins, from 1
  // Bytes of the input up to the row's end, its line end included. When Next wants more it may be further, within a row
  // over its cap: what was passed over of that is needed no more.
  uint64_t offset() const { return offset_; }

 protected:
  const Limits limits_;
  // What is said of a row beyond them.
  const std::string row_too_long_, field_too_long_, too_many_fields_;

  std::set<size_t> may_lack_;
  std::vector<std::string_view> fields_;
  std::string_view reason_;  // of a text that stays
  std::optional<size_t> column_;
  uint64_t row_line_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace sealift::engine
