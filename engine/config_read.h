// Reading one TOML value into one option, with a sentence for whatever is wrong with it.
#pragma once

#include <toml++/toml.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config_enums.h"
#include "engine/config_fields.h"
#include "engine/config_text.h"
#include "engine/config_words.h"
#include "engine/options.h"
#include "fmt/format.h"

namespace sealift::engine {

// Where a mistake goes: the value it stands at, and the sentence.
using Report = std::function<void(const toml::node& at, std::string text)>;

// Each leaves `out` as it was when it reports.
void ReadValue(const toml::node& node, const Field& field, const Report& report, std::string& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, bool& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, int& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, double& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, absl::Duration& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, Size& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, DiskFloor& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, RateLimit& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, CountLimit& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, std::vector<std::string>& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, std::vector<absl::Duration>& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, WarmupOptions& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, MaxHardBounces& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, SendWindowOptions& out);
void ReadValue(const toml::node& node, const Field& field, const Report& report, Share& out);

template <Worded E>
void ReadValue(const toml::node& node, const Field& field, const Report& report, E& out) {
  const std::optional<std::string> text = node.value_exact<std::string>();
  std::vector<std::string> known;
  for (const E word : Words<E>::kAll) {
    if (text && *text == ToString(word)) {
      out = word;
      return;
    }
    known.emplace_back(ToString(word));
  }
  report(node, fmt::format("`{}` takes one of {}{}", field.name, TypeText(E{}), text ? DidYouMean(*text, known) : ""));
}
template <Worded E>
void ReadValue(const toml::node& node, const Field& field, const Report& report, std::optional<E>& out) {
  E value{};
  bool good = true;
  ReadValue(
      node, field,
      [&](const toml::node& at, std::string text) {
        good = false;
        report(at, std::move(text));
      },
      value);
  if (good) out = value;
}

}  // namespace sealift::engine
