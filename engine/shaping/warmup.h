#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace sealift::engine {

// Warmup is where one source stands in its plan towards one provider: on which day, how much of it was sent, and what
// the next day brings. Receivers trust an address that they do not know with more as they see how it behaves, so a day
// counts only if it went well: one on which a reply slowed us down is repeated, as is one on which less than half of
// its volume was there to be sent. Days on which the node did not run do not count either.
//
// Owned by:  Warmups.
// Threads:   one at a time.
// Time:      the caller passes `now`; a day begins at midnight in the plan's time zone. A clock that steps back changes
//            nothing.
// Errors:    none.
class Warmup {
 public:
  struct Plan {
    absl::CivilDay first;       // before it nothing may be sent
    absl::TimeZone zone;        //
    std::vector<int> per_day;   // messages on day 1, 2, ...; not empty
    bool repeats_last = false;  // what follows: the last day again and again; else no limit

    bool operator==(const Plan&) const = default;
  };
  // What is known of it after a restart too.
  struct Standing {
    int day = 0;  // the first is 1; 0: it has not begun
    absl::CivilDay date;
    int64_t sent = 0;     // on that date, past MAIL
    bool slowed = false;  // on that date
    bool frozen = false;  // an operator keeps it on this day
    // What operators ordered last of each, and who did: "moved to day 3 by ann at 2026-02-01T09:00:00Z: a reason".
    std::string day_order, freeze_order;

    bool operator==(const Standing&) const = default;
    // Nothing is known of it: one that begins now stands there too.
    bool IsNew() const {
      return day <= 1 && sent == 0 && !slowed && !frozen && day_order.empty() && freeze_order.empty();
    }
  };

  explicit Warmup(Plan plan) : plan_(std::move(plan)) {}
  Warmup(Plan plan, const Standing& standing) : plan_(std::move(plan)), standing_(standing) {}

  const Plan& plan() const { return plan_; }
  const Standing& standing() const { return standing_; }

  // Whether another date has begun since the standing was last moved.
  bool IsNewDay(absl::Time now) const;
  // Moves on to the date of `now`, of which nothing is sent yet. Needs a new day.
  void Advance(absl::Time now);

  // Nothing limits the source there any more.
  bool over() const { return !plan_.repeats_last && standing_.day > last_day(); }
  // Messages of this day; none before the first. Not when it is over.
  int64_t quota() const;
  // When the next date begins.
  absl::Time Ends(absl::Time now) const;
  // How the rest of the day is to be spaced, so that it is spread over what is left of it: the time for that many. It
  // is never more than four times as dense as the whole day would be.
  absl::Duration TimeFor(int64_t messages, absl::Time now) const;

  void SetSent(int64_t sent) { standing_.sent = sent; }
  void SetSlowed() { standing_.slowed = true; }
  void SetFrozen(bool frozen, std::string order) {
    standing_.frozen = frozen;
    standing_.freeze_order = std::move(order);
  }
  // What was sent today stays sent. A plan that repeats its last day has none behind it.
  void SetDay(int day, std::string order) {
    standing_.day = DayFor(day);
    standing_.day_order = std::move(order);
  }
  // The day that an order to go on from one leads to.
  int DayFor(int day) const { return plan_.repeats_last ? std::min(day, last_day()) : day; }

  // Takes over another plan; the day, and what was sent on it, stay.
  void Adopt(Plan plan) { plan_ = std::move(plan); }

 private:
  absl::CivilDay DateOf(absl::Time now) const { return absl::ToCivilDay(now, plan_.zone); }
  int last_day() const { return static_cast<int>(plan_.per_day.size()); }

  Plan plan_;
  Standing standing_;
};

}  // namespace sealift::engine
