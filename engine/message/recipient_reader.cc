#include "engine/message/recipient_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/message/suggestion.h"
#include "engine/message/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kColumnNameBytesMax = 200;

}  // namespace

absl::StatusOr<RecipientReader::Step> RecipientReader::Next() {
  while (true) {
    const absl::StatusOr<CsvReader::Step> step = csv_.Next();
    if (!step.ok()) return step.status();
    switch (*step) {
      case CsvReader::Step::kNeedMore:
        return Step::kNeedMore;
      case CsvReader::Step::kEnd:
        if (!has_columns_) {
          return absl::InvalidArgumentError(
              "the recipient file is empty: its first line must name the columns, email among them");
        }
        return Step::kEnd;
      case CsvReader::Step::kBadRow:
        if (!has_columns_) {
          return absl::InvalidArgumentError(
              fmt::format("line {}: the row that names the columns cannot be read: {}", csv_.line(), csv_.reason()));
        }
        ++row_;
        return Reject({}, std::string(csv_.reason()));
      case CsvReader::Step::kRow:
        if (has_columns_) return Accept();
        if (absl::Status status = ReadHeader(); !status.ok()) return status;
        break;
    }
  }
}

absl::Status RecipientReader::ReadHeader() {
  std::vector<std::string> names;
  bool has_email = false;
  for (const std::string_view field : csv_.fields()) {
    const std::string_view name = Trimmed(field);
    const size_t number = names.size() + 1;
    const auto error = [&](std::string_view what) {
      return absl::InvalidArgumentError(fmt::format("line {}: column {} {}", csv_.line(), number, what));
    };
    if (name.empty()) return error("has no name");
    if (name.size() > kColumnNameBytesMax) return error("has a name longer than 200 bytes");
    if (!IsUtf8(name)) return error("has a name that is not UTF-8: save the file as UTF-8");
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
  if (!has_email) {
    const std::string close = Suggestion("email", names);
    const size_t shown = std::min<size_t>(names.size(), 20);
    return absl::InvalidArgumentError(
        fmt::format("line {}: no column is named email{}. The first line must name the columns; these are: {}{}",
                    csv_.line(), close.empty() ? "" : fmt::format(" (rename {}?)", close),
                    fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                    shown < names.size() ? fmt::format(" and {} more", names.size() - shown) : ""));
  }
  names.erase(names.begin() + static_cast<std::ptrdiff_t>(email_index_));
  columns_ = std::move(names);
  has_columns_ = true;
  return absl::OkStatus();
}

RecipientReader::Step RecipientReader::Accept() {
  ++row_;
  const std::span<const std::string_view> fields = csv_.fields();
  if (fields.size() != columns_.size() + 1) {
    return Reject(
        {}, fmt::format("it has {} fields where the first line names {} columns", fields.size(), columns_.size() + 1));
  }
  fields_.clear();
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string_view field = fields[i];
    if (i == email_index_) continue;
    if (!IsUtf8(field)) return Reject(columns_[fields_.size()], "it is not UTF-8: save the file as UTF-8");
    if (field.find('\0') != std::string_view::npos) return Reject(columns_[fields_.size()], "it has a NUL character");
    fields_.push_back(field);
  }
  if (absl::Status status = ParseMailbox(Trimmed(fields[email_index_]), mailbox_); !status.ok()) {
    return Reject("email", std::string(status.message()));
  }
  email_.clear();
  email_ += mailbox_.local;
  email_ += '@';
  email_ += mailbox_.domain;
  recipient_ = {csv_.line(), row_, csv_.offset(), &mailbox_, email_, fields_};
  return Step::kRecipient;
}

RecipientReader::Step RecipientReader::Reject(std::string_view column, std::string reason) {
  rejection_ = {csv_.line(), row_, csv_.offset(), std::string(column), std::move(reason)};
  return Step::kRejected;
}

}  // namespace sealift::engine
