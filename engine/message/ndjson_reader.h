#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/message/row_reader.h"

namespace sealift::engine {

// NdjsonReader reads an object a line (RFC 8259 objects, as ndjson.org and jsonlines.org frame them).
//
// The first object's member names come as a first row of their own, as a CSV file's header does; its values are the
// row behind it. Every other object has the same members, in any order. A value is text, a number (which stays as it
// was written: 1.50 is 1.50), true, null for an empty one; or false, a list or an object, whose field is a NestedValue.
// What is missing, there twice or not named by the first object makes a bad row: a file whose objects differ is more
// likely a mistake than a wish, and a value that is passed over would be missed in the mail only. So do a NUL in a
// text, which is how the others are told from it, over 1,000 members in an object and over 16 levels.
//
// A line is a row whatever it holds, so nothing but the first line's object ends the reading. Empty lines are skipped.
//
// Memory:    a few times `row_bytes_max`.
class NdjsonReader final : public RowReader {
 public:
  NdjsonReader() : NdjsonReader(Limits{}) {}
  explicit NdjsonReader(const Limits& limits);
  ~NdjsonReader() override;

  void Feed(std::string_view chunk) override;
  void Finish() override;
  absl::StatusOr<Step> Next() override;

 private:
  struct Parser;

  // The next whole line and how many of the bytes behind it may be read; false: there is none yet. `size` counts its
  // line end.
  bool TakeLine(std::string_view& line, size_t& readable, size_t& size);
  Step ReadRow(std::string_view line, size_t readable);
  // Fills fields_ and, for the first object, names_; or says in reason_ why not.
  void ReadObject(std::string_view line);
  void Bad(std::string_view reason);
  std::string& NewNested();

  const std::unique_ptr<Parser> parser_;
  std::string_view chunk_;          // what of the caller's chunk is unread
  std::string buffer_;              // a line that began in an earlier chunk
  std::string padded_;              // a line behind which too little can be read for the parser
  std::deque<std::string> nested_;  // what this row's nested values are
  size_t nested_used_ = 0;
  size_t dropped_ = 0;  // of a line over the cap, what is not kept; offset() counts it already
  bool finished_ = false;
  bool taken_ = false;  // buffer_ is the line of the last row
  uint64_t line_ = 1;

  // Of the first object.
  bool has_names_ = false;
  bool first_waits_ = false;  // its names were returned, its values are next
  size_t first_size_ = 0;
  std::vector<std::string> names_;
  std::vector<std::string_view> first_values_;
  std::unordered_map<std::string_view, size_t> index_;

  uint64_t rows_ = 0;
  std::vector<uint64_t> seen_in_;  // of each name, the last row that had it
};

}  // namespace sealift::engine
