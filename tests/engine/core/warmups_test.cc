#include "engine/warmups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace sealift::engine {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr uint8_t kStanding = 1;

// An hour of a day in December 2026.
absl::Time At(int day, int hour) { return absl::FromCivil(absl::CivilHour(2026, 12, day, hour), absl::UTCTimeZone()); }

class WarmupsTest : public testing::Test {
 protected:
  WarmupsTest() {
    options_.sources = {{.name = "ip1"}, {.name = "ip2"}};
    options_.sources[0].warmup = {.start = "2026-12-01", .per_day = {{"google", {4, 8}}, {"default", {2}}}};
  }

  void Adopt() { warmups_->Adopt(options_); }

  // What a node does once a second; the disk knows what was written.
  void Tick(absl::Time now, const std::set<std::pair<std::string, std::string>>& slowed = {}) {
    for (const queue::Note& note : warmups_->Tick(now, slowed)) {
      if (note.value.empty()) {
        disk_.erase(note.name);
      } else {
        disk_[note.name] = note.value;
      }
    }
    warmups_->Granted();
  }

  // How many permits there are from then on, if they are asked for often enough: until `until`.
  int TakeAll(const std::string& source, const std::string& judge, absl::Time from, absl::Time until) {
    int taken = 0;
    for (absl::Time now = from; now < until; now += absl::Minutes(1)) {
      Tick(now);
      const std::shared_ptr<RateInForce> rate = warmups_->On(source, judge);
      if (rate->Acquire(now, {kStanding}) == absl::ZeroDuration()) ++taken;
    }
    return taken;
  }

  // As after kill -9: what was written is all that is known.
  void Restart() {
    limits_ = std::make_unique<Limits>();
    warmups_ = std::make_unique<Warmups>(*limits_, metrics_, "live");
    for (const auto& [name, value] : disk_) warmups_->Recall(name, value);
    Adopt();
  }

  Warmups::Status StatusOf(const std::string& judge, absl::Time now) {
    Tick(now);
    for (const Warmups::Status& status : warmups_->List()) {
      if (status.judge == judge) return status;
    }
    ADD_FAILURE() << "no status of " << judge;
    return {};
  }

  Options options_;
  Metrics metrics_;
  std::unique_ptr<Limits> limits_ = std::make_unique<Limits>();
  std::unique_ptr<Warmups> warmups_ = std::make_unique<Warmups>(*limits_, metrics_, "live");
  std::map<std::string, std::string> disk_;
};

TEST_F(WarmupsTest, ADayHasItsMessagesAndNoMore) {
  Adopt();
  EXPECT_EQ(warmups_->On("ip2", "google"), nullptr);
  warmups_->On("ip1", "google");
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 0), At(2, 0)), 4);
  EXPECT_EQ(TakeAll("ip1", "google", At(2, 0), At(3, 0)), 8);
  Tick(At(3, 0));
  EXPECT_EQ(warmups_->On("ip1", "google"), nullptr) << "what is warm has no limit";
}

TEST_F(WarmupsTest, WarmUpsBindAPoolWhereNoneOfItsSourcesIsWarm) {
  options_.pools = {{.name = "new", .sources = {"ip1"}, .source_indexes = {0}},
                    {.name = "both", .sources = {"ip1", "ip2"}, .source_indexes = {0, 1}}};
  Adopt();
  const auto binding = [&](int pool, const char* judge) {
    return warmups_->Binding(options_, options_.pools[static_cast<size_t>(pool)], judge);
  };
  ASSERT_EQ(binding(0, "google").size(), 1u);
  ASSERT_EQ(binding(0, "site d1.test").size(), 1u) << "where it has not begun";
  EXPECT_EQ(binding(0, "site d1.test")[0].plan.per_day, std::vector<int>{2});
  EXPECT_EQ(binding(0, "site d1.test")[0].standing.day, 0);
  EXPECT_TRUE(binding(1, "google").empty()) << "the other takes it all";
  warmups_->On("ip1", "google");
  TakeAll("ip1", "google", At(1, 0), At(2, 0));
  Tick(At(2, 0));
  EXPECT_EQ(binding(0, "google")[0].quota, 8);
  options_.sources[0].warmup.overflow = "both";
  Adopt();
  EXPECT_EQ(warmups_->SourcesOf(options_, options_.pools[0], "google"), (std::vector<int>{0, 1}));
  EXPECT_TRUE(binding(0, "google").empty());
}

