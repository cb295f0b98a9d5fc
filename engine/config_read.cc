#include "engine/config_read.h"

#include <algorithm>
#include <map>

#include "fmt/format.h"

namespace sealift::engine {
namespace {

// Lists longer than this are a mistake, or an attack on whoever reads them.
constexpr size_t kListMax = 10'000;
constexpr size_t kTextMax = 4'096;

std::string WrongType(const Field& field, std::string_view wanted) {
  return fmt::format("`{}` takes {}", field.name, wanted);
}

std::optional<std::string> TextOf(const toml::node& node) {
  std::optional<std::string> text = node.value_exact<std::string>();
  if (text && (text->size() > kTextMax || text->find('\0') != std::string::npos)) return std::nullopt;
  return text;
}

// Reads the text of a node by one of the parsers of units.h.
template <typename T>
bool ReadParsed(const toml::node& node, const Field& field, const Report& report, std::string_view example,
                absl::StatusOr<T> (*parse)(std::string_view), T& out) {
  const std::optional<std::string> text = TextOf(node);
  if (!text) {
    report(node, WrongType(field, fmt::format("a text such as {}", example)));
    return false;
  }
  const absl::StatusOr<T> value = parse(*text);
  if (!value.ok()) {
    report(node, fmt::format("`{}`: {}", field.name, std::string(value.status().message())));
    return false;
  }
  out = *value;
  return true;
}

// Calls each(element, out) for the elements of a list and keeps the whole or nothing.
template <typename T, typename Each>
void ReadList(const toml::node& node, const Field& field, const Report& report, std::string_view wanted,
              std::vector<T>& out, const Each& each) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return report(node, WrongType(field, wanted));
  if (array->size() > kListMax) {
    return report(node, fmt::format("`{}` has more than {} elements", field.name, kListMax));
  }
  if (field.required && array->empty()) return report(node, fmt::format("`{}` is empty; give it a value", field.name));
  bool good = true;
  const Report note = [&](const toml::node& at, std::string text) {
    good = false;
    report(at, std::move(text));
  };
  std::vector<T> values;
  for (const toml::node& element : *array) {
    T value{};
    each(element, note, value);
    values.push_back(std::move(value));
  }
  if (good) out = std::move(values);
}

// Reads a table whose keys are `readers`, reporting any other.
void ReadInline(const toml::node& node, const Field& field, const Report& report, std::string_view wanted,
                const std::map<std::string, std::function<void(const toml::node&, const Field&)>>& readers) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return report(node, WrongType(field, wanted));
  std::vector<std::string> known;
  known.reserve(readers.size());
  for (const auto& [name, reader] : readers) known.push_back(name);
  for (const auto& [key, value] : *table) {
    const auto it = readers.find(std::string(key.str()));
    if (it == readers.end()) {
      report(value,
             fmt::format("`{}` is no key of `{}`{}", std::string(key.str()), field.name, DidYouMean(key.str(), known)));
    } else {
      it->second(value, Field{.name = it->first, .help = ""});
    }
  }
}

}  // namespace

