#include "engine/bound_rates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace sealift::engine {
namespace {

const absl::Time kBegin = absl::FromUnixSeconds(1'700'000'000);

// Mail that always has a row: it asks whenever it was told to, as a session does.
struct Sender {
  std::vector<BoundRate> rates;
  Bid bid;
  absl::Time ask_at = kBegin;
  int got = 0;
};

class BoundRatesTest : public testing::Test {
 protected:
  std::shared_ptr<RateInForce> RateOf(const std::string& name, int64_t a_minute) {
    return limits_.Rate("source", name, {.rate = {.count = a_minute, .period = absl::Minutes(1)}});
  }
  // Each comes a moment later than the one before.
  Sender& Add(std::vector<BoundRate> rates, uint8_t standing = 1) {
    senders_.push_back({.rates = std::move(rates),
                        .bid = {.standing = standing, .since = kBegin + absl::Nanoseconds(senders_.size())}});
    return senders_.back();
  }
  void Run(absl::Duration time) {
    for (absl::Time now = kBegin; now < kBegin + time; now += absl::Milliseconds(1)) {
      for (Sender& sender : senders_) {
        if (sender.ask_at > now) continue;
        absl::Duration wait;
        sender.bid.waited = now - sender.bid.since;
        if (AcquireEach(sender.rates, sender.bid, now, wait) != nullptr) {
          sender.ask_at = now + std::max(wait, absl::Milliseconds(1));
        } else {
          ++sender.got;
          sender.bid.since = now;
        }
      }
    }
  }

  Limits limits_;
  std::deque<Sender> senders_;
};

TEST_F(BoundRatesTest, OfEqualsAtASlowLimitEachHasTheSame) {
  const std::shared_ptr<RateInForce> rate = RateOf("ip1", 20);
  for (int i = 0; i < 7; ++i) Add({{.rate = rate, .flow = nullptr}});
  Run(absl::Minutes(21));
  for (const Sender& sender : senders_) EXPECT_NEAR(sender.got, 60, 1);
}

TEST_F(BoundRatesTest, AFlowsOwnProgressDoesNotKeepItsNextPermitFromIt) {
  const std::shared_ptr<RateInForce> rate = RateOf("ip1", 20);
  const std::shared_ptr<FairQueueing::Flow> one = rate->FlowOf("one", 1, 1), other = rate->FlowOf("other", 1, 1);
  for (int i = 0; i < 4; ++i) Add({{.rate = rate, .flow = one}});
  Sender& alone = Add({{.rate = rate, .flow = other}});
  Run(absl::Minutes(20));
  EXPECT_NEAR(alone.got, 200, 2) << "campaigns share, however many sites they have";
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(senders_[i].got, 50, 2) << i;
}

TEST_F(BoundRatesTest, WhoHasASlowLimitOfItsOwnBesideASharedOneHasItsPart) {
  const std::shared_ptr<RateInForce> shared = RateOf("ip1", 20);
  Sender& free = Add({{.rate = shared, .flow = nullptr}});
  Sender& bound = Add({{.rate = shared, .flow = nullptr}, {.rate = RateOf("own", 4), .flow = nullptr}});
  Run(absl::Minutes(30));
  EXPECT_GE(bound.got, 99) << "its own allows one in 15 s, and each waits for one of the shared limit, 3 s at most";
  EXPECT_GE(free.got + bound.got, 570) << "what is shared is used";
}

TEST_F(BoundRatesTest, WhoMattersMoreHasAllOfItsOwnLimit) {
  const std::shared_ptr<RateInForce> shared = RateOf("ip1", 20);
  Sender& free = Add({{.rate = shared, .flow = nullptr}}, 1);
  Sender& bound = Add({{.rate = shared, .flow = nullptr}, {.rate = RateOf("own", 7), .flow = nullptr}}, 9);
  Run(absl::Minutes(30));
  EXPECT_GE(bound.got, 190);
  EXPECT_GE(free.got + bound.got, 540);
}

// Each is held up by another: whenever one of its two is free the other has just been taken.
TEST_F(BoundRatesTest, WhoNeedsTwoThatOthersTakeInTurnIsNotKeptWaitingForEver) {
  const std::shared_ptr<RateInForce> left = RateOf("left", 20), right = RateOf("right", 20);
  Add({{.rate = left, .flow = nullptr}});
  Sender& right_only = Add({{.rate = right, .flow = nullptr}});
  right_only.ask_at = kBegin + absl::Milliseconds(1500);
  Sender& both = Add({{.rate = left, .flow = nullptr}, {.rate = right, .flow = nullptr}});
  both.ask_at = kBegin + absl::Seconds(1);
  Run(absl::Minutes(30));
  EXPECT_GE(both.got, 30);
}

TEST_F(BoundRatesTest, WhoIsAwaitedAtOneLimitIsNotHeldUpByWhatIsFree) {
  const std::shared_ptr<RateInForce> fast = limits_.Rate("source", "fast", {.rate = {.count = 100}});
  const std::shared_ptr<RateInForce> own = RateOf("own", 1);
  Sender& bound = Add({{.rate = fast, .flow = nullptr}, {.rate = own, .flow = nullptr}}, 9);
  Sender& free = Add({{.rate = fast, .flow = nullptr}}, 1);
  Run(absl::Minutes(2));
  EXPECT_EQ(bound.got, 2);
  EXPECT_GE(free.got, 11'500) << "a permit of a fast limit is held for nobody who cannot use it";
}

}  // namespace
}  // namespace sealift::engine
