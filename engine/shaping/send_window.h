#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace sealift::engine {

// SendWindow says when a stream may send: on some days of the week, from one time of day to another, by the clock on
// the wall of a time zone.
//
// A window over midnight belongs to the day on which it begins. Where the clock is put forward or back, the wall
// counts: an hour that is skipped is not there, one that comes twice is open or closed both times.
//
// Owned by:  shared; immutable.
// Threads:   any.
// Time:      the caller passes it.
class SendWindow {
 public:
  // A stretch of time in which nothing changes.
  struct Span {
    bool open = true;
    absl::Time from = absl::InfinitePast(), until = absl::InfinitePast();  // [from, until)

    bool Has(absl::Time time) const { return from <= time && time < until; }
  };

  // `days`: "mon" to "sun", none for every day. `from` and `to`: "00:00" to "24:00"; `to` is on the next day when it is
  // not later than `from`. `tz`: a name of the IANA database. InvalidArgument: a sentence that begins with the key.
  static absl::StatusOr<SendWindow> Of(const std::vector<std::string>& days, std::string_view from, std::string_view to,
                                       const std::string& tz);

  bool IsOpen(absl::Time time) const;
  // From `now` to the next change; `until` is InfiniteFuture where there is none.
  Span At(absl::Time now) const;
  // When so much time within the window has passed since `now`.
  absl::Time After(absl::Time now, absl::Duration open) const;

  // "mon-fri 08:00 to 20:00 America/New_York"
  const std::string& Describe() const { return text_; }

 private:
  SendWindow() = default;

  bool days_[7] = {};            // Monday first
  int from_ = 0, to_ = 24 * 60;  // minutes of the day; to_ beyond 24 hours: over midnight
  absl::TimeZone zone_;
  std::string text_;
};

}  // namespace sealift::engine
