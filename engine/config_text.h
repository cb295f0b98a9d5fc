// Values as TOML text: what `config show` prints, a reload compares and the reference page gives as defaults.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config_enums.h"
#include "engine/options.h"
#include "engine/units.h"

namespace sealift::engine {

std::string TomlString(std::string_view text);

// The TOML of a value; "" for one that is not set (no rate, a count of none), which a file says by leaving the key out.
std::string TomlText(const std::string& value);
std::string TomlText(bool value);
std::string TomlText(int value);
std::string TomlText(double value);
std::string TomlText(absl::Duration value);
std::string TomlText(const Size& value);
std::string TomlText(const DiskFloor& value);
std::string TomlText(const RateLimit& value);
std::string TomlText(const CountLimit& value);
std::string TomlText(const std::vector<std::string>& value);
std::string TomlText(const std::vector<absl::Duration>& value);
std::string TomlText(const WarmupOptions& value);
std::string TomlText(const MaxHardBounces& value);
std::string TomlText(const SendWindowOptions& value);
std::string TomlText(const Share& value);
template <Worded E>
std::string TomlText(E value) {
  return TomlString(ToString(value));
}
template <Worded E>
std::string TomlText(const std::optional<E>& value) {
  return value ? TomlText(*value) : std::string();
}

// What kind of value a key takes, in words for people.
std::string TypeText(const std::string&);
std::string TypeText(bool);
std::string TypeText(int);
std::string TypeText(double);
std::string TypeText(absl::Duration);
std::string TypeText(const Size&);
std::string TypeText(const DiskFloor&);
std::string TypeText(const RateLimit&);
std::string TypeText(const CountLimit&);
std::string TypeText(const std::vector<std::string>&);
std::string TypeText(const std::vector<absl::Duration>&);
std::string TypeText(const WarmupOptions&);
std::string TypeText(const MaxHardBounces&);
std::string TypeText(const SendWindowOptions&);
std::string TypeText(const Share&);
template <Worded E>
std::string TypeText(E) {
  std::string words;
  for (const E word : Words<E>::kAll) words += (words.empty() ? "" : ", ") + TomlText(word);
  return words;
}
template <Worded E>
std::string TypeText(const std::optional<E>&) {
  return TypeText(E{});
}

}  // namespace sealift::engine