TEST_F(WarmupsTest, WhoAsksAndWhoLooksAreToldTheSameOfADayThatIsUsedUp) {
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("ip1", "google");
  TakeAll("ip1", "google", At(1, 0), At(1, 20));
  for (const int hour : {20, 22}) {
    Tick(At(1, hour));
    EXPECT_EQ(rate->Acquire(At(1, hour), {kStanding}), rate->Peek(At(1, hour)));
  }
}

TEST_F(WarmupsTest, WhatGoesWithoutAskingBeforeTheFirstTickCounts) {
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("ip1", "google");
  for (int i = 0; i < 3; ++i) rate->Count();
  EXPECT_EQ(StatusOf("google", At(1, 0)).standing.sent, 3);
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 0), At(2, 0)), 1);
  EXPECT_EQ(StatusOf("google", At(2, 0)).standing.day, 2);
}

TEST_F(WarmupsTest, WhatGoesBeforeTheFirstDayIsOfNoDay) {
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("ip1", "google");
  rate->Count();
  Tick(At(1, 0) - absl::Hours(5));
  EXPECT_EQ(StatusOf("google", At(1, 0)).standing.sent, 0);
}

TEST_F(WarmupsTest, NothingLeavesBeforeTheFirstDay) {
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("ip1", "google");
  const absl::Time before = At(1, 0) - absl::Hours(5);
  Tick(before);
  EXPECT_EQ(rate->Acquire(before, {kStanding}), absl::Hours(5));
  EXPECT_EQ(rate->value(), "nothing before 2026-12-01");
}

TEST_F(WarmupsTest, MessagesAreSpreadOverTheDay) {
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("ip1", "google");
  Tick(At(1, 0));
  EXPECT_EQ(rate->value(), "4 on day 1 of 2");
  EXPECT_EQ(rate->Acquire(At(1, 0), {kStanding}), absl::ZeroDuration());
  Tick(At(1, 1));
  EXPECT_EQ(rate->Acquire(At(1, 1), {kStanding}), absl::Hours(5));
  Tick(At(1, 6));
  EXPECT_EQ(rate->Acquire(At(1, 6), {kStanding}), absl::ZeroDuration());
}

TEST_F(WarmupsTest, WhoeverIsNotNamedHasTheDefaultForItself) {
  Adopt();
  const std::shared_ptr<RateInForce> one = warmups_->On("ip1", "site mx.d1.test");
  const std::shared_ptr<RateInForce> other = warmups_->On("ip1", "site mx.d2.test");
  EXPECT_NE(one, other);
  EXPECT_EQ(TakeAll("ip1", "site mx.d1.test", At(1, 0), At(2, 0)), 2);
  options_.sources[0].warmup.per_day.erase("default");
  Adopt();
  EXPECT_EQ(warmups_->On("ip1", "site mx.d3.test"), nullptr);
}

TEST_F(WarmupsTest, ASourceOfAnotherNameGoesOnAndOneOfAnotherAddressBeginsAnew) {
  options_.sources[0].address = "192.0.2.1";
  options_.sources[1].address = "192.0.2.2";
  Adopt();
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 0), At(2, 0)), 4);
  options_.sources[0].name = "berlin";
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("berlin", "google");
  EXPECT_EQ(rate->name(), "berlin to google");
  EXPECT_EQ(TakeAll("berlin", "google", At(2, 0), At(2, 12)), 4);
  EXPECT_EQ(StatusOf("google", At(2, 12)).source, "berlin");
  EXPECT_EQ(StatusOf("google", At(2, 12)).standing.day, 2);
  options_.sources[0].name = "paris";
  Restart();
  EXPECT_EQ(StatusOf("google", At(2, 12)).standing.day, 2);
  EXPECT_GE(StatusOf("google", At(2, 12)).standing.sent, 4);
  options_.sources[0].address = "192.0.2.3";
  Restart();
  EXPECT_EQ(StatusOf("google", At(2, 12)).standing.day, 1) << "nobody knows that address";
}

