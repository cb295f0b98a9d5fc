#include "engine/message/recipient_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/message/csv_reader.h"
#include "engine/message/ndjson_reader.h"
#include "engine/message/nested_value.h"
#include "engine/message/suggestion.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kColumnNameBytesMax = 200;
constexpr size_t kOpeningBytes = 256;

std::unique_ptr<RowReader> MakeRowReader(RecipientFormat format, const RowReader::Limits& limits) {
  if (format == RecipientFormat::kNdjson) return std::make_unique<NdjsonReader>(limits);
  return std::make_unique<CsvReader>(format == RecipientFormat::kTsv ? '\t' : ',', limits);
}

}  // namespace

RecipientReader::RecipientReader(RecipientFormat format, const RowReader::Limits& limits)
    : format_(format), rows_(MakeRowReader(format, limits)) {}

void RecipientReader::Feed(std::string_view chunk) {
  rows_->Feed(chunk);
  if (has_columns_ || opening_.size() == kOpeningBytes) return;
  if (opening_.empty()) chunk.remove_prefix(std::min(chunk.find_first_not_of("\xEF\xBB\xBF \t\r\n"), chunk.size()));
  opening_ += chunk.substr(0, kOpeningBytes - opening_.size());
}

std::string_view RecipientReader::OtherFormat() const {
  if (opening_.starts_with("PK\x03\x04")) {
    return "; this is a spreadsheet or an archive: export it as CSV (UTF-8, with commas)";
  }
  const bool list = opening_.starts_with('[');
  if (format_ == RecipientFormat::kNdjson) {
    return list ? "; this is a JSON list: `jq -c '.[]' FILE` makes an object a line of it" : "";
  }
  if (list) {
    return "; if this is JSON: an object a line is loaded with --format ndjson, and `jq -c '.[]' FILE` makes that of a "
           "list";
  }
  if (opening_.starts_with('{')) return "; if this is JSON: an object a line is loaded with --format ndjson";
  const std::string_view line = std::string_view(opening_).substr(0, opening_.find_first_of("\r\n"));
  const bool semicolons =
      line.find(';') != std::string_view::npos && line.find_first_of(",\t") == std::string_view::npos;
  return semicolons ? "; its columns are separated by semicolons: save it with commas, or with tabs and load it with "
                      "--format tsv"
                    : "";
}

absl::StatusOr<RecipientReader::Step> RecipientReader::Next() {
  while (true) {
    const absl::StatusOr<RowReader::Step> step = rows_->Next();
    if (!step.ok()) return step.status();
    switch (*step) {
      case RowReader::Step::kNeedMore:
        return Step::kNeedMore;
      case RowReader::Step::kEnd:
        if (!has_columns_) {
          return absl::InvalidArgumentError(fmt::format(
              "the recipient file is empty: its first {} must name the columns, email among them", Header()));
        }
        return Step::kEnd;
      case RowReader::Step::kBadRow:
        if (!has_columns_) {
          return absl::InvalidArgumentError(fmt::format("line {}: the row that names the columns cannot be read: {}{}",
                                                        rows_->line(), rows_->reason(), OtherFormat()));
        }
        ++row_;
        return Reject(ColumnOf(rows_->column()), std::string(rows_->reason()));
      case RowReader::Step::kRow:
        if (has_columns_) return Accept();
        if (absl::Status status = ReadHeader(); !status.ok()) return status;
        break;
    }
  }
}

