// Walking an Options key by key, for whoever wants every value with its name.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/config_fields.h"
#include "engine/config_text.h"
#include "fmt/format.h"

namespace sealift::engine {

// "source[ip1]"; by position where there is no name.
template <typename T>
std::string ElementKey(std::string_view section, const T& element, size_t index) {
  if constexpr (requires { element.name; }) {
    if (!element.name.empty()) return fmt::format("{}[{}]", section, element.name);
  }
  return fmt::format("{}[{}]", section, index);
}

// A value as TOML; "" also for a number below what its key takes, which is how a struct says that it is not set.
template <typename T>
std::string FieldText(const Field& field, const T& value) {
  if constexpr (std::is_same_v<T, int>) {
    if (value < field.min) return "";
  }
  return TomlText(value);
}

// One key's value in text, with what is declared of it.
struct WalkedKey {
  std::string key;      // "node.memory", "source[ip1].rate"
  std::string element;  // "node", "source[ip1]", "" for a key before the first table
  Section section;
  Field field;
  std::string value;          // TOML; "" when not set
  std::string default_value;  // TOML
};

// Calls walked(WalkedKey) for every key, in the order of the list.
void WalkOptions(const Options& options, auto&& walked) {
  const auto each_field = [&](const Section& section, const std::string& element, const auto& object) {
    using T = std::remove_cvref_t<decltype(object)>;
    std::vector<WalkedKey> keys;
    Fields<T>::Each(object, [&](const Field& field, const auto& value) {
      keys.push_back(
          WalkedKey{.key = element.empty() ? std::string(field.name) : fmt::format("{}.{}", element, field.name),
                    .element = element,
                    .section = section,
                    .field = field,
                    .value = FieldText(field, value),
                    .default_value = ""});
    });
    const T defaults{};
    size_t i = 0;
    Fields<T>::Each(defaults,
                    [&](const Field& field, const auto& value) { keys[i++].default_value = FieldText(field, value); });
    for (const WalkedKey& key : keys) walked(key);
  };
  each_field(Section{.name = "", .help = ""}, "", options);
  EachSection(
      options,
      [&](const Section& section, const auto& table) { each_field(section, std::string(section.name), table); },
      [&](const Section& section, const auto& array) {
        for (size_t i = 0; i < array.size(); ++i) {
          each_field(section, ElementKey(section.name, array[i], i), array[i]);
        }
      });
}

}  // namespace sealift::engine