TEST_F(WarmupsTest, WhatWasWrittenByASourcesNameIsKnownByItsAddress) {
  Adopt();
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 0), At(2, 0)), 4);
  EXPECT_EQ(StatusOf("google", At(2, 0)).standing.day, 2);
  options_.sources[0].address = "192.0.2.1";
  Restart();
  EXPECT_EQ(StatusOf("google", At(2, 0)).standing.day, 2);
  for (const auto& [name, value] : disk_) EXPECT_THAT(name, testing::Not(testing::HasSubstr("ip1")));
}

TEST_F(WarmupsTest, ARestartSendsNothingBeforeItsTime) {
  Adopt();
  warmups_->On("ip1", "google");
  Tick(At(1, 0));
  ASSERT_EQ(warmups_->On("ip1", "google")->Acquire(At(1, 0), {kStanding}), absl::ZeroDuration());
  Tick(At(1, 0) + absl::Seconds(1));
  const absl::Duration announced = warmups_->On("ip1", "google")->Peek(At(1, 1));
  EXPECT_EQ(announced, absl::Hours(5));
  for (int i = 0; i < 3; ++i) {
    Restart();
    warmups_->On("ip1", "google");
    Tick(At(1, 1));
    EXPECT_EQ(warmups_->On("ip1", "google")->Acquire(At(1, 1), {kStanding}), announced);
    EXPECT_EQ(StatusOf("google", At(1, 1)).standing.sent, 1) << "what nobody can take yet is not reserved";
  }
  for (const queue::Note& note : warmups_->Close(At(1, 2))) disk_[note.name] = note.value;
  Restart();
  warmups_->On("ip1", "google");
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 2), At(1, 6)), 0);
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 6), At(2, 0)), 3);
  EXPECT_EQ(TakeAll("ip1", "google", At(2, 0), At(3, 0)), 8);
}

TEST_F(WarmupsTest, NothingIsForgottenByAKill) {
  Adopt();
  warmups_->On("ip1", "google");
  const int before = TakeAll("ip1", "google", At(1, 0), At(1, 12));
  EXPECT_EQ(before, 2);
  Restart();
  warmups_->On("ip1", "google");
  const int after = TakeAll("ip1", "google", At(1, 12), At(2, 0));
  // One that was reserved and not used may be lost.
  EXPECT_LE(before + after, 4);
  EXPECT_GE(before + after, 3);
  Restart();
  EXPECT_EQ(StatusOf("google", At(2, 1)).quota, 8) << "the day had half of its messages";
}

TEST_F(WarmupsTest, WhatAKillLeavesInDoubtEarnsNoDay) {
  options_.sources[0].warmup.per_day["google"] = {2, 8};
  Adopt();
  warmups_->On("ip1", "google");
  Tick(At(1, 0));
  Restart();
  EXPECT_EQ(StatusOf("google", At(1, 1)).standing.sent, 1) << "it was reserved, and may have been sent";
  Restart();
  EXPECT_EQ(StatusOf("google", At(2, 0)).standing.day, 1) << "nobody knows that anything was sent";
  warmups_->On("ip1", "google");
  EXPECT_EQ(TakeAll("ip1", "google", At(2, 1), At(3, 0)), 2);
  EXPECT_EQ(StatusOf("google", At(3, 0)).standing.day, 2);
}

TEST_F(WarmupsTest, NothingLeavesThatIsNotWritten) {
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("ip1", "google");
  EXPECT_GT(rate->Acquire(At(1, 0), {kStanding}), absl::ZeroDuration());
  EXPECT_FALSE(warmups_->Tick(At(1, 0), {}).empty());
  warmups_->Refused();
  EXPECT_GT(rate->Acquire(At(1, 0), {kStanding}), absl::ZeroDuration()) << "the disk does not know of it";
  Tick(At(1, 0));
  EXPECT_EQ(rate->Acquire(At(1, 0), {kStanding}), absl::ZeroDuration());
}

TEST_F(WarmupsTest, WhatDoesNotWaitCounts) {
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("ip1", "google");
  Tick(At(1, 0));
  for (int i = 0; i < 6; ++i) rate->Count();
  Tick(At(1, 0) + absl::Seconds(1));
  EXPECT_EQ(StatusOf("google", At(1, 1)).standing.sent, 6);
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 1), At(2, 0)), 0);
}

