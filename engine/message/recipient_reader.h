#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/recipient_format.h"
#include "engine/message/row_reader.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {

// RecipientReader turns a recipient file into recipients: a header row that names the columns, `email` among them in
// any case, then one row a recipient. Names are trimmed; names other than `email` keep their case. In NDJSON the
// members of the first object are the columns. A later object must have all of them, but for what Require leaves out.
//
// Row numbers count every data row, good or bad, from 1, so that they are the same each time the file is read: a load
// that was interrupted reads the file again and passes over rows whose `offset` it has already committed.
//
// Owned by:  one load.
// Threads:   one at a time.
// Errors:    a bad row is an answer (kRejected). What makes the file useless is InvalidArgument: no `email`, a name
//            twice or empty, an unclosed quote. Texts name lines and columns, never a value.
class RecipientReader {
 public:
  struct Recipient {
    uint64_t line = 0;
    uint64_t row = 0;     // data row, from 1
    uint64_t offset = 0;  // bytes of the input up to its end
    const Mailbox* mailbox = nullptr;
    std::string_view email;                    // mailbox->ToString()
    std::span<const std::string_view> fields;  // in the order of columns(); of NDJSON they may be a NestedValue
  };

  struct Rejection {
    uint64_t line = 0;
    uint64_t row = 0;
    uint64_t offset = 0;
    std::string column;  // empty when the whole row is meant
    std::string reason;  // a sentence's middle: "it has 3 fields where the header has 4"
  };

  enum class Step { kRecipient, kRejected, kNeedMore, kEnd };

  explicit RecipientReader(RecipientFormat format = RecipientFormat::kCsv)
      : RecipientReader(format, RowReader::Limits{}) {}
  RecipientReader(RecipientFormat format, const RowReader::Limits& limits);

  // As RowReader's.
  void Feed(std::string_view chunk);
  void Finish() { rows_->Finish(); }

  absl::StatusOr<Step> Next();

  // Bytes of the input up to the end of the row that was read last; every later one ends behind it.
  uint64_t offset() const { return rows_->offset(); }

  // Of what Next returned; valid until the next call.
  const Recipient& recipient() const { return recipient_; }
  const Rejection& rejection() const { return rejection_; }

  // Whether the header row has been read; columns() is empty before.
  bool has_columns() const { return has_columns_; }
  // Every column but `email`, in the file's order.
  const std::vector<std::string>& columns() const { return columns_; }

  // Once the columns are known: an object of NDJSON must have these alone from now on, and the address.
  void Require(std::span<const std::string> columns);

 private:
  absl::Status ReadHeader();
  std::string_view Header() const { return format_ == RecipientFormat::kNdjson ? "object" : "line"; }
  absl::Status NoEmail(const std::vector<std::string>& names) const;
  // What to do with a file that is of another format by its first bytes; empty: nothing is known of it.
  std::string_view OtherFormat() const;
  // The column that the row's field is of; empty when the row has no such column.
  std::string_view ColumnOf(std::optional<size_t> field) const;
  // The row's field that a column is.
  size_t FieldOf(size_t column) const { return column < email_index_ ? column : column + 1; }
  Step Accept();
  Step Reject(std::string_view column, std::string reason);

  const RecipientFormat format_;
  const std::unique_ptr<RowReader> rows_;
  std::string opening_;  // the file's first bytes behind white space, by which formats are told apart
  bool has_columns_ = false;
  size_t email_index_ = 0;
  std::vector<std::string> columns_;
  uint64_t row_ = 0;
  Mailbox mailbox_;
  std::string email_;
  std::vector<std::string_view> fields_;
  Recipient recipient_;
  Rejection rejection_;
};

}  // namespace sealift::engine