absl::Status RecipientReader::ReadHeader() {
  std::vector<std::string> names;
  bool has_email = false;
  for (const std::string_view field : rows_->fields()) {
    const std::string_view name = Trimmed(field);
    const size_t number = names.size() + 1;
    const auto error = [&](std::string_view what) {
      return absl::InvalidArgumentError(
          fmt::format("line {}: column {} {}{}", rows_->line(), number, what, OtherFormat()));
    };
    if (name.empty()) return error("has no name");
    if (name.size() > kColumnNameBytesMax) return error("has a name longer than 200 bytes");
    if (!IsUtf8(name)) return error("has a name that is not UTF-8: save the file as UTF-8");
    if (format_ == RecipientFormat::kCsv && name.find('\t') != std::string_view::npos) {
      return error("has a tab in its name: a file whose columns are separated by tabs is loaded with --format tsv");
    }
    if (HasControl(name)) return error("has a name with a control character");
    if (EqualsIgnoreCase(name, "email")) {
      if (has_email) return error("is a second column email");
      has_email = true;
      email_index_ = names.size();
    } else if (const auto same = std::ranges::find(names, name); same != names.end()) {
      return error(fmt::format("has the same name as column {}", same - names.begin() + 1));
    }
    names.emplace_back(name);
  }
  if (!has_email) return NoEmail(names);
  names.erase(names.begin() + static_cast<std::ptrdiff_t>(email_index_));
  columns_ = std::move(names);
  has_columns_ = true;
  return absl::OkStatus();
}

// A file without a header row, or of another format, has a recipient in its first line: nothing of that is shown.
absl::Status RecipientReader::NoEmail(const std::vector<std::string>& names) const {
  if (const std::string_view hint = OtherFormat(); !hint.empty()) {
    return absl::InvalidArgumentError(fmt::format("line {}: no column is named email{}", rows_->line(), hint));
  }
  if (std::ranges::any_of(names, [](const std::string& name) { return name.find('@') != std::string::npos; })) {
    return absl::InvalidArgumentError(fmt::format(
        "line {}: no column is named email, and an address stands where a name should: the first {} must name the "
        "columns",
        rows_->line(), Header()));
  }
  const std::string close = Suggestion("email", names);
  const size_t shown = std::min<size_t>(names.size(), 20);
  return absl::InvalidArgumentError(
      fmt::format("line {}: no column is named email{}. The first {} must name the columns; these are: {}{}",
                  rows_->line(), close.empty() ? "" : fmt::format(" (rename {}?)", close), Header(),
                  fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                  shown < names.size() ? fmt::format(" and {} more", names.size() - shown) : ""));
}

void RecipientReader::Require(std::span<const std::string> columns) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (std::ranges::find(columns, columns_[i]) == columns.end()) rows_->MayLack(FieldOf(i));
  }
}

std::string_view RecipientReader::ColumnOf(std::optional<size_t> field) const {
  if (!field.has_value() || *field > columns_.size()) return {};
  if (*field == email_index_) return "email";
  return columns_[*field - (*field > email_index_ ? 1 : 0)];
}

RecipientReader::Step RecipientReader::Accept() {
  ++row_;
  const std::span<const std::string_view> fields = rows_->fields();
  if (fields.size() != columns_.size() + 1) {
    return Reject(
        {}, fmt::format("it has {} fields where the first line names {} columns", fields.size(), columns_.size() + 1));
  }
  fields_.clear();
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string_view field = fields[i];
    if (i == email_index_) continue;
    if (format_ == RecipientFormat::kNdjson) {  // JSON is UTF-8, and a NUL begins what is no text
      fields_.push_back(field);
      continue;
    }
    if (!IsUtf8(field)) return Reject(columns_[fields_.size()], "it is not UTF-8: save the file as UTF-8");
    if (field.find('\0') != std::string_view::npos) return Reject(columns_[fields_.size()], "it has a NUL character");
    fields_.push_back(field);
  }
  if (NestedValue::IsNested(fields[email_index_])) return Reject("email", "it is no text, and must be an address");
  if (absl::Status status = ParseMailbox(Trimmed(fields[email_index_]), mailbox_); !status.ok()) {
    return Reject("email", std::string(status.message()));
  }
  email_.clear();
  email_ += mailbox_.local;
  email_ += '@';
  email_ += mailbox_.domain;
  recipient_ = {rows_->line(), row_, rows_->offset(), &mailbox_, email_, fields_};
  return Step::kRecipient;
}

RecipientReader::Step RecipientReader::Reject(std::string_view column, std::string reason) {
  rejection_ = {rows_->line(), row_, rows_->offset(), std::string(column), std::move(reason)};
  return Step::kRejected;
}

}  // namespace sealift::engine