TEST_F(WarmupsTest, WhatIsGivenBackIsThere) {
  Adopt();
  const std::shared_ptr<RateInForce> rate = warmups_->On("ip1", "google");
  Tick(At(1, 0));
  ASSERT_EQ(rate->Acquire(At(1, 0), {kStanding}), absl::ZeroDuration());
  rate->Return(At(1, 0), At(1, 0));
  EXPECT_EQ(StatusOf("google", At(1, 1)).standing.sent, 0);
  // What was taken on the day before is not this day's.
  Tick(At(1, 1));
  ASSERT_EQ(rate->Acquire(At(1, 1), {kStanding}), absl::ZeroDuration());
  Tick(At(2, 0));
  rate->Return(At(1, 1), At(2, 0));
  EXPECT_EQ(StatusOf("google", At(2, 0)).standing.sent, 0);
  EXPECT_LE(TakeAll("ip1", "google", At(2, 0), At(3, 0)), 4);
}

TEST_F(WarmupsTest, ADayOnWhichRepliesSlowTheSourceIsRepeated) {
  Adopt();
  warmups_->On("ip1", "google");
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 0), At(1, 23)), 4);
  Tick(At(1, 23), {{"ip1", "google"}});
  EXPECT_TRUE(StatusOf("google", At(1, 23)).standing.slowed);
  Tick(At(2, 0));
  EXPECT_EQ(StatusOf("google", At(2, 0)).standing.day, 1);
  // Elsewhere it was not slowed, and everywhere if the source is.
  Tick(At(2, 1), {{"ip1", "yahoo"}});
  EXPECT_FALSE(StatusOf("google", At(2, 1)).standing.slowed);
  Tick(At(2, 2), {{"ip1", ""}});
  EXPECT_TRUE(StatusOf("google", At(2, 2)).standing.slowed);
  // Or the provider is, for every source.
  Tick(At(3, 0));
  ASSERT_FALSE(StatusOf("google", At(3, 0)).standing.slowed);
  Tick(At(3, 1), {{"", "google"}});
  EXPECT_TRUE(StatusOf("google", At(3, 1)).standing.slowed);
}

TEST_F(WarmupsTest, TheSinkWarmsNothing) {
  Adopt();
  warmups_->On("ip1", "google");
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 0), At(2, 0)), 4);
  limits_ = std::make_unique<Limits>();
  warmups_ = std::make_unique<Warmups>(*limits_, metrics_, "sink");
  for (const auto& [name, value] : disk_) warmups_->Recall(name, value);
  Adopt();
  EXPECT_EQ(StatusOf("google", At(2, 1)).standing.day, 1);
}

TEST_F(WarmupsTest, SinceARestoreTodayIsUsedUp) {
  Adopt();
  warmups_->On("ip1", "google");
  TakeAll("ip1", "google", At(1, 0), At(1, 7));
  limits_ = std::make_unique<Limits>();
  warmups_ = std::make_unique<Warmups>(*limits_, metrics_, "live");
  for (const auto& [name, value] : disk_) warmups_->Recall(name, value);
  warmups_->SupposeUsed(At(1, 8));
  Adopt();
  warmups_->On("ip1", "google");
  warmups_->On("ip1", "yahoo");
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 8), At(2, 0)), 0);
  EXPECT_EQ(TakeAll("ip1", "yahoo", At(1, 8), At(2, 0)), 0);
  EXPECT_EQ(TakeAll("ip1", "google", At(2, 0), At(3, 0)), 8);
}

