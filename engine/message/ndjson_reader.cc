#include "engine/message/ndjson_reader.h"

#include <simdjson.h>

#include <cassert>
#include <unordered_set>
#include <utility>

#include "engine/message/nested_value.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kNul = "it has a NUL character";

// RFC 8259 section 6. The parser finds where a number ends and leaves it to us what it is.
bool IsNumber(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at > begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const size_t whole = at;
  if (!digits() || (text[whole] == '0' && at > whole + 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

std::string_view ReasonOf(simdjson::error_code error) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return "it is not UTF-8: save the file as UTF-8";
    case simdjson::UNCLOSED_STRING:
      return "a quote is opened in this line and never closed";
    case simdjson::STRING_ERROR:
      return "a text in it has an escape that JSON does not know";
    default:
      return "it is no JSON object: NDJSON has an object a line";
  }
}

// Reads one value with all that is in it, and appends it as a NestedValue.
class NestedReader {
 public:
  NestedReader(std::string& out, size_t members_max) : out_(out), members_max_(members_max) {}

  simdjson::error_code Append(ondemand::value value, size_t depth) {
    ondemand::json_type type{};
    if (const auto error = value.type().get(type); error != simdjson::SUCCESS) return error;
    switch (type) {
      case ondemand::json_type::array:
        return depth == NestedValue::kDepthMax ? TooDeep() : AppendList(value, depth + 1);
      case ondemand::json_type::object:
        return depth == NestedValue::kDepthMax ? TooDeep() : AppendObject(value, depth + 1);
      case ondemand::json_type::string: {
        std::string_view text;
        if (const auto error = value.get_string().get(text); error != simdjson::SUCCESS) return error;
        AppendText(text);
        return simdjson::SUCCESS;
      }
      default:
        return AppendWord(Trimmed(value.raw_json_token()));
    }
  }

  // Why it cannot be a row's value, though it is JSON; empty when it can.
  std::string_view wrong() const { return wrong_; }

 private:
  simdjson::error_code TooDeep() {
    wrong_ = "it has lists or objects more than 16 deep";
    return simdjson::SUCCESS;  // what is in it is passed over
  }

  void AppendText(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) wrong_ = kNul;
    AppendNestedText(text, out_);
  }

  simdjson::error_code AppendWord(std::string_view word) {
    if (word == "null") {
      AppendNestedNull(out_);
    } else if (word == "true" || word == "false") {
      AppendNestedTruth(word == "true", out_);
    } else if (IsNumber(word)) {
      AppendNestedNumber(word, out_);
    } else {
      return simdjson::TAPE_ERROR;
    }
    return simdjson::SUCCESS;
  }

  simdjson::error_code AppendList(ondemand::value value, size_t depth) {
    const size_t begin = out_.size();
    ondemand::array list;
    if (const auto error = value.get_array().get(list); error != simdjson::SUCCESS) return error;
    for (auto each : list) {
      ondemand::value item;
      if (const auto error = std::move(each).get(item); error != simdjson::SUCCESS) return error;
      if (const auto error = Append(item, depth); error != simdjson::SUCCESS) return error;
    }
    WrapNestedList(begin, out_);
    return simdjson::SUCCESS;
  }

  simdjson::error_code AppendObject(ondemand::value value, size_t depth) {
    const size_t begin = out_.size();
    ondemand::object object;
    if (const auto error = value.get_object().get(object); error != simdjson::SUCCESS) return error;
    std::unordered_set<std::string_view> names;
    for (auto each : object) {
      ondemand::field member;
      if (const auto error = std::move(each).get(member); error != simdjson::SUCCESS) return error;
      std::string_view name;
      if (const auto error = member.unescaped_key().get(name); error != simdjson::SUCCESS) return error;
      if (!names.insert(name).second) wrong_ = "an object in it has a member twice";
      if (names.size() > members_max_) wrong_ = "an object in it has too many members";
      AppendText(name);
      if (const auto error = Append(member.value(), depth); error != simdjson::SUCCESS) return error;
    }
    WrapNestedObject(begin, out_);
    return simdjson::SUCCESS;
  }

  std::string& out_;
  const size_t members_max_;
  std::string_view wrong_;
};

}  // namespace

struct NdjsonReader::Parser {
  ondemand::parser parser;
};

NdjsonReader::NdjsonReader(const Limits& limits) : RowReader(limits), parser_(std::make_unique<Parser>()) {}

NdjsonReader::~NdjsonReader() = default;

void NdjsonReader::Feed(std::string_view chunk) {
  assert(chunk_.empty() && !finished_);
  chunk_ = chunk;
}

void NdjsonReader::Finish() { finished_ = true; }

