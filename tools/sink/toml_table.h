#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/units.h"

namespace sealift::tools::sink {

// TomlTable reads one table of a script field by field. A field that is absent keeps its default. The first mistake is
// kept, with the place where it stands; what follows it is not looked at.
//
// Owned by:  ScriptReader's functions; a view, the parsed document outlives it.
// Threads:   one.
// Errors:    InvalidArgument: "file:line:column: what is wrong; what to do".
class TomlTable {
 public:
  // `what` names the table in errors ("[[provider]]").
  TomlTable(const toml::table& table, std::string what, std::string_view origin, absl::Status* first_error);

  void Read(std::string_view key, std::string* value);
  void Read(std::string_view key, bool* value);
  void Read(std::string_view key, int64_t* value, int64_t min, int64_t max);
  void Read(std::string_view key, double* value, double min, double max);
  void Read(std::string_view key, absl::Duration* value);
  void Read(std::string_view key, engine::Rate* value, int64_t count_max);
  void ReadSize(std::string_view key, uint64_t* bytes);
  void Read(std::string_view key, std::vector<std::string>* value);  // a string is a list of one

  // One of ToString's names, from the first value up to `last`.
  template <typename Enum>
  void ReadEnum(std::string_view key, Enum* value, Enum last) {
    const toml::node* node = Find(key);
    if (node == nullptr) return;
    std::string names;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
      const auto candidate = static_cast<Enum>(i);
      if (node->value<std::string_view>() == ToString(candidate)) {
        *value = candidate;
        return;
      }
      names += (i == 0 ? "\"" : ", \"") + std::string(ToString(candidate)) + "\"";
    }
    Fail(*node, std::string(key) + " is one of " + names);
  }

  // The tables of [[key]] (or of key = [{...}]), each to be read with a TomlTable of its own.
  std::vector<const toml::table*> Tables(std::string_view key);

  // A table within this one, as Tables gives it; its mistakes go where this one's do.
  TomlTable Inner(const toml::table& table, std::string what) const {
    return {table, std::move(what), origin_, error_};
  }

  bool Has(std::string_view key) const { return table_.contains(key); }

  // Every key that no call above asked for is an error.
  void RejectUnknown();

  // `sentence` about the field `key`, or about the table where there is none.
  void FailAt(std::string_view key, std::string_view sentence);
  bool ok() const { return error_->ok(); }

 private:
  const toml::node* Find(std::string_view key);
  void Fail(const toml::node& node, std::string_view sentence);

  const toml::table& table_;
  std::string what_;
  std::string_view origin_;
  absl::Status* error_;
  std::vector<std::string> known_;
};

}  // namespace sealift::tools::sink