TEST_F(WarmupsTest, AnOperatorMovesAndFreezesIt) {
  Adopt();
  warmups_->On("ip1", "google");
  Tick(At(1, 0));
  EXPECT_TRUE(warmups_->TakeTurns());
  EXPECT_FALSE(warmups_->TakeTurns());
  EXPECT_EQ(*warmups_->Apply("ip1", "google", {.day = 2, .by = "bob"}, At(1, 1)), 1);
  EXPECT_TRUE(warmups_->TakeTurns()) << "its queues look at it again";
  EXPECT_EQ(StatusOf("google", At(1, 1)).quota, 8);
  EXPECT_EQ(*warmups_->Apply("ip1", "", {.freeze = true, .by = "ann", .reason = "complaints"}, At(1, 1)), 1);
  EXPECT_EQ(TakeAll("ip1", "google", At(1, 1), At(2, 0)), 8);
  Tick(At(2, 0));
  EXPECT_EQ(StatusOf("google", At(2, 0)).standing.day, 2) << "frozen";
  Restart();
  EXPECT_TRUE(StatusOf("google", At(2, 1)).standing.frozen);
  EXPECT_THAT(StatusOf("google", At(2, 1)).origin, AllOf(HasSubstr("; moved to day 2 by bob at 2"),
                                                         HasSubstr("; frozen by ann at 2"), EndsWith("Z: complaints")));
  EXPECT_EQ(warmups_->On("ip1", "google")->origin(), StatusOf("google", At(2, 1)).origin) << "what an explanation says";
  warmups_->On("ip1", "yahoo");
  EXPECT_TRUE(StatusOf("yahoo", At(2, 1)).standing.frozen) << "the source is, wherever it begins";
  EXPECT_THAT(StatusOf("yahoo", At(2, 1)).origin, EndsWith("Z: complaints"));
  EXPECT_EQ(*warmups_->Apply("ip1", "", {.freeze = false, .by = "ann"}, At(2, 1)), 2);
  Tick(At(2, 1));
  Restart();
  const std::shared_ptr<RateInForce> site = warmups_->On("ip1", "a site");
  EXPECT_FALSE(StatusOf("a site", At(2, 1)).standing.frozen);
  EXPECT_EQ(*warmups_->Apply("ip1", "google", {.day = 3}, At(2, 1)), 1);
  EXPECT_EQ(warmups_->On("ip1", "google"), nullptr);
  EXPECT_EQ(warmups_->Apply("ip2", "", {.day = 1}, At(2, 1)).status().code(), absl::StatusCode::kNotFound);
  options_.sources[0].warmup.per_day.erase("default");
  Adopt();
  EXPECT_EQ(warmups_->Apply("ip1", "yahoo", {.day = 1}, At(2, 1)).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(WarmupsTest, ASiteThatIsAsGoodAsNewIsForgottenOnceNobodySendsThere) {
  options_.sources[0].warmup.per_day = {{"default", {20, 40}}};
  Adopt();
  EXPECT_EQ(warmups_->Apply("ip1", "", {.day = 2}, At(1, 0)).status().code(), absl::StatusCode::kNotFound)
      << "there is none yet to be moved";
  std::shared_ptr<RateInForce> little = warmups_->On("ip1", "site little.test");
  std::shared_ptr<RateInForce> enough = warmups_->On("ip1", "site enough.test");
  Tick(At(1, 0));
  for (int i = 0; i < 10; ++i) enough->Count();
  little->Count();
  Tick(At(1, 1));
  little = enough = nullptr;
  Tick(At(1, 2));
  EXPECT_EQ(warmups_->List().size(), 2u) << "what was sent today counts";
  Restart();
  Tick(At(2, 0));
  ASSERT_EQ(warmups_->List().size(), 1u);
  EXPECT_EQ(warmups_->List()[0].judge, "site enough.test");
  EXPECT_EQ(disk_.size(), 1u);
  Adopt();
  EXPECT_EQ(warmups_->List().size(), 1u);
  little = warmups_->On("ip1", "site little.test");
  Tick(At(2, 1));
  EXPECT_EQ(little->value(), "20 on day 1 of 2");
}

TEST_F(WarmupsTest, MemoryIsBoundedWhateverSitesThereAre) {
  Adopt();
  for (int i = 0; i < 5000; ++i) warmups_->On("ip1", "site mx" + std::to_string(i) + ".test");
  EXPECT_LE(warmups_->List().size(), 4100u);
  EXPECT_EQ(warmups_->On("ip1", "site mxa.test"), warmups_->On("ip1", "site mxb.test"));
}

TEST_F(WarmupsTest, WhatCannotBeReadIsForgotten) {
  for (const char* value :
       {"", "{}", "[]", "null", R"({"day":"x"})", R"({"day":-1,"date":1,"sent":0,"slowed":false,"frozen":false})"}) {
    warmups_->Recall(R"(["live","ip1","google"])", value);
  }
  warmups_->Recall("x", "{}");
  Adopt();
  EXPECT_EQ(StatusOf("google", At(1, 1)).standing.day, 1);
}

}  // namespace
}  // namespace sealift::engine
