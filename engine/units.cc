#include "engine/units.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "fmt/format.h"

namespace sealift::engine {
namespace {

struct Unit {
  std::string_view name;
  int64_t nanos;
};

constexpr int64_t kSecond = 1'000'000'000;
// Longest first: formatting takes the largest unit that divides.
constexpr std::array kTimeUnits = {Unit{"d", 86'400 * kSecond}, Unit{"h", 3'600 * kSecond}, Unit{"m", 60 * kSecond},
                                   Unit{"s", kSecond}, Unit{"ms", 1'000'000}};

struct SizeUnit {
  std::string_view name;
  uint64_t bytes;
};
constexpr std::array kSizeUnits = {SizeUnit{"TiB", 1ull << 40}, SizeUnit{"GiB", 1ull << 30},
                                   SizeUnit{"MiB", 1ull << 20}, SizeUnit{"KiB", 1ull << 10}};

constexpr int64_t kRateCountMax = 1'000'000'000;
constexpr int64_t kDurationMax = int64_t{3650} * 86'400;  // seconds: ten years
constexpr uint64_t kSizeMax = 1ull << 60;

// Takes the digits at the front of `text`.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

std::string_view TakeLetters(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z'))) ++n;
  const std::string_view letters = text.substr(0, n);
  text.remove_prefix(n);
  return letters;
}

// What was read, safe to print: short and without control characters.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 40)) out += (c >= 0x20 && c < 0x7f) ? c : '?';
  return out + (text.size() > 40 ? "...\"" : "\"");
}

absl::Status BadDuration(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("{} is not a duration ({}); write \"30s\", \"5m\", \"2h\" or \"3d\"", Quoted(text), why));
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  if (text == "0") return absl::ZeroDuration();
  if (text.empty()) return BadDuration(text, "it is empty");
  absl::Duration sum;
  int64_t last = INT64_MAX;
  for (std::string_view rest = text; !rest.empty();) {
    const std::optional<int64_t> number = TakeNumber(rest);
    if (!number) return BadDuration(text, "a whole number that is not negative comes first");
    const std::string_view name = TakeLetters(rest);
    int64_t nanos = 0;
    for (const Unit& unit : kTimeUnits) {
      if (unit.name == name) nanos = unit.nanos;
    }
    if (nanos == 0) return BadDuration(text, "its unit is one of ms, s, m, h, d");
    if (nanos >= last) return BadDuration(text, "the larger unit comes first, each once");
    last = nanos;
    sum += absl::Nanoseconds(nanos) * *number;
    if (sum > absl::Seconds(kDurationMax)) return BadDuration(text, "ten years is the longest");
  }
  return sum;
}

absl::StatusOr<Rate> ParseRate(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("{} is not a rate ({}); write \"100/s\", \"20/m\", \"5000/h\" or \"10000/d\"", Quoted(text), why));
  };
  std::string_view rest = text;
  const std::optional<int64_t> count = TakeNumber(rest);
  if (!count) return bad("a whole number that is not negative comes first");
  if (*count == 0) return bad("0 would stop everything; pause the stream or suspend the source instead");
  if (*count > kRateCountMax) return bad("1000000000 is the largest count");
  if (!rest.starts_with('/')) return bad("a slash and a unit follow the number");
  rest.remove_prefix(1);
  for (const Unit& unit : kTimeUnits) {
    if (unit.name == rest && unit.name != "ms") return Rate{*count, absl::Nanoseconds(unit.nanos)};
  }
  return bad("its unit is one of s, m, h, d");
}

absl::StatusOr<Size> ParseSize(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("{} is not a size ({}); write \"64KiB\", \"512MiB\" or \"2GiB\"", Quoted(text), why));
  };
  std::string_view rest = text;
  const std::optional<int64_t> number = TakeNumber(rest);
  if (!number) return bad("a whole number that is not negative comes first");
  if (*number == 0) return bad("it must be at least 1");
  uint64_t factor = rest == "B" ? 1 : 0;
  for (const SizeUnit& unit : kSizeUnits) {
    if (unit.name == rest) factor = unit.bytes;
  }
  if (factor == 0) return bad("its unit is one of B, KiB, MiB, GiB, TiB");
  if (static_cast<uint64_t>(*number) > kSizeMax / factor) return bad("it is too large");
  return Size{static_cast<uint64_t>(*number) * factor};
}

absl::StatusOr<DiskFloor> ParseDiskFloor(std::string_view text) {
  if (!text.ends_with('%')) {
    const absl::StatusOr<Size> size = ParseSize(text);
    if (size.ok()) return DiskFloor{0, size->bytes};
    // Who wrote "5" meant "5%": as bytes it would be no floor at all.
    const absl::StatusOr<DiskFloor> share = ParseDiskFloor(fmt::format("{}%", text));
    const std::string meant = share.ok() ? ToText(*share) : "5%";
    return absl::InvalidArgumentError(
        fmt::format("{} is neither a share of the disk nor a size (its unit is one of %, B, KiB, MiB, GiB, TiB); write "
                    "\"{}\" or \"2GiB\"",
                    Quoted(text), meant));
  }
  const std::string_view number = text.substr(0, text.size() - 1);
  double percent = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), percent);
  if (error != std::errc() || end != number.data() + number.size() || !(percent > 0 && percent < 100)) {
    return absl::InvalidArgumentError(
        fmt::format("{} is not a percentage above 0 and below 100; write one, as \"5%\"", Quoted(text)));
  }
  return DiskFloor{percent, 0};
}

std::string ToText(absl::Duration duration) {
  if (duration == absl::ZeroDuration()) return "0s";
  // "90m" and "36h" stay as people write them: the largest unit that divides.
  for (const Unit& unit : kTimeUnits) {
    if (duration % absl::Nanoseconds(unit.nanos) != absl::ZeroDuration()) continue;
    return fmt::format("{}{}", duration / absl::Nanoseconds(unit.nanos), unit.name);
  }
  return absl::FormatDuration(duration);
}

std::string ToText(const Rate& rate) {
  if (rate.unlimited()) return "unlimited";
  for (const Unit& unit : kTimeUnits) {
    if (absl::Nanoseconds(unit.nanos) == rate.period) return fmt::format("{}/{}", rate.count, unit.name);
  }
  return fmt::format("{} per {}", rate.count, ToText(rate.period));
}

std::string ToText(const Size& size) {
  for (const SizeUnit& unit : kSizeUnits) {
    if (size.bytes != 0 && size.bytes % unit.bytes == 0) return fmt::format("{}{}", size.bytes / unit.bytes, unit.name);
  }
  return fmt::format("{}B", size.bytes);
}

std::string ToText(const DiskFloor& floor) {
  return floor.bytes != 0 ? ToText(Size{floor.bytes}) : fmt::format("{}%", floor.percent);
}

}  // namespace sealift::engine
