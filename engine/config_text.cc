#include "engine/config_text.h"

#include "fmt/format.h"

namespace sealift::engine {
namespace {

template <typename T, typename Each>
std::string TomlArray(const std::vector<T>& values, const Each& each) {
  std::string out = "[";
  for (const T& value : values) {
    if (out.size() > 1) out += ", ";
    out += each(value);
  }
  return out + "]";
}

}  // namespace

std::string TomlString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string TomlText(const std::string& value) { return TomlString(value); }
std::string TomlText(bool value) { return value ? "true" : "false"; }
std::string TomlText(int value) { return fmt::format("{}", value); }
std::string TomlText(double value) { return fmt::format("{:#}", value); }
std::string TomlText(absl::Duration value) { return TomlString(ToText(value)); }
std::string TomlText(const Size& value) { return TomlString(ToText(value)); }
std::string TomlText(const DiskFloor& value) { return TomlString(ToText(value)); }
std::string TomlText(const RateLimit& value) {
  return value.rate.unlimited() ? std::string() : TomlString(ToText(value.rate));
}
std::string TomlText(const CountLimit& value) {
  return value.count == 0 ? std::string() : fmt::format("{}", value.count);
}
std::string TomlText(const std::vector<std::string>& value) {
  return TomlArray(value, [](const std::string& one) { return TomlString(one); });
}
std::string TomlText(const std::vector<absl::Duration>& value) {
  return TomlArray(value, [](absl::Duration one) { return TomlText(one); });
}
std::string TomlText(const WarmupOptions& value) {
  if (value.start.empty()) return "";
  std::string days;
  for (const auto& [provider, counts] : value.per_day) {
    days += fmt::format("{}{} = {}", days.empty() ? "" : ", ", TomlString(provider),
                        TomlArray(counts, [](int one) { return fmt::format("{}", one); }));
  }
  return fmt::format("{{ start = {}, tz = {}, per_day = {{ {} }}, then = {}, overflow = {} }}", value.start,
                     TomlString(value.tz), days, TomlString(value.then), TomlString(value.overflow));
}
std::string TomlText(const MaxHardBounces& value) {
  if (value.rate_percent == 0) return "";
  return fmt::format("{{ rate = \"{}%\", min = {}, action = {} }}", value.rate_percent, value.min,
                     TomlString(value.action));
}
std::string TomlText(const SendWindowOptions& value) {
  if (value.from.empty()) return "";
  const std::string days = value.days.empty() ? "" : fmt::format("days = {}, ", TomlText(value.days));
  return fmt::format("{{ {}from = {}, to = {}, tz = {} }}", days, TomlString(value.from), TomlString(value.to),
                     TomlString(value.tz));
}
std::string TomlText(const Share& value) {
  return value.percent == 0 ? std::string() : fmt::format("\"{}%\"", value.percent);
}

std::string TypeText(const std::string&) { return "text"; }
std::string TypeText(bool) { return "true, false"; }
std::string TypeText(int) { return "number"; }
std::string TypeText(double) { return "number"; }
std::string TypeText(absl::Duration) { return "duration"; }
std::string TypeText(const Size&) { return "size"; }
std::string TypeText(const DiskFloor&) { return "share or size"; }
std::string TypeText(const RateLimit&) { return "rate"; }
std::string TypeText(const CountLimit&) { return "number"; }
std::string TypeText(const std::vector<std::string>&) { return "list of texts"; }
std::string TypeText(const std::vector<absl::Duration>&) { return "list of durations"; }
std::string TypeText(const WarmupOptions&) { return "table: start, tz, per_day, then, overflow"; }
std::string TypeText(const MaxHardBounces&) { return "table: rate, min, action"; }
std::string TypeText(const SendWindowOptions&) { return "table: days, from, to, tz"; }
std::string TypeText(const Share&) { return "share"; }

}  // namespace sealift::engine