absl::StatusOr<RowReader::Step> NdjsonReader::Next() {
  if (std::exchange(first_waits_, false)) {
    offset_ += first_size_;
    fields_ = first_values_;
    return reason_.empty() ? Step::kRow : Step::kBadRow;
  }
  while (true) {
    std::string_view line;
    size_t readable = 0, size = 0;
    if (!TakeLine(line, readable, size)) return finished_ ? Step::kEnd : Step::kNeedMore;
    row_line_ = line_++;
    reason_ = {};
    column_.reset();
    if (size > limits_.row_bytes_max) {
      offset_ += size - dropped_;
      fields_.clear();
      Bad(row_too_long_);
      return Step::kBadRow;
    }
    if (row_line_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    if (Trimmed(line).empty()) {
      offset_ += size;
      continue;
    }
    const bool first = !has_names_;
    const Step step = ReadRow(line, readable);
    if (first && has_names_) {
      first_size_ = size;  // the names are of this line too: nothing is behind us before its values are
      return Step::kRow;
    }
    offset_ += size;
    return step;
  }
}

bool NdjsonReader::TakeLine(std::string_view& line, size_t& readable, size_t& size) {
  if (std::exchange(taken_, false)) {
    buffer_.clear();
    dropped_ = 0;
  }
  const size_t end = chunk_.find('\n');
  const bool whole = end != std::string_view::npos;
  const size_t here = whole ? end + 1 : chunk_.size();
  const size_t before = buffer_.size() + dropped_;
  if (before == 0 && whole) {  // read in place
    line = chunk_.substr(0, here);
    readable = chunk_.size() - here;
    size = here;
    chunk_.remove_prefix(here);
    return true;
  }
  if (before + here > limits_.row_bytes_max) {
    offset_ += buffer_.size() + here;
    dropped_ = before + here;
    buffer_.clear();
  } else {
    buffer_.append(chunk_.substr(0, here));
  }
  chunk_.remove_prefix(here);
  size = buffer_.size() + dropped_;
  taken_ = whole || (finished_ && size > 0);
  line = buffer_;
  readable = 0;
  return taken_;
}

RowReader::Step NdjsonReader::ReadRow(std::string_view line, size_t readable) {
  if (readable < simdjson::SIMDJSON_PADDING) {
    padded_.reserve(line.size() + simdjson::SIMDJSON_PADDING);
    padded_.assign(line);
    padded_.append(simdjson::SIMDJSON_PADDING, ' ');
    line = std::string_view(padded_).substr(0, line.size());
  }
  ReadObject(line);
  return reason_.empty() ? Step::kRow : Step::kBadRow;
}

void NdjsonReader::ReadObject(std::string_view line) {
  const bool first = !has_names_;
  ++rows_;
  nested_used_ = 0;
  fields_.assign(names_.size(), std::string_view());
  // What makes the file's rows differ is told only of a line that is a JSON object to its end.
  std::string_view reason;
  std::optional<size_t> column;
  const auto bad = [&](std::optional<size_t> index, std::string_view why) {
    if (!reason.empty()) return;
    reason = why;
    column = index;
  };
  const auto broken = [&](simdjson::error_code error) {
    if (first) names_.clear();
    Bad(ReasonOf(error));
  };

  ondemand::document document;
  const simdjson::padded_string_view text(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING);
  if (const auto error = parser_->parser.iterate(text).get(document); error != simdjson::SUCCESS) return broken(error);
  ondemand::object object;
  if (const auto error = document.get_object().get(object); error != simdjson::SUCCESS) return broken(error);
  size_t number = 0, found = 0;
  for (auto each : object) {
    ondemand::field member;
    if (const auto error = std::move(each).get(member); error != simdjson::SUCCESS) return broken(error);
    std::string_view name;
    if (const auto error = member.unescaped_key().get(name); error != simdjson::SUCCESS) return broken(error);
    size_t index = number;
    if (first) {
      if (number == limits_.fields_max) return Bad(too_many_fields_);
      names_.emplace_back(name);
      fields_.emplace_back();
    } else if (number >= names_.size() || names_[number] != name) {
      const auto known = index_.find(name);
      index = known == index_.end() ? names_.size() : known->second;
    }
    ++number;
    ondemand::json_type type{};
    if (const auto error = member.value().type().get(type); error != simdjson::SUCCESS) return broken(error);
    if (index == names_.size()) {
      bad(std::nullopt, "it has a member that the first object does not have");
      continue;
    }
    if (!first && std::exchange(seen_in_[index], rows_) == rows_) {
      bad(index, "it is there twice");
      continue;
    }
    ++found;
    std::string_view value;
    if (type == ondemand::json_type::object || type == ondemand::json_type::array) {
      std::string& nested = NewNested();
      NestedReader reader(nested, limits_.fields_max);
      if (const auto error = reader.Append(member.value(), 0); error != simdjson::SUCCESS) return broken(error);
      if (!reader.wrong().empty()) bad(index, reader.wrong());
      value = nested;
    } else if (type == ondemand::json_type::string) {
      if (const auto error = member.value().get_string().get(value); error != simdjson::SUCCESS) return broken(error);
      if (value.find('\0') != std::string_view::npos) bad(index, kNul);
    } else {
      value = Trimmed(member.value().raw_json_token());
      if (value == "null") {
        value = {};
      } else if (value == "false") {
        std::string& nested = NewNested();
        AppendNestedTruth(false, nested);
        value = nested;
      } else if (value != "true" && !IsNumber(value)) {
        return broken(simdjson::TAPE_ERROR);
      }
    }
    if (value.size() > limits_.field_bytes_max) bad(index, field_too_long_);
    fields_[index] = value;
  }
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return broken(simdjson::TAPE_ERROR);
  for (size_t i = 0; !first && found < names_.size() && i < names_.size(); ++i) {
    if (seen_in_[i] == rows_ || may_lack_.contains(i)) continue;
    bad(i, "it is missing: an empty value is \"\" or null");
  }
  reason_ = reason;
  column_ = column;
  if (!first) return;
  has_names_ = first_waits_ = true;
  first_values_ = fields_;
  fields_.assign(names_.begin(), names_.end());
  for (size_t i = 0; i < names_.size(); ++i) index_.emplace(names_[i], i);
  seen_in_.assign(names_.size(), 0);
}

std::string& NdjsonReader::NewNested() {
  if (nested_used_ == nested_.size()) nested_.emplace_back();
  std::string& nested = nested_[nested_used_++];
  nested.assign(1, NestedValue::kMark);
  return nested;
}

void NdjsonReader::Bad(std::string_view reason) { reason_ = reason; }

}  // namespace sealift::engine
