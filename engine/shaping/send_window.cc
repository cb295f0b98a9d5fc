#include "engine/shaping/send_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace sealift::engine {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr int kDayMinutes = 24 * 60;
// Two weeks and a day: what falls into an hour that is skipped is there again a week later.
constexpr int kDaysAhead = 16;

size_t IndexOf(absl::Weekday day) { return static_cast<size_t>(day); }  // absl counts from Monday too

// "08:30" in minutes.
std::optional<int> MinutesOf(std::string_view text) {
  const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) return std::nullopt;
  const int hours = (text[0] - '0') * 10 + text[1] - '0', minutes = (text[3] - '0') * 10 + text[4] - '0';
  if (minutes > 59 || hours * 60 + minutes > kDayMinutes) return std::nullopt;
  return hours * 60 + minutes;
}

}  // namespace

absl::StatusOr<SendWindow> SendWindow::Of(const std::vector<std::string>& days, std::string_view from,
                                          std::string_view to, const std::string& tz) {
  SendWindow window;
  for (const std::string& day : days) {
    const auto found = std::ranges::find(kDays, day);
    if (found == kDays.end()) {
      return absl::InvalidArgumentError(
          fmt::format("`days`: \"{}\" is none of mon, tue, wed, thu, fri, sat, sun", day));
    }
    window.days_[found - kDays.begin()] = true;
  }
  if (days.empty()) std::ranges::fill(window.days_, true);
  for (const auto& [name, text, minutes] :
       {std::tuple("from", from, &window.from_), std::tuple("to", to, &window.to_)}) {
    const std::optional<int> read = MinutesOf(text);
    if (!read.has_value()) {
      return absl::InvalidArgumentError(
          fmt::format("`{}`: \"{}\" is no time of day; write it as in \"08:00\", up to \"24:00\"", name, text));
    }
    *minutes = *read;
  }
  if (window.from_ == kDayMinutes) return absl::InvalidArgumentError("`from`: \"24:00\" is \"00:00\" of the next day");
  if (window.from_ == window.to_) {
    return absl::InvalidArgumentError(fmt::format(
        "`to`: a window from {0} to {0} is never open, or always; \"00:00\" to \"24:00\" is a whole day", from));
  }
  if (!absl::LoadTimeZone(tz, &window.zone_)) {
    return absl::InvalidArgumentError(
        fmt::format("`tz`: there is no time zone \"{}\"; write it as in \"America/New_York\"", tz));
  }
  for (size_t i = 0; i < kDays.size(); ++i) {
    if (!window.days_[i]) continue;
    size_t last = i;
    while (last + 1 < kDays.size() && window.days_[last + 1]) ++last;
    window.text_ += window.text_.empty() ? "" : ",";
    window.text_ += kDays[i];
    if (last > i) window.text_ += fmt::format("{}{}", last > i + 1 ? "-" : ",", kDays[last]);
    i = last;
  }
  window.text_ += fmt::format(" {} to {} {}", from, to, tz);
  if (window.to_ < window.from_) window.to_ += kDayMinutes;
  return window;
}

bool SendWindow::IsOpen(absl::Time time) const {
  const absl::CivilMinute wall = absl::ToCivilMinute(time, zone_);
  const absl::CivilDay day(wall);
  const int minute = wall.hour() * 60 + wall.minute();
  if (days_[IndexOf(absl::GetWeekday(day))] && minute >= from_ && minute < to_) return true;
  return days_[IndexOf(absl::GetWeekday(day - 1))] && minute + kDayMinutes < to_;
}

SendWindow::Span SendWindow::At(absl::Time now) const {
  const bool open = IsOpen(now);
  absl::Time until = absl::InfiniteFuture();
  const auto consider = [&](absl::Time time) {
    if (time > now && time < until && IsOpen(time) != open) until = time;
  };
  // It changes when the wall shows one of its two times, or when the clock is put forward or back.
  const absl::CivilDay today = absl::ToCivilDay(now, zone_);
  for (int ahead = -1; ahead < kDaysAhead; ++ahead) {
    const absl::CivilMinute midnight(today + ahead);
    for (const int minute : {from_, to_}) {
      const absl::TimeZone::TimeInfo times = zone_.At(absl::CivilSecond(midnight + minute));
      consider(times.pre);
      consider(times.post);
    }
  }
  absl::TimeZone::CivilTransition change;
  absl::Time from = now;
  while (zone_.NextTransition(from, &change)) {
    // The wall shows what is skipped never and what is repeated twice: one of the two names the moment.
    const absl::TimeZone::TimeInfo after = zone_.At(change.to);
    from = after.kind == absl::TimeZone::TimeInfo::REPEATED ? after.trans : zone_.At(change.from).trans;
    if (from > now + absl::Hours(24 * kDaysAhead)) break;
    consider(from);
  }
  return {.open = open, .from = now, .until = until};
}

absl::Time SendWindow::After(absl::Time now, absl::Duration open) const {
  for (absl::Time at = now;;) {
    const Span span = At(at);
    if (!span.open && span.until == absl::InfiniteFuture()) return span.until;
    if (span.open) {
      if (span.until == absl::InfiniteFuture() || open <= span.until - at) return at + open;
      open -= span.until - at;
    }
    at = span.until;
  }
}

}  // namespace sealift::engine
