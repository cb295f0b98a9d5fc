#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace sealift::tools {

enum class Format { kTable, kJson, kNdjson, kCsv };

std::optional<Format> ParseFormat(std::string_view name);

// A column of a table: the member of each row that it shows, and its heading.
struct Column {
  std::string member, title;
};

// Console is where a command's answer goes: data on `out`, everything else on `err`.
//
// With a machine's format (json, ndjson) a failure is data too: one object {"error": {...}} on `out`, so that a script
// reads one stream and always finds JSON in it. csv and table keep failures on `err`.
//
// Owned by:  main, for one command; tests give it string streams.
// Threads:   one.
class Console {
 public:
  struct Terminal {
    bool in = false, out = false, err = false;  // which of the three a person looks at
    bool colour = false;                        // NO_COLOR and TERM have been asked
  };

  Console(std::ostream& out, std::ostream& err, std::istream& in, Terminal terminal)
      : out_(out), err_(err), in_(in), terminal_(terminal) {}

  // What a command that prints tables does when -o does not say.
  void SetFormat(Format format) { format_ = format; }
  Format format() const { return format_; }
  bool machine() const { return format_ == Format::kJson || format_ == Format::kNdjson; }
  const Terminal& terminal() const { return terminal_; }

  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  std::istream& in() { return in_; }

  // A list: a table with headings, a JSON array under `member` with whatever else `answer` holds, a line a row, or CSV.
  void Rows(const nlohmann::json& answer, std::string_view member, const std::vector<Column>& columns);

  // A row of a list that has no end, in a table's or CSV's form; with its headings first when asked.
  void Row(const nlohmann::json& row, const std::vector<Column>& columns, bool headings);

  // One thing: a line a member (those of `columns` that it has), JSON, or CSV with one row.
  void Record(const nlohmann::json& answer, const std::vector<Column>& columns);

  // A sentence for a person; nothing with a machine's format or CSV.
  void Say(std::string_view sentence);

  // What went wrong, in the command's format. `code` is what the process will exit with.
  void Report(const absl::Status& status);

 private:
  void Csv(const nlohmann::json& rows, const std::vector<Column>& columns, bool headings = true);

  std::ostream& out_;
  std::ostream& err_;
  std::istream& in_;
  Terminal terminal_;
  Format format_ = Format::kTable;
};

// A JSON value as a cell shows it: no quotes, "" for null, thousands not separated.
std::string CellText(const nlohmann::json& value);

// Control characters of text that came from elsewhere never reach a terminal.
std::string Printable(std::string_view text);

}  // namespace sealift::tools