void ReadValue(const toml::node& node, const Field& field, const Report& report, std::string& out) {
  std::optional<std::string> text = TextOf(node);
  if (!text) return report(node, WrongType(field, "a text in quotes, of at most 4096 bytes"));
  if (field.required && text->empty()) return report(node, fmt::format("`{}` is empty; give it a value", field.name));
  const std::string given = *text;
  if (const std::string wrong = CheckText(field.text, *text); !wrong.empty()) {
    return report(node, fmt::format("`{}`: {} {}", field.name, TomlString(given.substr(0, 100)), wrong));
  }
  out = std::move(*text);
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, bool& out) {
  const std::optional<bool> value = node.value_exact<bool>();
  if (!value) return report(node, WrongType(field, "true or false, without quotes"));
  out = *value;
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, int& out) {
  const std::optional<int64_t> value = node.value_exact<int64_t>();
  if (!value) return report(node, WrongType(field, "a whole number, without quotes"));
  const int64_t max = std::min<int64_t>(field.max, INT32_MAX);
  if (*value < field.min || *value > max) {
    return report(node, fmt::format("`{}` is {}; it takes {} to {}", field.name, *value, field.min, max));
  }
  out = static_cast<int>(*value);
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, double& out) {
  const std::optional<double> value = node.value<double>();
  if (!value || !node.is_number() || !(*value > 0 && *value <= 1000)) {
    return report(node, WrongType(field, "a number above 0 and up to 1000"));
  }
  out = *value;
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, absl::Duration& out) {
  absl::Duration value;
  if (!ReadParsed<absl::Duration>(node, field, report, "\"30s\" or \"3d\"", ParseDuration, value)) return;
  const int64_t millis = absl::ToInt64Milliseconds(value);
  if (millis < field.min) {
    return report(node, fmt::format("`{}` is {}; the least is {}", field.name, ToText(value),
                                    ToText(absl::Milliseconds(field.min))));
  }
  if (millis > field.max) {
    return report(node, fmt::format("`{}` is {}; the most is {}", field.name, ToText(value),
                                    ToText(absl::Milliseconds(field.max))));
  }
  out = value;
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, Size& out) {
  Size value;
  if (!ReadParsed<Size>(node, field, report, "\"512MiB\"", ParseSize, value)) return;
  if (value.bytes < static_cast<uint64_t>(field.min)) {
    return report(node, fmt::format("`{}` is {}; the least is {}", field.name, ToText(value),
                                    ToText(Size{static_cast<uint64_t>(field.min)})));
  }
  out = value;
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, DiskFloor& out) {
  ReadParsed<DiskFloor>(node, field, report, "\"5%\" or \"2GiB\"", ParseDiskFloor, out);
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, RateLimit& out) {
  ReadParsed<Rate>(node, field, report, "\"100/s\"", ParseRate, out.rate);
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, CountLimit& out) {
  ReadValue(node, field, report, out.count);
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, std::vector<std::string>& out) {
  Field element = field;
  element.required = true;  // no empty element
  ReadList(node, field, report, "a list of texts, as in [\"a\", \"b\"]", out,
           [&](const toml::node& at, const Report& note, std::string& value) { ReadValue(at, element, note, value); });
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, std::vector<absl::Duration>& out) {
  ReadList(node, field, report, "a list of durations, as in [\"5m\", \"1h\"]", out,
           [&](const toml::node& at, const Report& note, absl::Duration& value) { ReadValue(at, field, note, value); });
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, WarmupOptions& out) {
  WarmupOptions value;
  const auto text = [&](std::string& into) {
    return [&](const toml::node& at, const Field& key) { ReadValue(at, key, report, into); };
  };
  ReadInline(node, field, report, "a table, as in { start = 2026-12-01, per_day = { default = [20, 50] } }",
             {{"start",
               [&](const toml::node& at, const Field& key) {
                 const std::optional<toml::date> day = at.value_exact<toml::date>();
                 if (!day) return report(at, WrongType(key, "a day without quotes, as in 2026-12-01"));
                 value.start = fmt::format("{:04}-{:02}-{:02}", day->year, day->month, day->day);
               }},
              {"tz", text(value.tz)},
              {"then", text(value.then)},
              {"overflow", text(value.overflow)},
              {"per_day", [&](const toml::node& at, const Field& key) {
                 const toml::table* days = at.as_table();
                 if (days == nullptr) return report(at, WrongType(key, "a table of provider = [day 1, day 2, ...]"));
                 for (const auto& [provider, counts] : *days) {
                   const std::string name(provider.str());
                   const Field count{.name = name, .help = "", .min = 1};
                   ReadList(counts, count, report, "a list of whole numbers", value.per_day[name],
                            [&](const toml::node& one, const Report& note, int& number) {
                              ReadValue(one, count, note, number);
                            });
                 }
               }}});
  if (node.is_table() && value.start.empty()) {
    report(node, fmt::format("`{}` has no `start`; add the first day, as in start = 2026-12-01", field.name));
  }
  out = std::move(value);
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, MaxHardBounces& out) {
  MaxHardBounces value;
  ReadInline(node, field, report, "a table, as in { rate = \"5%\", min = 500, action = \"pause\" }",
             {{"rate",
               [&](const toml::node& at, const Field& key) {
                 Share share;
                 ReadValue(at, key, report, share);
                 value.rate_percent = share.percent;
               }},
              {"min",
               [&](const toml::node& at, const Field& key) {
                 ReadValue(at, Field{.name = key.name, .help = "", .min = 1}, report, value.min);
               }},
              {"action", [&](const toml::node& at, const Field& key) {
                 ReadValue(at, key, report, value.action);
                 if (at.is_string() && value.action != "pause") report(at, WrongType(key, "one of \"pause\""));
               }}});
  const toml::table* const table = node.as_table();
  if (table != nullptr && !table->contains("rate")) {
    report(node, fmt::format("`{}` has no `rate`; add the share of messages, as in rate = \"5%\"", field.name));
  }
  out = std::move(value);
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, SendWindowOptions& out) {
  SendWindowOptions value{.days = {}, .from = "00:00", .to = "24:00", .tz = "UTC"};
  const auto text = [&](std::string& into) {
    return [&](const toml::node& at, const Field& key) { ReadValue(at, key, report, into); };
  };
  ReadInline(node, field, report, "a table, as in { from = \"08:00\", to = \"20:00\", tz = \"America/New_York\" }",
             {{"days", [&](const toml::node& at, const Field& key) { ReadValue(at, key, report, value.days); }},
              {"from", text(value.from)},
              {"to", text(value.to)},
              {"tz", text(value.tz)}});
  out = std::move(value);
}

void ReadValue(const toml::node& node, const Field& field, const Report& report, Share& out) {
  const std::optional<std::string> text = TextOf(node);
  if (!text || !text->ends_with('%')) return report(node, WrongType(field, "a percentage, as in \"10%\""));
  DiskFloor share;
  if (ReadParsed<DiskFloor>(node, field, report, "\"10%\"", ParseDiskFloor, share)) out.percent = share.percent;
}

}  // namespace sealift::engine
