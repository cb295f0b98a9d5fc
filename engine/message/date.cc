#include "engine/message/date.h"

#include <absl/time/civil_time.h>
#include <fmt/format.h>

#include <iterator>

namespace sealift::engine {

void AppendDate(absl::Time time, std::string& out) {
  static constexpr const char* kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const absl::CivilSecond at = absl::ToCivilSecond(time, absl::UTCTimeZone());
  fmt::format_to(std::back_inserter(out), "{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000",
                 kDays[static_cast<int>(absl::GetWeekday(at))], at.day(), kMonths[at.month() - 1], at.year(), at.hour(),
                 at.minute(), at.second());
}

std::string FormatDate(absl::Time time) {
  std::string date;
  AppendDate(time, date);
  return date;
}

std::string FormatMessageId(std::string_view id, std::string_view hostname) {
  return fmt::format("<{}@{}>", id, hostname);
}

}  // namespace sealift::engine
