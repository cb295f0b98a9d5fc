#include "tools/sink/toml_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace sealift::tools::sink {
namespace {

// Levenshtein's distance: how many letters were mistyped.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

TomlTable::TomlTable(const toml::table& table, std::string what, std::string_view origin, absl::Status* first_error)
    : table_(table), what_(std::move(what)), origin_(origin), error_(first_error) {}

const toml::node* TomlTable::Find(std::string_view key) {
  known_.emplace_back(key);
  return error_->ok() ? table_.get(key) : nullptr;
}

void TomlTable::Fail(const toml::node& node, std::string_view sentence) {
  if (!error_->ok()) return;
  const toml::source_position at = node.source().begin;
  *error_ = absl::InvalidArgumentError(fmt::format("{}:{}:{}: {}", origin_, at.line, at.column, sentence));
}

void TomlTable::FailAt(std::string_view key, std::string_view sentence) {
  const toml::node* node = table_.get(key);
  Fail(node != nullptr ? *node : static_cast<const toml::node&>(table_), sentence);
}

void TomlTable::Read(std::string_view key, std::string* value) {
  const toml::node* node = Find(key);
  if (node == nullptr) return;
  if (!node->is_string()) return Fail(*node, fmt::format("{} is a string; put it in quotes", key));
  *value = **node->as_string();
}

void TomlTable::Read(std::string_view key, bool* value) {
  const toml::node* node = Find(key);
  if (node == nullptr) return;
  if (!node->is_boolean()) return Fail(*node, fmt::format("{} is true or false, without quotes", key));
  *value = **node->as_boolean();
}

void TomlTable::Read(std::string_view key, int64_t* value, int64_t min, int64_t max) {
  const toml::node* node = Find(key);
  if (node == nullptr) return;
  if (!node->is_integer() || **node->as_integer() < min || **node->as_integer() > max) {
    return Fail(*node, fmt::format("{} is a whole number from {} to {}", key, min, max));
  }
  *value = **node->as_integer();
}

void TomlTable::Read(std::string_view key, double* value, double min, double max) {
  const toml::node* node = Find(key);
  if (node == nullptr) return;
  const std::optional<double> number = node->is_number() ? node->value<double>() : std::nullopt;
  if (!number || !(*number >= min && *number <= max)) {
    return Fail(*node, fmt::format("{} is a number from {} to {}", key, min, max));
  }
  *value = *number;
}

void TomlTable::Read(std::string_view key, absl::Duration* value) {
  std::string text;
  Read(key, &text);
  if (text.empty() || !ok()) return;
  const absl::StatusOr<absl::Duration> parsed = engine::ParseDuration(text);
  if (!parsed.ok()) return FailAt(key, fmt::format("{}: {}", key, std::string(parsed.status().message())));
  *value = *parsed;
}

void TomlTable::Read(std::string_view key, engine::Rate* value, int64_t count_max) {
  std::string text;
  Read(key, &text);
  if (text.empty() || !ok()) return;
  const absl::StatusOr<engine::Rate> parsed = engine::ParseRate(text);
  if (!parsed.ok()) return FailAt(key, fmt::format("{}: {}", key, std::string(parsed.status().message())));
  if (parsed->count > count_max) {
    return FailAt(key, fmt::format("{} counts at most {} in its period; choose a shorter period", key, count_max));
  }
  *value = *parsed;
}

void TomlTable::ReadSize(std::string_view key, uint64_t* bytes) {
  std::string text;
  Read(key, &text);
  if (text.empty() || !ok()) return;
  const absl::StatusOr<engine::Size> parsed = engine::ParseSize(text);
  if (!parsed.ok()) return FailAt(key, fmt::format("{}: {}", key, std::string(parsed.status().message())));
  *bytes = parsed->bytes;
}

void TomlTable::Read(std::string_view key, std::vector<std::string>* value) {
  const toml::node* node = Find(key);
  if (node == nullptr) return;
  value->clear();
  if (node->is_string()) {
    value->push_back(**node->as_string());
    return;
  }
  if (!node->is_array()) return Fail(*node, fmt::format("{} is a list of strings", key));
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_string()) return Fail(item, fmt::format("{} is a list of strings; put each in quotes", key));
    value->push_back(**item.as_string());
  }
}

std::vector<const toml::table*> TomlTable::Tables(std::string_view key) {
  std::vector<const toml::table*> tables;
  const toml::node* node = Find(key);
  if (node == nullptr) return tables;
  if (!node->is_array()) {
    Fail(*node, fmt::format("{0} is a list of tables; write [[{0}]] or {0} = [{{ ... }}]", key));
    return tables;
  }
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_table()) {
      Fail(item, fmt::format("{0} is a list of tables; write [[{0}]] or {0} = [{{ ... }}]", key));
      return tables;
    }
    tables.push_back(item.as_table());
  }
  return tables;
}

void TomlTable::RejectUnknown() {
  for (const auto& [key, node] : table_) {
    const std::string_view name = key.str();
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    const std::string* nearest = nullptr;
    size_t least = 3;
    for (const std::string& known : known_) {
      if (const size_t distance = Distance(name, known); distance < least) {
        least = distance;
        nearest = &known;
      }
    }
    // The key's own place, not its value's: that is what has to be changed.
    if (!error_->ok()) return;
    const toml::source_position at = key.source().begin;
    *error_ = absl::InvalidArgumentError(
        fmt::format("{}:{}:{}: {} has no key \"{}\"; {}", origin_, at.line, at.column, what_, name,
                    nearest != nullptr ? fmt::format("did you mean \"{}\"?", *nearest)
                                       : fmt::format("remove it, or choose among {}", fmt::join(known_, ", "))));
    return;
  }
}

}  // namespace sealift::tools::sink
