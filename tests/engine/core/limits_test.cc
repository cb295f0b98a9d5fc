#include "engine/limits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace sealift::engine {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

RateLimit AnHour(int64_t count, std::string origin = "sealift.toml:7") {
  return {.rate = {.count = count, .period = absl::Hours(1)}, .origin = std::move(origin)};
}

TEST(LimitsTest, ARateIsSharedByWhoeverNamesIt) {
  Limits limits;
  RateInForce* const one = limits.Rate("source", "ip1", AnHour(1));
  RateInForce* const other = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(one, other);
  EXPECT_EQ(one->Acquire(kNow, 0), absl::ZeroDuration());
  EXPECT_GT(other->Acquire(kNow, 0), absl::ZeroDuration());
}

TEST(LimitsTest, KindAndNameTogetherNameARate) {
  Limits limits;
  RateInForce* const source = limits.Rate("source", "a", AnHour(1));
  RateInForce* const stream = limits.Rate("stream", "a", AnHour(1));
  EXPECT_NE(source, stream);
  EXPECT_NE(source, limits.Rate("source", "b", AnHour(1)));
  EXPECT_EQ(source->Acquire(kNow, 0), absl::ZeroDuration());
  EXPECT_EQ(stream->Acquire(kNow, 0), absl::ZeroDuration());
}

TEST(LimitsTest, AReloadKeepsWhatWasTaken) {
  Limits limits;
  RateInForce* const rate = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(rate->Acquire(kNow, 0), absl::ZeroDuration());
  limits.Rate("source", "ip1", AnHour(2));
  EXPECT_GT(rate->Acquire(kNow, 0), absl::ZeroDuration());
}

TEST(LimitsTest, AReloadChangesTheWords) {
  Limits limits;
  RateInForce* const rate = limits.Rate("source", "ip1", AnHour(20'000));
  EXPECT_EQ(rate->kind(), "source");
  EXPECT_EQ(rate->name(), "ip1");
  EXPECT_EQ(rate->value(), "20000/h");
  EXPECT_EQ(rate->origin(), "sealift.toml:7");
  limits.Rate("source", "ip1", AnHour(5, "sealift.toml:9"));
  EXPECT_EQ(rate->value(), "5/h");
  EXPECT_EQ(rate->origin(), "sealift.toml:9");
}

TEST(LimitsTest, ALiftedLimitRefusesNobody) {
  Limits limits;
  RateInForce* const rate = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(rate->Acquire(kNow, 0), absl::ZeroDuration());
  limits.Rate("source", "ip1", {});
  EXPECT_EQ(rate->Acquire(kNow, 0), absl::ZeroDuration());
  EXPECT_EQ(rate->value(), "unlimited");
}

TEST(LimitsTest, WhatIsScarceIsKeptForTheHigherStandingThatWaits) {
  Limits limits;
  RateInForce* const rate = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(rate->Acquire(kNow, 1), absl::ZeroDuration());
  EXPECT_EQ(rate->Acquire(kNow, 5), absl::Hours(1));
  const absl::Time free = kNow + absl::Hours(1);
  EXPECT_GT(rate->Acquire(free, 1), absl::ZeroDuration()) << "free, and kept for who matters more";
  EXPECT_EQ(rate->Acquire(free, 5), absl::ZeroDuration());
  EXPECT_EQ(rate->Acquire(free + absl::Hours(1), 1), absl::ZeroDuration()) << "nobody waits any more";
}

TEST(LimitsTest, WhoeverDoesNotComeIsNotWaitedForLong) {
  Limits limits;
  RateInForce* const rate = limits.Rate("source", "ip1", AnHour(1));
  EXPECT_EQ(rate->Acquire(kNow, 1), absl::ZeroDuration());
  EXPECT_EQ(rate->Acquire(kNow, 5), absl::Hours(1));
  EXPECT_EQ(rate->Acquire(kNow + absl::Hours(1) + absl::Seconds(1), 1), absl::ZeroDuration());
}

TEST(SlotsTest, NoMoreThanTheMaximumAreTaken) {
  Limits limits;
  Slots* const slots = limits.Count("source ip1", 2);
  EXPECT_TRUE(slots->TryTake());
  EXPECT_TRUE(slots->TryTake());
  EXPECT_FALSE(slots->TryTake());
  slots->Return();
  EXPECT_TRUE(slots->TryTake());
}

TEST(SlotsTest, ALowerMaximumWaitsUntilEnoughCameBack) {
  Limits limits;
  Slots* const slots = limits.Count("source ip1", 2);
  EXPECT_TRUE(slots->TryTake());
  EXPECT_TRUE(slots->TryTake());
  EXPECT_EQ(limits.Count("source ip1", 1), slots);
  slots->Return();
  EXPECT_FALSE(slots->TryTake());
  slots->Return();
  EXPECT_TRUE(slots->TryTake());
  EXPECT_EQ(slots->used(), 1);
}

TEST(SlotsTest, ThreadsTogetherStayWithinTheMaximum) {
  Limits limits;
  Slots* const slots = limits.Count("source ip1", 3);
  std::atomic<int> held{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20'000; ++round) {
        if (!slots->TryTake()) continue;
        const int now = held.fetch_add(1) + 1;
        int seen = most.load();
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        held.fetch_sub(1);
        slots->Return();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(slots->used(), 0);
}

}  // namespace
}  // namespace sealift::engine
