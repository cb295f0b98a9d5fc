#include "engine/shaping/warmup.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

// Noon of a day in December 2026.
absl::Time Noon(int day) { return absl::FromCivil(absl::CivilHour(2026, 12, day, 12), absl::UTCTimeZone()); }

Warmup::Plan APlan(std::vector<int> per_day = {50, 100, 500}) {
  return {.first = absl::CivilDay(2026, 12, 1), .zone = absl::UTCTimeZone(), .per_day = std::move(per_day)};
}

Warmup Begun() {
  Warmup warmup(APlan());
  warmup.Advance(Noon(1));
  return warmup;
}

void Go(Warmup& warmup, int day, int64_t sent_before) {
  warmup.SetSent(sent_before);
  ASSERT_TRUE(warmup.IsNewDay(Noon(day)));
  warmup.Advance(Noon(day));
}

TEST(WarmupTest, NothingBeforeTheFirstDay) {
  const Warmup warmup(APlan());
  EXPECT_FALSE(warmup.IsNewDay(Noon(1) - absl::Hours(13)));
  EXPECT_EQ(warmup.quota(), 0);
  EXPECT_FALSE(warmup.over());
  EXPECT_EQ(warmup.Ends(Noon(1) - absl::Hours(30)), Noon(1) - absl::Hours(12));
  EXPECT_TRUE(warmup.IsNewDay(Noon(1) - absl::Hours(12)));
}

TEST(WarmupTest, ADayThatWentWellLeadsToTheNext) {
  Warmup warmup = Begun();
  EXPECT_EQ(warmup.quota(), 50);
  EXPECT_FALSE(warmup.IsNewDay(Noon(1)));
  Go(warmup, 2, 25);
  EXPECT_EQ(warmup.standing(), (Warmup::Standing{.day = 2, .date = absl::CivilDay(2026, 12, 2)}));
  EXPECT_EQ(warmup.quota(), 100);
}

TEST(WarmupTest, LessThanHalfOfTheVolumeDoesNotCount) {
  Warmup warmup = Begun();
  Go(warmup, 2, 24);
  EXPECT_EQ(warmup.quota(), 50);
  EXPECT_EQ(warmup.standing().sent, 0);
}

TEST(WarmupTest, ADayOnWhichRepliesSlowedUsIsRepeated) {
  Warmup warmup = Begun();
  warmup.SetSlowed();
  Go(warmup, 2, 50);
  EXPECT_EQ(warmup.quota(), 50);
  EXPECT_FALSE(warmup.standing().slowed);
  Go(warmup, 3, 50);
  EXPECT_EQ(warmup.quota(), 100);
}

TEST(WarmupTest, DaysWithoutTheNodeAreNoDays) {
  Warmup warmup = Begun();
  Go(warmup, 9, 50);
  EXPECT_EQ(warmup.standing().day, 2);
}

TEST(WarmupTest, AfterTheLastDayNothingLimitsOrItIsRepeated) {
  Warmup free(APlan({50}));
  free.Advance(Noon(1));
  Go(free, 2, 50);
  EXPECT_TRUE(free.over());
  Go(free, 3, 0);
  EXPECT_EQ(free.standing().day, 2) << "what is over counts no days";
  Warmup::Plan plan = APlan({50});
  plan.repeats_last = true;
  Warmup bound(plan);
  bound.Advance(Noon(1));
  Go(bound, 2, 50);
  EXPECT_FALSE(bound.over());
  EXPECT_EQ(bound.quota(), 50);
}

TEST(WarmupTest, APlanThatRepeatsItsLastDayHasNoneBehindIt) {
  Warmup::Plan plan = APlan();
  plan.repeats_last = true;
  Warmup bound(plan);
  bound.Advance(Noon(1));
  bound.SetDay(99, "");
  EXPECT_EQ(bound.standing().day, 3);
  Go(bound, 2, 500);
  EXPECT_EQ(bound.standing().day, 3);
  plan.per_day = {50, 100, 500, 1000, 2000};
  bound.Adopt(plan);
  Go(bound, 3, 500);
  EXPECT_EQ(bound.quota(), 1000) << "days that are added are not jumped over";
  Warmup ends = Begun();
  ends.SetDay(4, "");
  EXPECT_TRUE(ends.over());
}

TEST(WarmupTest, AFrozenDayStays) {
  Warmup warmup = Begun();
  warmup.SetFrozen(true, "frozen by ann");
  Go(warmup, 2, 50);
  EXPECT_EQ(warmup.standing().day, 1);
  EXPECT_TRUE(warmup.standing().frozen);
}

TEST(WarmupTest, AClockThatStepsBackChangesNothing) {
  Warmup warmup = Begun();
  Go(warmup, 5, 50);
  EXPECT_FALSE(warmup.IsNewDay(Noon(3)));
  EXPECT_EQ(warmup.Ends(Noon(3)), Noon(6) - absl::Hours(12));
}

TEST(WarmupTest, ADayBeginsAtMidnightWhereThePlanIs) {
  absl::TimeZone tokyo;
  ASSERT_TRUE(absl::LoadTimeZone("Asia/Tokyo", &tokyo));
  Warmup::Plan plan = APlan();
  plan.zone = tokyo;
  Warmup warmup(plan);
  const absl::Time midnight = absl::FromCivil(absl::CivilSecond(2026, 11, 30, 15), absl::UTCTimeZone());
  EXPECT_FALSE(warmup.IsNewDay(midnight - absl::Seconds(1)));
  EXPECT_TRUE(warmup.IsNewDay(midnight));
}

TEST(WarmupTest, TheRestIsSpreadOverTheRestOfTheDay) {
  const Warmup warmup = Begun();
  EXPECT_EQ(warmup.TimeFor(50, Noon(1) - absl::Hours(12)), absl::Hours(24));
  EXPECT_EQ(warmup.TimeFor(25, Noon(1)), absl::Hours(12));
  // An hour before midnight the rest is not poured out.
  EXPECT_EQ(warmup.TimeFor(50, Noon(1) + absl::Hours(11)), absl::Hours(6));
}

}  // namespace
}  // namespace sealift::engine
