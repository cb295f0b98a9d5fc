#include "engine/restraints.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

namespace sealift::engine {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class RestraintsTest : public testing::Test {
 protected:
  RestraintsTest() {
    options_.sources = {{.name = "ip1"}, {.name = "ip2"}, {.name = "ip3"}};
    options_.pools = {{.name = "p", .sources = {"ip1", "ip2"}, .source_indexes = {0, 1}},
                      {.name = "q", .sources = {"ip3"}, .source_indexes = {2}}};
    options_.streams = {{.name = "news", .pool = "p", .pool_index = 0, .dkim = {"d.test"}},
                        {.name = "alerts", .pool = "q", .pool_index = 1, .dkim = {"d.test"}}};
  }

  void Adopt() {
    const absl::Status adopted = restraints_.Adopt(std::make_shared<const Options>(options_));
    ASSERT_TRUE(adopted.ok()) << adopted;
  }

  Restraints::Ruling Hear(std::string_view provider, std::string_view line, absl::Time now,
                          Phase phase = Phase::kContent, absl::Time permitted = absl::InfinitePast(),
                          std::string_view source = "ip1", std::string_view stream = "news",
                          const Restraints::Told& told = {}) {
    Reply reply{.code = std::stoi(std::string(line.substr(0, 3))), .lines = std::string(line.substr(4))};
    std::string_view rest = reply.lines;
    reply.enhanced = TakeEnhancedCode(rest);
    const std::string enhanced = reply.enhanced.has_value() ? reply.enhanced->ToString() : "";
    const std::string text = reply.Text();
    const Restraints::Place place{.source = std::string(source),
                                  .provider = std::string(provider),
                                  .stream = std::string(stream),
                                  .campaign = "c"};
    return restraints_.Hear(place,
                            {.verdict = Classify(phase, reply),
                             .code = reply.code,
                             .enhanced = enhanced,
                             .text = text,
                             .provider = provider},
                            told, permitted, now);
  }
  Restraints::Ruling HearOfRow(std::string_view line, const Restraints::Told& told, absl::Time now) {
    return Hear("google", line, now, Phase::kRcpt, absl::InfinitePast(), "ip1", "news", told);
  }

  Restraints::Attempts AttemptsAt(std::string_view source, std::string_view provider, std::string_view campaign = "c") {
    return restraints_.AttemptsAt({.source = std::string(source),
                                   .provider = std::string(provider),
                                   .stream = "news",
                                   .campaign = std::string(campaign)});
  }

  // Attempts at a steady pace for a minute before `now`.
  void Send(std::string_view source, std::string_view provider, int per_second, absl::Time until) {
    const Restraints::Attempts attempts = AttemptsAt(source, provider);
    for (absl::Time now = until - absl::Minutes(1); now <= until; now += absl::Seconds(1)) {
      restraints_.Tick(now);
      for (const std::shared_ptr<Counter>& counter : attempts) counter->Add(static_cast<uint64_t>(per_second));
    }
  }

  double RateOf(std::string_view name) const {
    for (const Restraints::Slowed& slowed : restraints_.List()) {
      if (slowed.name == name) return slowed.rate_per_second;
    }
    return -1;
  }

  uint64_t Hits(std::string_view rule) { return metrics_.counter(Metric::kRuleHits, {std::string(rule)})->value(); }

  static absl::Duration LongestWait(const std::vector<std::shared_ptr<RateInForce>>& rates, absl::Time now) {
    absl::Duration longest;
    for (const std::shared_ptr<RateInForce>& rate : rates) longest = std::max(longest, rate->Peek(now));
    return longest;
  }

  static constexpr std::string_view kRateOfSource =
      "421 4.7.28 an unusual rate of mail originating from your IP address";

  Options options_;
  Limits limits_;
  Metrics metrics_;
  Restraints restraints_{limits_, metrics_};
};

// Otherwise there would be one for every site that ever refused.
TEST_F(RestraintsTest, WhatIsOverIsForgottenOnceNobodyHasIt) {
  Adopt();
  const auto rates = [this] {
    size_t count = 0;
    limits_.ForEach([&](const RateInForce&) { ++count; }, [](const std::string&, const Slots&) {});
    return count;
  };
  const Restraints::Place place{.source = "ip1", .provider = "site mx.d1.test", .stream = "news", .campaign = "c"};
  for (int i = 1; i <= 3000; ++i)
    Hear(fmt::format("site mx.d{}.test", i), "421 4.7.0 too many messages, slow down", kNow);
  ASSERT_GE(rates(), 3000u);
  const std::vector<std::shared_ptr<RateInForce>> held = restraints_.RatesOn(place);
  ASSERT_EQ(held.size(), 1u);
  const absl::Time later = kNow + absl::Hours(3);
  restraints_.Tick(later);  // over
  EXPECT_EQ(restraints_.List().size(), 0u);
  restraints_.Tick(later + absl::Seconds(1));
  EXPECT_GE(rates(), 3000u) << "nobody has written yet that they are over";
  EXPECT_GE(restraints_.TakeChanged().size(), 3000u);
  restraints_.Tick(later + absl::Seconds(2));
  limits_.Forget(later + absl::Seconds(2));
  EXPECT_EQ(rates(), 1u) << "the one that somebody has";
  Hear("site mx.d1.test", "421 4.7.0 too many messages, slow down", later + absl::Seconds(3));
  EXPECT_EQ(restraints_.RatesOn(place), held);
}

TEST_F(RestraintsTest, BackoffBeginsAtWhatWasMeasuredAndComesBackInSteps) {
  Adopt();
  Send("ip1", "google", 20, kNow);
  EXPECT_EQ(Hear("google", kRateOfSource, kNow).action, Action::kDefer);
  EXPECT_NEAR(RateOf("ip1 to google"), 10, 0.5);
  // Replies to what was under way do not slow it again.
  Hear("google", kRateOfSource, kNow + absl::Seconds(5));
  EXPECT_NEAR(RateOf("ip1 to google"), 10, 0.5);
  double before = RateOf("ip1 to google");
  for (int step = 1; step < 10; ++step) {
    restraints_.Tick(kNow + step * absl::Minutes(3) + absl::Seconds(1));
    EXPECT_NEAR(RateOf("ip1 to google") - before, 1, 0.1) << "step " << step;
    before = RateOf("ip1 to google");
  }
  restraints_.Tick(kNow + absl::Minutes(31));
  EXPECT_EQ(RateOf("ip1 to google"), -1) << "nothing limits any more";
}

TEST_F(RestraintsTest, ABackoffOfWhatHasJustBegunBeginsAtItsPaceToo) {
  Adopt();
  restraints_.Tick(kNow - absl::Minutes(1));
  const std::shared_ptr<Counter> attempts = AttemptsAt("ip1", "google")[0];
  for (absl::Time now = kNow - absl::Seconds(59); now <= kNow; now += absl::Seconds(1)) {
    if (now > kNow - absl::Seconds(3)) attempts->Add(20);
    restraints_.Tick(now);
  }
  Hear("google", kRateOfSource, kNow);
  EXPECT_NEAR(RateOf("ip1 to google"), 10, 0.5);
}

TEST_F(RestraintsTest, BackoffHasAFloor) {
  Adopt();
  Send("ip1", "google", 1, kNow);
  for (int i = 0; i < 4; ++i) Hear("google", kRateOfSource, kNow + i * absl::Minutes(2));
  EXPECT_NEAR(RateOf("ip1 to google"), 0.1, 0.01);
}

TEST_F(RestraintsTest, BackoffIsAPermitThatIsRefused) {
  Adopt();
  const Restraints::Place place{.source = "ip1", .provider = "google", .stream = "news", .campaign = "c"};
  EXPECT_THAT(restraints_.RatesOn(place), testing::IsEmpty()) << "nothing was said";
  const uint64_t before = restraints_.generation();
  Hear("google", kRateOfSource, kNow);
  EXPECT_NE(restraints_.generation(), before) << "whoever has its permits asks again";
  ASSERT_THAT(restraints_.RatesOn(place), testing::SizeIs(1));
  const std::shared_ptr<RateInForce> pair = restraints_.RatesOn(place)[0];
  EXPECT_EQ(pair->Acquire(kNow, {0}), absl::Seconds(2)) << "one a second, halved";
  EXPECT_EQ(pair->Acquire(kNow + absl::Seconds(2), {0}), absl::ZeroDuration());
  EXPECT_EQ(pair->Acquire(kNow + absl::Seconds(2), {0}), absl::Seconds(2));
  EXPECT_EQ(pair->kind(), "backoff");
  EXPECT_THAT(pair->origin(), testing::HasSubstr("google.source_rate"));
}

TEST_F(RestraintsTest, WhatWasBegunSinceIsNotRefusedTwiceOfOneBackoff) {
  Adopt();
  Send("ip1", "google", 20, kNow);
  const absl::Duration second = absl::Seconds(1);
  Hear("google", kRateOfSource, kNow, Phase::kContent, kNow - second);
  EXPECT_NEAR(RateOf("ip1 to google"), 10, 0.5);
  Hear("google", kRateOfSource, kNow + second, Phase::kContent, kNow - second);
  EXPECT_NEAR(RateOf("ip1 to google"), 10, 0.5) << "it was under way";
  Hear("google", kRateOfSource, kNow + 2 * second, Phase::kContent, kNow + second);
  EXPECT_NEAR(RateOf("ip1 to google"), 5, 0.3);
}

TEST_F(RestraintsTest, NoLaterReplyShortensABackoffOrRaisesItsFloor) {
  options_.rules = {{.match = "far too much",
                     .actions = {"backoff"},
                     .factor = 0.25,
                     .floor = {.rate = {1, absl::Minutes(1)}},
                     .duration = absl::Hours(2)}};
  Adopt();
  Send("ip1", "google", 20, kNow);
  Hear("google", "421 4.7.0 far too much", kNow);
  absl::Time now = kNow;
  const auto later = [&](std::string_view said) {
    now += absl::Minutes(2);
    restraints_.Tick(now);
    Hear("google", said, now, Phase::kContent, now);
  };
  later("421 4.7.0 slow down");
  EXPECT_NEAR(RateOf("ip1 to google"), 2.5, 0.2);
  restraints_.Tick(kNow + absl::Minutes(90));
  EXPECT_NEAR(RateOf("ip1 to google"), 15, 1) << "seven of the ten steps of two hours";
  now = kNow + absl::Minutes(90);
  for (int i = 0; i < 4; ++i) later("421 4.7.0 far too much");
  later("421 4.7.0 slow down");
  EXPECT_NEAR(RateOf("ip1 to google"), 0.03, 0.005) << "the lower floor stays";
}

TEST_F(RestraintsTest, ASuspensionWithinABackoffLeavesItItsTime) {
  options_.rules = {{.match = "closed", .actions = {"suspend"}, .duration = absl::Minutes(20)}};
  Adopt();
  Send("ip1", "google", 20, kNow);
  for (int i = 0; i < 5; ++i) Hear("google", "550 5.7.1 very low reputation of the sending IP address", kNow);
  ASSERT_NEAR(RateOf("ip1 to google"), 5, 0.2) << "for two hours";
  Hear("google", "421 closed", kNow + absl::Minutes(10), Phase::kContent, kNow + absl::Minutes(10));
  for (absl::Time now = kNow + absl::Minutes(10); now < kNow + absl::Minutes(119); now += absl::Minutes(1)) {
    restraints_.Tick(now);
  }
  EXPECT_GT(RateOf("ip1 to google"), 1) << "the suspension was over after its own time";
  EXPECT_LT(RateOf("ip1 to google"), 20);
  restraints_.Tick(kNow + absl::Minutes(121));
  EXPECT_EQ(RateOf("ip1 to google"), -1);
}

TEST_F(RestraintsTest, WhoBlocksUsForAnHourIsAskedSeldomAndFoundOpenInTime) {
  for (const auto& [blocked, questions] : {std::pair{absl::Hours(1), 20}, {absl::Hours(24), 40}}) {
    Limits limits;
    Restraints restraints(limits, metrics_);
    ASSERT_TRUE(restraints.Adopt(std::make_shared<const Options>(options_)).ok());
    const Restraints::Place place{.source = "ip1", .provider = "site d1.test", .stream = "news", .campaign = "c"};
    const Reply reply{.code = 450, .lines = "4.7.1 Too many messages, slow down"};
    const HeardReply heard{.verdict = Classify(Phase::kMail, reply), .code = 450, .text = reply.lines};
    restraints.Hear(place, heard, {}, kNow, kNow);
    int asked = 0;
    absl::Time now = kNow, ticked = kNow;
    while (now < kNow + blocked) {
      for (; ticked <= now; ticked += absl::Seconds(1)) restraints.Tick(ticked);
      absl::Duration wait;
      for (const std::shared_ptr<RateInForce>& rate : restraints.RatesOn(place))
        wait = std::max(wait, rate->Acquire(now, {0}));
      if (wait > absl::ZeroDuration()) {
        now += wait;
        continue;
      }
      if (now >= kNow + blocked) break;
      ++asked;
      restraints.Hear(place, heard, {}, now, now + absl::Milliseconds(1));
    }
    EXPECT_LE(now - (kNow + blocked), blocked / 4) << "found open too late";
    EXPECT_LE(asked, questions);
    EXPECT_GE(asked, 5) << "nobody looked";
  }
}

TEST_F(RestraintsTest, SiblingsDoNotTakeOverALoadThatWasRefused) {
  Adopt();
  Send("ip2", "microsoft", 4, kNow);
  Hear("microsoft", "550 5.7.1 part of their network is on our block list (S3140)", kNow, Phase::kMail);
  EXPECT_NEAR(RateOf("ip2 to microsoft"), 4, 0.2);
  EXPECT_EQ(RateOf("ip3 to microsoft"), -1) << "it is in another pool";
}

TEST_F(RestraintsTest, SiblingsDoNotTakeOverALoadThatARuleOfTheConfigurationStops) {
  options_.rules = {{.match = "blocked using", .actions = {"suspend"}, .duration = absl::Hours(4)},
                    {.match = "gone mad", .scope = "source", .actions = {"suspend"}, .duration = absl::Hours(1)},
                    {.match = "campaign", .scope = "campaign", .actions = {"suspend"}}};
  Adopt();
  const Restraints::Attempts of_one = AttemptsAt("ip1", "google"), of_other = AttemptsAt("ip2", "google");
  for (absl::Time now = kNow - absl::Minutes(1); now <= kNow; now += absl::Seconds(1)) {
    restraints_.Tick(now);
    of_one[0]->Add(20);
    of_other[0]->Add(4);
  }
  Hear("microsoft", "554 5.7.1 blocked using d1.test", kNow);
  EXPECT_NEAR(RateOf("ip2 to microsoft"), 1, 0.1);
  Hear("google", "421 campaign", kNow);
  EXPECT_EQ(RateOf("ip2 to google"), -1) << "no source was refused";
  Hear("google", "421 gone mad", kNow);
  EXPECT_NEAR(RateOf("ip2 to google"), 4, 0.2);
  EXPECT_EQ(RateOf("ip1 to google"), -1) << "it is suspended everywhere";
  restraints_.Tick(kNow + absl::Minutes(30) + absl::Seconds(1));
  EXPECT_NEAR(RateOf("ip2 to google"), 14, 0.5) << "it grows by what the other had there";
}

// Its mail of other streams would go there.
TEST_F(RestraintsTest, SiblingsInAnyPoolOfARefusedSourceKeepTheirPace) {
  options_.pools.push_back({.name = "alone", .sources = {"ip1"}, .source_indexes = {0}});
  options_.streams[0].pool = "alone";
  Adopt();
  Send("ip2", "google", 5, kNow);
  Hear("google", kRateOfSource, kNow);
  EXPECT_NEAR(RateOf("ip2 to google"), 5, 0.2);
  EXPECT_EQ(RateOf("ip3 to google"), -1) << "of no pool with it";
}

TEST_F(RestraintsTest, ASiblingTakesOverInStepsAlsoOneThatHasNotSentYet) {
  Adopt();
  Send("ip1", "google", 20, kNow);
  Hear("google", kRateOfSource, kNow);
  double before = RateOf("ip2 to google");
  EXPECT_NEAR(before, 1, 0.01) << "nothing was measured of it";
  for (int step = 1; step < 10; ++step) {
    // What is said of its sibling meanwhile does not hold it up.
    Hear("google", kRateOfSource, kNow + step * absl::Minutes(3));
    restraints_.Tick(kNow + step * absl::Minutes(3) + absl::Seconds(1));
    EXPECT_NEAR(RateOf("ip2 to google") - before, 2, 0.1) << "step " << step;
    before = RateOf("ip2 to google");
  }
  // What is said of itself does, from where it is by then.
  Restraints grown(limits_, metrics_);
  for (const queue::Note& note : restraints_.TakeChanged()) {
    grown.Recall(note.name, note.value, kNow + absl::Minutes(3));
  }
  grown.Tick(kNow + absl::Minutes(9) + absl::Seconds(1));
  const std::vector<Restraints::Slowed> known = grown.List();
  const auto sibling = std::ranges::find(known, "ip2 to google", &Restraints::Slowed::name);
  ASSERT_NE(sibling, known.end());
  EXPECT_NEAR(sibling->rate_per_second, 7, 0.1) << "a restart changes nothing: three steps";
  restraints_.Tick(kNow + absl::Minutes(31));
  EXPECT_EQ(RateOf("ip2 to google"), -1) << "nothing limits it any more";
}

TEST_F(RestraintsTest, ASiblingThatHasGrownIsSlowedFromWhereItIs) {
  Adopt();
  Send("ip1", "google", 20, kNow);
  Hear("google", kRateOfSource, kNow);
  restraints_.Tick(kNow + absl::Minutes(15));
  ASSERT_NEAR(RateOf("ip2 to google"), 11, 0.3);
  Hear("google", kRateOfSource, kNow + absl::Minutes(15), Phase::kContent, kNow + absl::Minutes(14), "ip2");
  EXPECT_NEAR(RateOf("ip2 to google"), 5.5, 0.2);
  restraints_.Tick(kNow + absl::Minutes(43));
  EXPECT_LE(RateOf("ip2 to google"), 11) << "it comes back to where it was, and no further";
}

TEST_F(RestraintsTest, ASuspendedSourceSendsNothingUntilItIsOver) {
  Adopt();
  Hear("microsoft", "550 5.7.1 part of their network is on our block list (S3140)", kNow, Phase::kMail);
  const auto rates = restraints_.RatesOn({.source = "ip1", .provider = "microsoft", .stream = "news", .campaign = "c"});
  ASSERT_FALSE(rates.empty());
  EXPECT_EQ(RateOf("ip1 to microsoft"), 0);
  for (absl::Duration later = absl::ZeroDuration(); later < absl::Hours(4); later += absl::Minutes(1)) {
    restraints_.Tick(kNow + later);
    EXPECT_GT(rates[0]->Acquire(kNow + later, {0}), absl::ZeroDuration());
  }
  EXPECT_THAT(rates[0]->origin(), testing::HasSubstr("microsoft.network_blocked"));
  EXPECT_EQ(metrics_.gauge(Metric::kSourceBackoff, {"ip1", "microsoft"})->value(), 100);
  restraints_.Tick(kNow + absl::Hours(4) + absl::Seconds(1));
  EXPECT_EQ(rates[0]->Acquire(kNow + absl::Hours(4) + absl::Seconds(1), {0}), absl::ZeroDuration());
  EXPECT_NEAR(RateOf("ip1 to microsoft"), 0.1, 0.01) << "it begins again at the floor";
}

TEST_F(RestraintsTest, AnOperatorEndsASuspensionAndSendingBeginsSlowlyThen) {
  Adopt();
  Send("ip1", "microsoft", 20, kNow);
  Hear("microsoft", "550 5.7.1 part of their network is on our block list (S3150)", kNow, Phase::kMail);
  const Restraints::Place place{.source = "ip1", .provider = "microsoft", .stream = "news", .campaign = "c"};
  const std::vector<std::shared_ptr<RateInForce>> rates = restraints_.RatesOn(place);
  const absl::Time later = kNow + absl::Minutes(2);
  ASSERT_GT(LongestWait(rates, later), absl::Hours(3));
  EXPECT_THAT(restraints_.EndSuspensions("ip2", "", false, later), testing::IsEmpty());
  EXPECT_THAT(restraints_.EndSuspensions("ip1", "google", false, later), testing::IsEmpty());
  EXPECT_THAT(restraints_.EndSuspensions("ip1", "", true, later), testing::SizeIs(1));
  EXPECT_EQ(RateOf("ip1 to microsoft"), 0) << "so far it was only asked";
  EXPECT_THAT(restraints_.EndSuspensions("ip1", "microsoft", false, later), testing::SizeIs(1));
  EXPECT_NEAR(RateOf("ip1 to microsoft"), 0.1, 0.01) << "at the floor";
  EXPECT_LE(LongestWait(rates, later), absl::Seconds(10));
  restraints_.Tick(later + absl::Minutes(31));
  EXPECT_EQ(RateOf("ip1 to microsoft"), -1);
  Hear("microsoft", "550 5.7.1 part of their network is on our block list (S3150)", later + absl::Minutes(32),
       Phase::kMail, later + absl::Minutes(32));
  EXPECT_EQ(RateOf("ip1 to microsoft"), 0) << "the next one counts anew";
}

TEST_F(RestraintsTest, AnOperatorEndsASuspensionOfAnyScopeByItsName) {
  options_.rules = {{.match = "closed", .scope = "provider", .actions = {"suspend"}, .duration = absl::Hours(1)},
                    {.match = "bad", .scope = "campaign", .actions = {"suspend"}, .duration = absl::Hours(1)}};
  Adopt();
  Hear("google", "451 closed", kNow, Phase::kRcpt);
  Hear("yahoo", "451 bad", kNow, Phase::kRcpt);
  const absl::Time later = kNow + absl::Minutes(1);
  EXPECT_THAT(restraints_.EndSuspension("everything to yahoo", false, later), testing::IsEmpty());
  EXPECT_THAT(restraints_.EndSuspension("everything to google", true, later), testing::SizeIs(1));
  EXPECT_EQ(RateOf("everything to google"), 0) << "so far it was only asked";
  EXPECT_THAT(restraints_.EndSuspension("everything to google", false, later), testing::SizeIs(1));
  EXPECT_GT(RateOf("everything to google"), 0);
  EXPECT_EQ(RateOf("campaign c"), 0) << "another is as it was";
  EXPECT_THAT(restraints_.EndSuspension("campaign c", false, later), testing::SizeIs(1));
  EXPECT_GT(RateOf("campaign c"), 0);
}

TEST_F(RestraintsTest, TheMetricSaysAlsoWhatIsSlowedEverywhereAndWhatAllAreSlowedTowards) {
  options_.rules = {{.match = "all of you", .scope = "source", .actions = {"suspend"}, .duration = absl::Hours(1)},
                    {.match = "closed", .scope = "provider", .actions = {"suspend"}, .duration = absl::Hours(1)}};
  Adopt();
  Hear("google", "451 all of you", kNow, Phase::kRcpt);
  Hear("google", "451 closed", kNow, Phase::kRcpt);
  restraints_.Tick(kNow + absl::Minutes(1));
  EXPECT_EQ(metrics_.gauge(Metric::kSourceBackoff, {"ip1", "all"})->value(), 100);
  EXPECT_EQ(metrics_.gauge(Metric::kSourceBackoff, {"all", "google"})->value(), 100);
  for (int minutes = 1; minutes < 300; ++minutes) restraints_.Tick(kNow + absl::Minutes(minutes));
  EXPECT_EQ(metrics_.gauge(Metric::kSourceBackoff, {"ip1", "all"})->value(), 0);
  EXPECT_EQ(metrics_.gauge(Metric::kSourceBackoff, {"all", "google"})->value(), 0);
}

TEST_F(RestraintsTest, TheMetricsSayWhatSlowsStreamsAndHowManyCampaignsAreSlowed) {
  options_.rules = {
      {.match = "bad stream", .scope = "stream", .actions = {"backoff"}, .factor = 0.25, .duration = absl::Hours(1)},
      {.match = "bad campaign", .scope = "campaign", .actions = {"suspend"}, .duration = absl::Hours(1)}};
  Adopt();
  Hear("google", "451 bad stream", kNow, Phase::kRcpt);
  Hear("google", "451 bad campaign", kNow, Phase::kRcpt);
  restraints_.Tick(kNow + absl::Minutes(1));
  EXPECT_EQ(metrics_.gauge(Metric::kStreamBackoff, {"news"})->value(), 75);
  EXPECT_EQ(metrics_.gauge(Metric::kCampaignBackoffs, {})->value(), 1);
  for (int minutes = 1; minutes < 300; ++minutes) restraints_.Tick(kNow + absl::Minutes(minutes));
  EXPECT_EQ(metrics_.gauge(Metric::kStreamBackoff, {"news"})->value(), 0);
  EXPECT_EQ(metrics_.gauge(Metric::kCampaignBackoffs, {})->value(), 0);
}

// An alias leads to who lists the host that forwards it: no other row hears that.
TEST_F(RestraintsTest, ARowThatWasRefusedBeforeKeepsNoOtherBackAlone) {
  Adopt();
  const std::shared_ptr<Counter> attempts = AttemptsAt("ip1", "google")[0];
  const auto hear = [&](uint64_t row, bool again, absl::Time now) {
    attempts->Add();
    return HearOfRow("554 5.7.1 client host blocked using zen.spamhaus.org", {.row = row, .again = again}, now);
  };
  hear(1, false, kNow);
  ASSERT_EQ(RateOf("ip1 to google"), 0) << "nobody knows yet";
  absl::Time now = kNow + absl::Hours(3);
  restraints_.Tick(now);                     // the suspension is over
  restraints_.Tick(now + absl::Seconds(1));  // and what follows it
  ASSERT_EQ(RateOf("ip1 to google"), -1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(hear(1, true, now).action, Action::kDefer);
    EXPECT_EQ(RateOf("ip1 to google"), -1) << "no other row has said so";
  }
  attempts->Add();  // another is taken
  hear(2, true, now);
  EXPECT_EQ(RateOf("ip1 to google"), -1) << "one was taken since the first said so";
  hear(1, true, now);
  EXPECT_EQ(RateOf("ip1 to google"), 0) << "two rows, one behind the other";
}

TEST_F(RestraintsTest, WhatIsSaidOfSomebodyElsesAddressIsSaidOfUsOnceAnotherRowHearsIt) {
  options_.sources[0].address = "8.8.4.4";
  options_.sources[1].address = "10.0.0.1";  // receivers see another
  Adopt();
  const auto hear = [&](std::string_view source, uint64_t row) {
    AttemptsAt(source, "google")[0]->Add();
    Hear("google", "554 5.7.1 Service unavailable; client host [9.9.9.9] blocked using zen.spamhaus.org", kNow,
         Phase::kRcpt, absl::InfinitePast(), source, "news", {.row = row});
  };
  hear("ip1", 1);
  EXPECT_EQ(RateOf("ip1 to google"), -1);
  hear("ip1", 2);
  EXPECT_EQ(RateOf("ip1 to google"), 0);
  hear("ip2", 3);
  EXPECT_EQ(RateOf("ip2 to google"), 0);
}

TEST_F(RestraintsTest, WhatIsSaidBeforeAnyRecipientIsBelieved) {
  options_.sources[0].address = "8.8.4.4";
  Adopt();
  AttemptsAt("ip1", "google")[0]->Add();
  Hear("google", "554 5.7.1 client host [9.9.9.9] blocked using zen.spamhaus.org", kNow, Phase::kMail);
  EXPECT_EQ(RateOf("ip1 to google"), 0);
}

TEST_F(RestraintsTest, SitesOfNoKnownProviderAreInTheMetricByTheOneThatIsSlowedMost) {
  options_.rules = {
      {.match = "closed", .scope = "source_provider", .actions = {"suspend"}, .duration = absl::Hours(1)},
      {.match = "slow", .scope = "source_provider", .actions = {"backoff"}, .factor = 0.5, .duration = absl::Hours(1)}};
  Adopt();
  Hear("site d1.test", "451 closed", kNow, Phase::kRcpt);
  Hear("site d2.test", "451 slow", kNow, Phase::kRcpt);
  restraints_.Tick(kNow + absl::Minutes(1));
  EXPECT_EQ(metrics_.gauge(Metric::kSourceBackoff, {"ip1", "other"})->value(), 100);
  restraints_.Tick(kNow + absl::Minutes(65));
  restraints_.Tick(kNow + absl::Minutes(66));
  EXPECT_EQ(metrics_.gauge(Metric::kSourceBackoff, {"ip1", "other"})->value(), 72) << "one is over, one has two steps";
}

TEST_F(RestraintsTest, WhatIsSuspendedTowardsASiteBindsWhoeverSendsThere) {
  options_.rules = {{.match = "closed", .scope = "provider", .actions = {"suspend"}, .duration = absl::Hours(1)}};
  Adopt();
  Hear("site d1.test", "451 closed", kNow, Phase::kRcpt);
  for (const std::string source : {"ip1", "ip2"}) {
    const auto rates =
        restraints_.RatesOn({.source = source, .provider = "site d1.test", .stream = "news", .campaign = "c"});
    EXPECT_GT(LongestWait(rates, kNow + absl::Minutes(1)), absl::ZeroDuration()) << source;
  }
  const auto elsewhere =
      restraints_.RatesOn({.source = "ip1", .provider = "site d2.test", .stream = "news", .campaign = "c"});
  EXPECT_EQ(LongestWait(elsewhere, kNow + absl::Minutes(1)), absl::ZeroDuration());
}

TEST_F(RestraintsTest, WhatARuleHasSlowedIsToldToBeOfAnEarlierConfigurationOnceAReloadHasTakenItAway) {
  RuleOptions rule{.name = "mine", .match = "slow", .actions = {"backoff"}, .factor = 0.5, .duration = absl::Hours(1)};
  options_.rules = {rule};
  options_.origins["rule[mine].match"] = "sealift.toml:7:1";
  Adopt();
  Hear("google", "451 slow", kNow, Phase::kRcpt);
  const Restraints::Place place{.source = "ip1", .provider = "google", .stream = "news", .campaign = "c"};
  EXPECT_EQ(restraints_.RatesOn(place)[0]->origin(), "rule mine (sealift.toml:7)");
  options_.origins["rule[mine].match"] = "sealift.toml:9:1";
  Adopt();
  EXPECT_EQ(restraints_.RatesOn(place)[0]->origin(), "rule mine (sealift.toml:9)");
  options_.rules.clear();
  Adopt();
  EXPECT_EQ(restraints_.RatesOn(place)[0]->origin(), "rule mine (no longer in the configuration)");
  EXPECT_EQ(restraints_.List()[0].origin, "no longer in the configuration");

  Restraints after(limits_, metrics_);
  ASSERT_TRUE(after.Adopt(std::make_shared<const Options>(options_)).ok());
  for (const queue::Note& note : restraints_.TakeChanged()) after.Recall(note.name, note.value, kNow);
  EXPECT_EQ(after.List()[0].origin, "no longer in the configuration") << "a restart takes it away as a reload does";
}

// One message of the floor takes longer than all of it: nothing would be seen of the steps.
TEST_F(RestraintsTest, AfterAShortSuspensionSomethingLeavesInEachStep) {
  options_.rules = {
      {.match = "wait a moment", .scope = "source_provider", .actions = {"suspend"}, .duration = absl::Seconds(8)}};
  Adopt();
  Send("ip1", "google", 100, kNow);
  Hear("google", "421 4.7.0 wait a moment", kNow);
  const std::shared_ptr<RateInForce> rate =
      restraints_.RatesOn({.source = "ip1", .provider = "google", .stream = "news", .campaign = "c"})[0];
  int left_before = 0;
  for (absl::Time from = kNow + absl::Seconds(8); from < kNow + absl::Seconds(16); from += absl::Seconds(1)) {
    restraints_.Tick(from);
    int left = 0;
    for (absl::Time now = from; now < from + absl::Seconds(1); now += absl::Milliseconds(1)) {
      left += rate->Acquire(now, {0}) <= absl::ZeroDuration() ? 1 : 0;
    }
    EXPECT_GT(left, left_before) << from;
    EXPECT_LT(left, 100) << from;
    left_before = left;
  }
  restraints_.Tick(kNow + absl::Seconds(16));
  EXPECT_EQ(RateOf("ip1 to google"), -1);
}

TEST_F(RestraintsTest, AfterASuspensionPaceComesBackInAsLongAgainAtMost) {
  options_.rules = {
      {.match = "wait a minute", .scope = "source_provider", .actions = {"suspend"}, .duration = absl::Minutes(1)}};
  Adopt();
  Send("ip1", "google", 20, kNow);
  Hear("google", "421 4.7.0 wait a minute", kNow);
  const std::shared_ptr<RateInForce> rate =
      restraints_.RatesOn({.source = "ip1", .provider = "google", .stream = "news", .campaign = "c"})[0];
  for (int i = 0; i < 50; ++i)
    rate->Return(kNow - absl::Seconds(1), kNow);  // what was taken and not used shortens nothing
  EXPECT_EQ(rate->Acquire(kNow + absl::Seconds(59), {0}), absl::Seconds(1));
  // The first message leaves before anybody has ticked: it costs one of the first step, and not one of the suspension.
  const absl::Time over = kNow + absl::Minutes(1);
  EXPECT_EQ(rate->Acquire(over, {0}), absl::ZeroDuration());
  EXPECT_EQ(rate->Peek(over), absl::Seconds(6));
  restraints_.Tick(over + absl::Milliseconds(900));
  EXPECT_NEAR(RateOf("ip1 to google"), 1.0 / 6, 0.01);
  double before = RateOf("ip1 to google");
  for (int step = 1; step < 10; ++step) {
    restraints_.Tick(over + step * absl::Seconds(6));
    EXPECT_NEAR(RateOf("ip1 to google") - before, 2, 0.1) << "step " << step;
    before = RateOf("ip1 to google");
  }
  restraints_.Tick(over + absl::Minutes(1));
  EXPECT_EQ(RateOf("ip1 to google"), -1);
  EXPECT_EQ(rate->Peek(over + absl::Minutes(1)), absl::ZeroDuration());
}

TEST_F(RestraintsTest, NoLaterReplyShortensASuspension) {
  options_.rules = {{.match = "an hour", .actions = {"suspend"}, .duration = absl::Hours(1)},
                    {.match = "a minute", .actions = {"suspend"}, .duration = absl::Minutes(1)},
                    {.match = "slower", .actions = {"backoff"}, .factor = 0.5, .duration = absl::Minutes(1)}};
  Adopt();
  Send("ip1", "google", 20, kNow);
  Hear("google", "421 4.7.0 slower", kNow);
  const std::shared_ptr<RateInForce> rate =
      restraints_.RatesOn({.source = "ip1", .provider = "google", .stream = "news", .campaign = "c"})[0];
  EXPECT_EQ(rate->Acquire(kNow + absl::Seconds(1), {0}), absl::ZeroDuration());
  Hear("google", "421 4.7.0 an hour", kNow + absl::Seconds(1), Phase::kContent, kNow + absl::Seconds(1));
  Hear("google", "421 4.7.0 a minute", kNow + absl::Minutes(2));
  Hear("google", "421 4.7.0 slower", kNow + absl::Minutes(3));
  EXPECT_EQ(RateOf("ip1 to google"), 0);
  EXPECT_EQ(rate->Peek(kNow + absl::Minutes(4)), absl::Hours(1) + absl::Seconds(1) - absl::Minutes(4));
  EXPECT_THAT(rate->value(), testing::StartsWith("nothing until "));
}

TEST_F(RestraintsTest, AComplaintAboutASigningDomainSlowsEverySourceThatSigns) {
  Adopt();
  Hear("google", "421 4.7.28 an unusual rate of mail originating from your DKIM domain [d.test 36]", kNow);
  for (const char* name : {"ip1 to google", "ip2 to google", "ip3 to google"})
    EXPECT_NEAR(RateOf(name), 0.5, 0.01) << name;
}

// A route, or a warm-up's overflow, sends a stream's mail from a pool that is not its own.
TEST_F(RestraintsTest, ThePoolThatIsSlowedIsTheOneThatSent) {
  options_.sources.push_back({.name = "ip4"});
  options_.pools[1] = {.name = "q", .sources = {"ip3", "ip4"}, .source_indexes = {2, 3}};
  Adopt();
  Hear("google", "421 4.7.28 an unusual rate of mail originating from your IP Netblock", kNow, Phase::kContent,
       absl::InfinitePast(), "ip3");
  for (const char* name : {"ip3 to google", "ip4 to google"}) EXPECT_NEAR(RateOf(name), 0.5, 0.01) << name;
  for (const char* name : {"ip1 to google", "ip2 to google"}) EXPECT_EQ(RateOf(name), -1) << name << " sent nothing";
}

TEST_F(RestraintsTest, AComplaintAboutASigningDomainReachesWhereARouteHasTakenItsMail) {
  options_.sources.push_back({.name = "ip4"});
  options_.pools.push_back({.name = "away", .sources = {"ip4"}, .source_indexes = {3}});
  Adopt();
  Restraints::Attempts routed = AttemptsAt("ip4", "google");  // of news
  const auto complain = [this](absl::Time now) {
    Hear("google", "421 4.7.28 an unusual rate of mail originating from your DKIM domain [d.test 36]", now,
         Phase::kContent, now, "ip3", "alerts");
  };
  complain(kNow);
  EXPECT_NEAR(RateOf("ip4 to google"), 0.5, 0.01) << "another stream signs for the domain too";
  restraints_.Tick(kNow + absl::Hours(2));
  ASSERT_EQ(RateOf("ip4 to google"), -1);
  routed = {};
  complain(kNow + absl::Hours(2));
  EXPECT_EQ(RateOf("ip4 to google"), -1) << "it carries nothing of the domain any more";
}

// A young source is refused: the warm ones would have its mail.
TEST_F(RestraintsTest, WhoeverCarriesTheSameStreamDoesNotTakeOverItsLoadAtOnce) {
  Adopt();
  Send("ip1", "google", 20, kNow);
  const Restraints::Attempts overflow = AttemptsAt("ip3", "google");  // of news, from another pool
  Hear("google", kRateOfSource, kNow);
  EXPECT_NEAR(RateOf("ip3 to google"), 1, 0.01);
}

TEST_F(RestraintsTest, WhoWasRefusedIsSlowedThoughNoStreamOfItsPoolSignsForTheDomain) {
  options_.streams[1].dkim = {"other.test"};
  options_.sources.push_back({.name = "left"});  // of no pool any more
  Adopt();
  for (const char* source : {"ip3", "left"}) {
    Hear("google", "421 4.7.28 an unusual rate of mail originating from your DKIM domain [d.test 36]", kNow,
         Phase::kContent, absl::InfinitePast(), source);
  }
  for (const char* name : {"ip1 to google", "ip2 to google", "ip3 to google", "left to google"})
    EXPECT_NEAR(RateOf(name), 0.5, 0.01) << name;
}

TEST_F(RestraintsTest, ACampaignOrStreamIsSlowedFromItsOwnPace) {
  options_.rules = {{.match = "less of this", .scope = "campaign", .actions = {"backoff"}, .factor = 0.5},
                    {.match = "less of these", .scope = "stream", .actions = {"backoff"}, .factor = 0.5}};
  Adopt();
  const Restraints::Attempts others =
      restraints_.AttemptsAt({.source = "ip2", .provider = "google", .stream = "alerts", .campaign = "codes"});
  for (absl::Time now = kNow - absl::Minutes(1); now <= kNow; now += absl::Seconds(1)) {
    restraints_.Tick(now);
    for (const std::shared_ptr<Counter>& attempts : others) attempts->Add(1000);
    for (const std::shared_ptr<Counter>& attempts : AttemptsAt("ip1", "google", "c")) attempts->Add(20);
    for (const std::shared_ptr<Counter>& attempts : AttemptsAt("ip1", "google", "d")) attempts->Add(20);
  }
  Hear("google", "450 4.0.0 less of this", kNow, Phase::kRcpt);
  EXPECT_NEAR(RateOf("campaign c"), 10, 0.5);
  Hear("google", "450 4.0.0 less of these", kNow, Phase::kRcpt);
  EXPECT_NEAR(RateOf("stream news"), 20, 1);
}

TEST_F(RestraintsTest, ThePaceOfWhatNobodySendsToAnyMoreIsForgotten) {
  Adopt();
  const auto counted = [this](std::string_view provider) { return AttemptsAt("ip1", provider)[0]->value(); };
  AttemptsAt("ip1", "site d1.test")[0]->Add(5);
  AttemptsAt("ip1", "google")[0]->Add(7);
  const std::weak_ptr<Counter> campaign = AttemptsAt("ip1", "google")[2];
  restraints_.Tick(kNow);
  restraints_.Tick(kNow + absl::Seconds(1));
  EXPECT_EQ(counted("site d1.test"), 5) << "it was sent to just now";
  {
    const Restraints::Attempts used = AttemptsAt("ip1", "site d1.test");
    for (int i = 2; i < 300; ++i) restraints_.Tick(kNow + i * absl::Seconds(1));
  }
  EXPECT_EQ(counted("site d1.test"), 5) << "somebody may send to it";
  restraints_.Tick(kNow + absl::Minutes(6));
  EXPECT_EQ(counted("site d1.test"), 0);
  EXPECT_TRUE(campaign.expired());
  EXPECT_EQ(counted("google"), 7) << "its hard bounces are a share of these";
}

TEST_F(RestraintsTest, TriggerWaitsForItsCount) {
  options_.rules = {{.match = "odd",
                     .scope = "source",
                     .trigger = {.rate = {.count = 3, .period = absl::Hours(1)}},
                     .actions = {"backoff"},
                     .factor = 0.5,
                     .duration = absl::Minutes(10)}};
  Adopt();
  Hear("google", "450 4.0.0 odd", kNow, Phase::kRcpt);
  Hear("google", "450 4.0.0 odd", kNow + absl::Minutes(50), Phase::kRcpt);
  Hear("google", "450 4.0.0 odd", kNow + absl::Minutes(70), Phase::kRcpt);
  EXPECT_EQ(RateOf("ip1"), -1) << "three, but not within an hour";
  Hear("google", "450 4.0.0 odd", kNow + absl::Minutes(75), Phase::kRcpt);
  EXPECT_NEAR(RateOf("ip1"), 0.5, 0.01);
}

TEST_F(RestraintsTest, TriggersCountForWhatTheScopeNames) {
  options_.sources.push_back({.name = "ip4"});
  options_.pools[1].sources = {"ip3", "ip4"};
  options_.streams.push_back({.name = "shop", .pool = "p", .pool_index = 0, .dkim = {"d.test"}});
  options_.streams.push_back({.name = "plain", .pool = "p", .pool_index = 0, .dkim = {}});
  for (const char* scope : {"stream", "pool"}) {
    options_.rules.push_back({.match = fmt::format("odd {}", scope),
                              .scope = scope,
                              .trigger = {.rate = {.count = 3, .period = absl::Hours(1)}},
                              .actions = {"suspend"},
                              .duration = absl::Hours(1)});
  }
  Adopt();
  const auto hear = [this](std::string_view provider, std::string_view line, std::string_view source,
                           std::string_view stream) {
    Hear(provider, line, kNow, Phase::kRcpt, absl::InfinitePast(), source, stream);
  };
  // A stream, wherever it sends.
  const std::string_view odd_stream = "450 4.0.0 odd stream", odd_pool = "450 4.0.0 odd pool";
  hear("site d1.test", odd_stream, "ip1", "news");
  hear("site d2.test", odd_stream, "ip2", "news");
  hear("site d2.test", odd_stream, "ip2", "shop");
  EXPECT_EQ(RateOf("stream news"), -1) << "one was another stream's";
  hear("site d3.test", odd_stream, "ip1", "news");
  EXPECT_EQ(RateOf("stream news"), 0);
  EXPECT_EQ(RateOf("stream shop"), -1);

  // A pool at a provider, whichever stream it sends for.
  hear("google", odd_pool, "ip1", "news");
  hear("google", odd_pool, "ip2", "shop");
  hear("yahoo", odd_pool, "ip1", "news");
  hear("google", odd_pool, "ip3", "news");  // from the other pool, by a route
  hear("google", odd_pool, "ip4", "alerts");
  EXPECT_EQ(RateOf("ip1 to google"), -1) << "the others were elsewhere, or another pool's";
  hear("google", odd_pool, "ip1", "plain");
  EXPECT_EQ(RateOf("ip1 to google"), 0);
  EXPECT_EQ(RateOf("ip3 to google"), -1) << "two";
  hear("google", odd_pool, "ip3", "alerts");
  EXPECT_EQ(RateOf("ip4 to google"), 0);

  // Who signs for the same domains, at a provider.
  const std::string_view unauthenticated = "550 5.7.26 this mail is unauthenticated";
  for (int i = 0; i < 19; ++i) hear("google", unauthenticated, "ip1", i % 2 == 0 ? "news" : "shop");
  hear("google", unauthenticated, "ip1", "plain");
  EXPECT_EQ(Hits("google.unauthenticated"), 0) << "one of them signs for nobody";
  hear("google", unauthenticated, "ip3", "alerts");
  EXPECT_EQ(Hits("google.unauthenticated"), 1);
}

TEST_F(RestraintsTest, WhatATriggerCountedStaysItsRulesWhenAnotherIsPutInFront) {
  const RuleOptions odd{.match = "odd",
                        .scope = "source",
                        .trigger = {.rate = {.count = 3, .period = absl::Hours(1)}},
                        .actions = {"suspend"},
                        .duration = absl::Hours(1)};
  RuleOptions strange = odd;
  strange.match = "strange";
  options_.rules = {odd};
  Adopt();
  for (int i = 0; i < 2; ++i) Hear("google", "450 4.0.0 odd", kNow, Phase::kRcpt);

  options_.rules = {strange, odd};
  Adopt();
  Hear("google", "450 4.0.0 strange", kNow, Phase::kRcpt);
  EXPECT_EQ(RateOf("ip1"), -1) << "the first of its kind";

  Limits limits;
  Restraints after(limits, metrics_);
  ASSERT_TRUE(after.Adopt(std::make_shared<const Options>(options_)).ok());
  for (const queue::Note& written : restraints_.TakeChanged()) after.Recall(written.name, written.value, kNow);
  const Reply reply{.code = 450, .lines = "4.0.0 odd"};
  after.Hear({.source = "ip1", .provider = "google", .stream = "news", .campaign = "c"},
             {.verdict = Classify(Phase::kRcpt, reply), .code = 450, .text = "odd", .provider = "google"}, {},
             absl::InfinitePast(), kNow);
  EXPECT_THAT(after.List(), testing::Not(testing::IsEmpty())) << "the third, after a restart too";

  Hear("google", "450 4.0.0 odd", kNow, Phase::kRcpt);
  EXPECT_EQ(RateOf("ip1"), 0) << "the third";
}

TEST_F(RestraintsTest, ARuleIsCalledTheSameWhereverItStands) {
  const auto rule = [](const std::string& match) {
    return RuleOptions{.match = match, .scope = "stream", .actions = {"suspend"}, .duration = absl::Hours(1)};
  };
  options_.rules = {rule("odd")};
  Adopt();
  Hear("google", "450 4.0.0 odd", kNow, Phase::kRcpt);
  const std::string name = restraints_.List().at(0).rule;
  options_.rules = {rule("strange"), rule("odd")};
  options_.rules[0].name = "mine";
  Adopt();
  Hear("google", "450 4.0.0 odd", kNow, Phase::kRcpt, absl::InfinitePast(), "ip2", "alerts");
  Hear("google", "450 4.0.0 strange", kNow, Phase::kRcpt, absl::InfinitePast(), "ip3", "shop");
  std::vector<std::string> names;
  for (const Restraints::Slowed& slowed : restraints_.List()) names.push_back(slowed.rule);
  EXPECT_THAT(names, testing::ElementsAre(name, name, "mine"));
  EXPECT_THAT(name, testing::MatchesRegex("rule\\.[0-9a-f]{8}"));
}

TEST_F(RestraintsTest, WhatATriggerCountedIsForgottenOnceItsTimeIsOver) {
  options_.rules = {
      {.match = "too many", .trigger = {.rate = {.count = 3, .period = absl::Hours(1)}}, .actions = {"alert"}}};
  Adopt();
  Hear("google", "450 4.7.0 too many", kNow);
  std::vector<queue::Note> notes = restraints_.TakeChanged();
  ASSERT_EQ(notes.size(), 1u);
  const std::string name = notes[0].name;
  EXPECT_NE(notes[0].value, "");
  restraints_.Tick(kNow + absl::Minutes(59));
  EXPECT_TRUE(restraints_.TakeChanged().empty());
  restraints_.Tick(kNow + absl::Minutes(60));
  notes = restraints_.TakeChanged();
  EXPECT_EQ(notes, (std::vector<queue::Note>{{queue::NoteKind::kRestraint, name, ""}}));
  restraints_.Refused();
  EXPECT_EQ(restraints_.TakeChanged(), notes) << "what could not be written is written next time";
  restraints_.Tick(kNow + absl::Minutes(61));
  restraints_.Refused();
  EXPECT_EQ(restraints_.TakeChanged(), notes) << "though it is not known any more";
  EXPECT_TRUE(restraints_.TakeChanged().empty());
}

TEST_F(RestraintsTest, ConfiguredRulesDecideTheRow) {
  options_.rules = {{.name = "busy", .match = "deferme", .actions = {"defer"}},
                    {.match = "bounceme", .actions = {"bounce"}},
                    {.match = "nobody", .actions = {"suppress"}}};
  Adopt();
  const auto deferred = Hear("google", "550 5.1.1 user unknown deferme", kNow, Phase::kRcpt);
  EXPECT_EQ(deferred.action, Action::kDefer);
  EXPECT_EQ(deferred.remedy, Remedy::kNone);
  EXPECT_EQ(deferred.rule, "busy");
  EXPECT_EQ(Hear("google", "450 4.2.0 bounceme", kNow, Phase::kRcpt).action, Action::kBounce);
  for (const char* said : {"550 5.1.1 user unknown bounceme", "550 5.7.1 user unknown bounceme"}) {
    const auto bounced = HearOfRow(said, {.row = 1}, kNow);
    EXPECT_EQ(bounced.action, Action::kBounce) << said;
    EXPECT_EQ(bounced.remedy, Remedy::kNone) << said;
  }
  EXPECT_EQ(HearOfRow("550 5.0.0 nobody", {.row = 1}, kNow).remedy, Remedy::kSuppress);
  EXPECT_NE(HearOfRow("450 4.0.0 nobody", {.row = 1}, kNow).remedy, Remedy::kSuppress) << "never for a 4xx";
  EXPECT_NE(HearOfRow("550 5.7.1 nobody: your IP is blacklisted", {.row = 1}, kNow).remedy, Remedy::kSuppress)
      << "never for what is said of us";
  const auto unnamed = Hear("google", "503 5.5.1 nobody: bad sequence of commands", kNow, Phase::kMail);
  EXPECT_EQ(unnamed.action, Action::kBounce);
  EXPECT_NE(unnamed.remedy, Remedy::kSuppress) << "never before anybody was named";
}

// Of a message that is refused for what it says, each further attempt would be one more refusal.
TEST_F(RestraintsTest, BuiltInRulesLeaveTheRowToItsVerdict) {
  Adopt();
  constexpr std::string_view kRefused = "554 5.7.1 [CS01] Message rejected due to local policy";
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(RateOf("ip1 to apple"), -1);
    const auto ruling = Hear("apple", kRefused, kNow);
    EXPECT_EQ(ruling.action, Action::kBounce);
    EXPECT_EQ(ruling.rule, "");
  }
  EXPECT_GT(RateOf("ip1 to apple"), 0);
  EXPECT_EQ(Hear("apple", "421 4.7.1 [CS01] Message rejected due to local policy", kNow).action, Action::kDefer);
  EXPECT_EQ(Hear("google", kRateOfSource, kNow).action, Action::kDefer);
}

TEST_F(RestraintsTest, ASpikeOfHardBouncesEndsSuppression) {
  Adopt();
  const std::shared_ptr<Counter> attempts = AttemptsAt("ip1", "google")[0];
  absl::Time now = kNow;
  const auto minute = [&](int tries, int refused) {
    for (int i = 0; i < refused; ++i) Hear("google", "550 5.1.1 user unknown", now, Phase::kRcpt);
    attempts->Add(static_cast<uint64_t>(tries));
    now += absl::Minutes(1);
    restraints_.Tick(now);
  };
  for (int i = 0; i < 30; ++i) minute(1000, 10);
  EXPECT_EQ(Hear("google", "550 5.1.1 user unknown", now, Phase::kRcpt).remedy, Remedy::kSuppress) << "that is usual";
  for (int i = 0; i < 5; ++i) minute(1000, 600);
  const auto ruling = Hear("google", "550 5.1.1 user unknown", now, Phase::kRcpt);
  EXPECT_EQ(ruling.action, Action::kDefer);
  EXPECT_EQ(ruling.remedy, Remedy::kNone);
  EXPECT_EQ(ruling.rule, "guard.hard_bounces");
  EXPECT_EQ(metrics_.gauge(Metric::kHardBounceSpikes, {"google"})->value(), 1);
  EXPECT_EQ(Hear("yahoo", "550 5.1.1 user unknown", now, Phase::kRcpt).remedy, Remedy::kSuppress);
  for (int i = 0; i < 300; ++i) {
    minute(1000, 600);
    ASSERT_EQ(Hear("google", "550 5.1.1 user unknown", now, Phase::kRcpt).remedy, Remedy::kNone)
        << "an outage of hours is none that is usual: minute " << i;
  }
  for (int i = 0; i < 90; ++i) minute(1000, 10);
  EXPECT_EQ(Hear("google", "550 5.1.1 user unknown", now, Phase::kRcpt).remedy, Remedy::kSuppress) << "it is over";
  for (int i = 0; i < 90; ++i) minute(7, 4);
  for (int i = 0; i < 5; ++i) minute(1000, 600);
  EXPECT_EQ(Hear("google", "550 5.1.1 user unknown", now, Phase::kRcpt).remedy, Remedy::kNone)
      << "nor is one that begins while little is sent";
}

TEST_F(RestraintsTest, ASpikeIsSeenWhileItLastsAndNotAMinuteLater) {
  Adopt();
  const std::shared_ptr<Counter> attempts = AttemptsAt("ip1", "google")[0];
  attempts->Add(1'000'000);  // long ago
  restraints_.Tick(kNow);
  int suppressed = 0;
  for (int i = 0; i < 500; ++i) {
    attempts->Add(2);  // every second one is taken
    const auto ruling = Hear("google", "550 5.1.1 user unknown", kNow + absl::Milliseconds(i), Phase::kRcpt);
    suppressed += ruling.remedy == Remedy::kSuppress ? 1 : 0;
  }
  EXPECT_EQ(suppressed, 49);
  EXPECT_EQ(metrics_.gauge(Metric::kHardBounceSpikes, {"google"})->value(), 1);
}

// A site that refuses everybody may say so in words that nobody knows.
TEST_F(RestraintsTest, ASpikeIsOfWhateverIsSaidOfRecipients) {
  options_.rules = {{.match = "bounceme", .actions = {"bounce"}}};
  Adopt();
  for (const char* said : {"550 zzz qqq", "550 5.2.2 mailbox full", "552 5.2.1 account inactive"}) {
    const std::string site = std::string("site ") + said;
    const std::shared_ptr<Counter> attempts = AttemptsAt("ip1", site)[0];
    attempts->Add(300);  // that it has taken
    int bounced = 0;
    for (int i = 0; i < 400; ++i) {
      attempts->Add(1);
      bounced += Hear(site, said, kNow + absl::Milliseconds(i), Phase::kRcpt).action == Action::kBounce ? 1 : 0;
    }
    EXPECT_EQ(bounced, 49) << said;
    for (const char* wanted : {"550 bounceme", "550 5.1.1 user unknown bounceme"}) {
      EXPECT_EQ(Hear(site, wanted, kNow, Phase::kRcpt).action, Action::kBounce) << "that is the operator's rule";
    }
    EXPECT_EQ(Hear(site, "552 5.3.4 message too large", kNow, Phase::kContent).action, Action::kBounce)
        << "the message is refused, and no recipient";
  }
}

TEST_F(RestraintsTest, ASiteOfNoProviderIsDoubtedByItself) {
  Adopt();
  // One that has refused everybody from its first message is a dead domain: its norm is unknown.
  const std::shared_ptr<Counter> of_the_dead = AttemptsAt("ip1", "site mx.d3.test")[0];
  for (int i = 0; i < 400; ++i) {
    of_the_dead->Add(1);
    const auto ruling = Hear("site mx.d3.test", "550 5.1.1 user unknown", kNow + absl::Milliseconds(i), Phase::kRcpt);
    ASSERT_EQ(ruling.remedy, Remedy::kSuppress) << i;
  }
  const std::shared_ptr<Counter> attempts = AttemptsAt("ip1", "site mx.d1.test")[0];
  attempts->Add(300);  // that it has taken
  int suppressed = 0;
  for (int i = 0; i < 400; ++i) {
    attempts->Add(1);
    const auto ruling = Hear("site mx.d1.test", "550 5.1.1 user unknown", kNow + absl::Milliseconds(i), Phase::kRcpt);
    suppressed += ruling.remedy == Remedy::kSuppress ? 1 : 0;
  }
  EXPECT_EQ(suppressed, 49);
  EXPECT_EQ(metrics_.gauge(Metric::kHardBounceSpikes, {"other"})->value(), 1);
  EXPECT_EQ(Hear("site mx.d2.test", "550 5.1.1 user unknown", kNow, Phase::kRcpt).remedy, Remedy::kSuppress);
  ASSERT_EQ(restraints_.TakeChanged().size(), 1u);
  absl::Time now = kNow;
  for (int minute = 0; minute < 90; ++minute) restraints_.Tick(now += absl::Minutes(1));
  EXPECT_EQ(metrics_.gauge(Metric::kHardBounceSpikes, {"other"})->value(), 0);
  const std::vector<queue::Note> notes = restraints_.TakeChanged();
  ASSERT_EQ(notes.size(), 1u) << "what is over is forgotten on the disk too";
  EXPECT_EQ(notes[0].value, "");
  EXPECT_EQ(Hear("site mx.d1.test", "550 5.1.1 user unknown", now, Phase::kRcpt).remedy, Remedy::kSuppress);
}

TEST_F(RestraintsTest, SitesThatRefuseLeaveTheGuardOfKnownProvidersRoom) {
  Adopt();
  for (int i = 0; i < 5000; ++i) Hear(fmt::format("site mx.d{}.test", i), "550 5.1.1 user unknown", kNow, Phase::kRcpt);
  const std::shared_ptr<Counter> attempts = AttemptsAt("ip1", "google")[0];
  for (int i = 0; i < 100; ++i) {
    attempts->Add(2);
    Hear("google", "550 5.1.1 user unknown", kNow, Phase::kRcpt);
  }
  EXPECT_EQ(Hear("google", "550 5.1.1 user unknown", kNow, Phase::kRcpt).rule, "guard.hard_bounces");
}

TEST_F(RestraintsTest, BouncesThatComeBackByMailCountForTheGuard) {
  Adopt();
  AttemptsAt("ip1", "google")[0]->Add(300);
  int believed = 0;
  for (int i = 0; i < 100; ++i) believed += restraints_.Doubts("google", kNow) ? 0 : 1;
  EXPECT_EQ(believed, 49);
  EXPECT_EQ(Hear("google", "550 5.1.1 user unknown", kNow, Phase::kRcpt).rule, "guard.hard_bounces");
  EXPECT_FALSE(restraints_.Doubts("yahoo", kNow));
}

TEST_F(RestraintsTest, TooManyHardBouncesPauseAMarketingCampaignOnly) {
  for (StreamOptions& stream : options_.streams) stream.max_hard_bounces = {.rate_percent = 5, .min = 100};
  options_.streams[1].kind = StreamKind::kTransactional;
  Adopt();
  int called = 0;
  restraints_.OnPause([&] { ++called; });
  for (int i = 0; i < 200; ++i) {
    restraints_.Count(options_.streams[0], "good", i % 25 == 0);
    restraints_.Count(options_.streams[0], "bad", i % 10 == 0);
    restraints_.Count(options_.streams[1], "alert", true);
  }
  const auto pauses = restraints_.Pauses();
  ASSERT_EQ(pauses.size(), 1u);
  EXPECT_EQ(called, 1) << "nobody waits for the next look";
  EXPECT_EQ(pauses[0].campaign, "bad");
  EXPECT_THAT(pauses[0].reason, testing::HasSubstr("5%"));
}

TEST_F(RestraintsTest, APauseIsAskedForUntilItIsMadeAfterARestartToo) {
  options_.streams[0].max_hard_bounces = {.rate_percent = 5, .min = 4};
  Adopt();
  for (int i = 0; i < 4; ++i) restraints_.Count(options_.streams[0], "bad", true);
  ASSERT_EQ(restraints_.Pauses().size(), 1u);

  Restraints after(limits_, metrics_);  // the node was killed before it could pause
  ASSERT_TRUE(after.Adopt(std::make_shared<const Options>(options_)).ok());
  for (const queue::Note& written : restraints_.TakeChanged()) after.Recall(written.name, written.value, kNow);
  ASSERT_EQ(after.Pauses().size(), 1u);
  EXPECT_EQ(after.Pauses()[0].campaign, "bad");
  EXPECT_EQ(after.Pauses()[0].reason, restraints_.Pauses()[0].reason);

  after.CountAnew("bad");
  EXPECT_TRUE(after.Pauses().empty());
  after.Count(options_.streams[0], "bad", true);
  EXPECT_TRUE(after.Pauses().empty()) << "who resumes it begins to count anew";
}

TEST_F(RestraintsTest, BouncesOfACampaignThatHasEndedAreForgotten) {
  options_.streams[0].max_hard_bounces = {.rate_percent = 5, .min = 400};
  Adopt();
  for (const char* const campaign : {"spring", "summer"}) {
    restraints_.Count(options_.streams[0], campaign, true);
  }
  EXPECT_EQ(restraints_.TakeChanged().size(), 2u);
  EXPECT_THAT(restraints_.Counted(), testing::ElementsAre("spring", "summer"));
  restraints_.CountAnew("spring");
  EXPECT_THAT(restraints_.Counted(), testing::ElementsAre("summer"));
  const std::vector<queue::Note> written = restraints_.TakeChanged();
  ASSERT_EQ(written.size(), 1u);
  EXPECT_EQ(written[0].value, "");
  restraints_.Refused();  // the disk knows it still
  EXPECT_EQ(restraints_.TakeChanged(), written);
  EXPECT_TRUE(restraints_.TakeChanged().empty()) << "nothing is left of it";
}

TEST_F(RestraintsTest, ABackoffBeginsWithNothingLeftAfterARestart) {
  Adopt();
  Send("ip1", "google", 1, kNow);
  for (int i = 0; i < 4; ++i) Hear("google", kRateOfSource, kNow + i * absl::Minutes(2));
  const absl::Time later = kNow + absl::Minutes(7);
  Limits limits;
  Restraints after(limits, metrics_);
  ASSERT_TRUE(after.Adopt(std::make_shared<const Options>(options_)).ok());
  for (const queue::Note& written : restraints_.TakeChanged()) after.Recall(written.name, written.value, later);
  const auto rates = after.RatesOn({.source = "ip1", .provider = "google", .stream = "news", .campaign = "c"});
  ASSERT_EQ(rates.size(), 1u);
  EXPECT_GT(rates[0]->Acquire(later, {0}), absl::Seconds(9)) << "the floor is six a minute";
}

TEST_F(RestraintsTest, ASourceOfAnotherNameIsSlowedAsItWas) {
  options_.sources[0].address = "192.0.2.1";
  Adopt();
  const std::string name = options_.sources[0].name;
  Send(name, "google", 20, kNow);
  Hear("google", kRateOfSource, kNow);
  const double slowed = RateOf(name + " to google");
  std::map<std::string, std::string> disk;
  const auto write = [&](Restraints& restraints) {
    for (const queue::Note& note : restraints.TakeChanged()) {
      if (note.value.empty()) {
        disk.erase(note.name);
      } else {
        disk[note.name] = note.value;
      }
    }
  };
  write(restraints_);
  options_.sources[0].name = "berlin";
  Adopt();
  EXPECT_NEAR(RateOf("berlin to google"), slowed, 0.01);
  EXPECT_THAT(restraints_.SlowedSources(), testing::ElementsAre(testing::Pair("berlin", "google")))
      << "its sibling was not refused: its warm-up goes on";
  ASSERT_GT(RateOf("ip2 to google"), 0);
  write(restraints_);
  ASSERT_EQ(disk.size(), 2u);

  options_.sources[0].name = "paris";
  Restraints after(limits_, metrics_);
  ASSERT_TRUE(after.Adopt(std::make_shared<const Options>(options_)).ok());
  for (const auto& [key, value] : disk) after.Recall(key, value, kNow);
  EXPECT_THAT(after.SlowedSources(), testing::ElementsAre(testing::Pair("paris", "google")));
  write(after);
  EXPECT_EQ(disk.size(), 2u);

  options_.sources[0].address = "192.0.2.9";  // "paris" is another one now
  Restraints another(limits_, metrics_);
  ASSERT_TRUE(another.Adopt(std::make_shared<const Options>(options_)).ok());
  for (const auto& [key, value] : disk) another.Recall(key, value, kNow);
  EXPECT_THAT(another.SlowedSources(), testing::IsEmpty());
}

// Else it would stand there under both names, and who reads it would go on with either.
TEST_F(RestraintsTest, WhatANameLeavesBehindIsTakenAwayOnceThatCanBeWritten) {
  options_.sources[0].address = "192.0.2.1";
  Adopt();
  Hear("google", kRateOfSource, kNow);
  std::string before;
  for (const queue::Note& note : restraints_.TakeChanged()) {
    if (note.name.find("ip1 to google") != std::string::npos) before = note.name;
  }
  ASSERT_NE(before, "");
  options_.sources[0].name = "berlin";
  Adopt();
  const queue::Note gone{queue::NoteKind::kRestraint, before, ""};
  EXPECT_THAT(restraints_.TakeChanged(), testing::Contains(gone));
  restraints_.Refused();
  EXPECT_THAT(restraints_.TakeChanged(), testing::Contains(gone));
  EXPECT_THAT(restraints_.TakeChanged(), testing::IsEmpty());
}

TEST_F(RestraintsTest, SitesThatRefuseLeaveTheTriggersOfKnownProvidersRoom) {
  options_.rules = {
      {.name = "many", .match = "too many", .trigger = {.rate = {2, absl::Hours(1)}}, .actions = {"alert"}}};
  Adopt();
  for (int i = 1; i <= 5000; ++i) Hear(fmt::format("site mx.d{}.test", i), "450 4.7.0 too many", kNow);
  Hear("site mx.d1.test", "450 4.7.0 too many", kNow);
  EXPECT_EQ(Hits("many"), 1u);
  for (int i = 0; i < 2; ++i) Hear("google", "450 4.7.0 too many", kNow);
  EXPECT_EQ(Hits("many"), 2u);
}

// A tick looks at some of them, so that nobody waits long for it.
TEST_F(RestraintsTest, ThePaceOfEachOfVeryManySitesIsMeasured) {
  Adopt();
  std::vector<Restraints::Attempts> others;
  for (int i = 0; i < 20'000; ++i) others.push_back(AttemptsAt("ip2", fmt::format("site mx.d{}.test", i)));
  const Restraints::Attempts attempts = AttemptsAt("ip1", "google"), last = AttemptsAt("ip2", "site mx.z.test");
  for (absl::Time now = kNow - absl::Minutes(2); now <= kNow; now += absl::Seconds(1)) {
    restraints_.Tick(now);
    attempts[0]->Add(20);
    last[0]->Add(10);
  }
  Hear("google", kRateOfSource, kNow);
  Hear("site mx.z.test", "421 4.7.0 too many messages, slow down", kNow, Phase::kContent, absl::InfinitePast(), "ip2");
  const auto base_of = [this](const char* name) {
    const std::vector<Restraints::Slowed> slowed = restraints_.List();
    const auto found = std::ranges::find(slowed, name, &Restraints::Slowed::name);
    return found == slowed.end() ? 0 : found->base_per_second;
  };
  EXPECT_NEAR(base_of("ip1 to google"), 20, 1);
  EXPECT_NEAR(base_of("ip2 to site mx.z.test"), 10, 0.5);
}

TEST_F(RestraintsTest, AProviderOfAnotherNameIsSlowedAsItWas) {
  options_.providers = {{.name = "group", .mx = {"*.group.test"}}};
  options_.rules = {{.match = "all of you", .scope = "provider", .actions = {"suspend"}, .duration = absl::Hours(4)}};
  Adopt();
  Hear("group", "450 4.0.0 all of you", kNow, Phase::kRcpt);
  Hear("group", "550 5.7.1 client host blocked using zen.spamhaus.org", kNow, Phase::kMail);
  EXPECT_THAT(restraints_.SlowedSources(), testing::Contains(testing::Pair("", "group"))) << "so no warm-up goes on";
  options_.providers[0].name = "club";
  Adopt();
  EXPECT_EQ(RateOf("ip1 to club"), 0);
  EXPECT_EQ(RateOf("everything to club"), 0);
  EXPECT_EQ(RateOf("everything to group"), -1);
  std::map<std::string, std::string> disk;
  for (const queue::Note& note : restraints_.TakeChanged()) disk[note.name] = note.value;
  options_.providers = {{.name = "group", .mx = {"*.elsewhere.test"}}, {.name = "third", .mx = {"*.group.test"}}};
  Restraints after(limits_, metrics_);
  ASSERT_TRUE(after.Adopt(std::make_shared<const Options>(options_)).ok());
  for (const auto& [name, value] : disk) {
    if (!value.empty()) after.Recall(name, value, kNow);
  }
  EXPECT_THAT(
      after.SlowedSources(),
      testing::AllOf(testing::Contains(testing::Pair("ip1", "third")), testing::Contains(testing::Pair("", "third")),
                     testing::Not(testing::Contains(testing::Pair(testing::_, "group")))));
}

TEST_F(RestraintsTest, ARestartChangesNothing) {
  options_.rules = {{.match = "too many today",
                     .scope = "source",
                     .trigger = {.rate = {2, absl::Hours(1)}},
                     .actions = {"suspend"},
                     .duration = absl::Hours(2)}};
  options_.streams[0].max_hard_bounces = {.rate_percent = 5, .min = 4};
  Adopt();
  Send("ip1", "google", 20, kNow);
  Hear("google", kRateOfSource, kNow);
  Hear("yahoo", "421 4.7.0 too many today", kNow);
  const Restraints::Place place{.source = "ip1", .provider = "google", .stream = "news", .campaign = "c"};
  for (int i = 0; i < 3; ++i) restraints_.Count(options_.streams[0], "c", /*hard_bounce=*/true);

  Limits limits;
  Restraints after(limits, metrics_);
  ASSERT_TRUE(after.Adopt(std::make_shared<const Options>(options_)).ok());
  const absl::Time later = kNow + absl::Minutes(1);
  for (const queue::Note& written : restraints_.TakeChanged()) after.Recall(written.name, written.value, later);
  EXPECT_TRUE(restraints_.TakeChanged().empty());
  const auto slowed = after.List();
  const auto found = std::ranges::find(slowed, "ip1 to google", &Restraints::Slowed::name);
  ASSERT_NE(found, slowed.end());
  EXPECT_NEAR(found->rate_per_second, 10, 0.5);
  EXPECT_NEAR(found->base_per_second, 20, 1);
  EXPECT_THAT(after.SlowedSources(), testing::Contains(testing::Pair("ip1", "google")));
  after.Count(options_.streams[0], "c", /*hard_bounce=*/true);
  EXPECT_EQ(after.Pauses().size(), 1u) << "the bounces of before count";

  // The second of the hour: the first was heard before.
  Restraints::Ruling ruling;
  const Reply reply{.code = 421, .lines = "4.7.0 too many today"};
  ruling = after.Hear(
      {.source = "ip1", .provider = "yahoo", .stream = "news", .campaign = "c"},
      {.verdict = Classify(Phase::kContent, reply), .code = 421, .text = "too many today", .provider = "yahoo"}, {},
      absl::InfinitePast(), later);
  EXPECT_TRUE(std::ranges::any_of(after.List(), [](const auto& one) { return one.suspended; }));

  // And the suspension lasts as long as it would have.
  Limits limits_again;
  Restraints again(limits_again, metrics_);
  ASSERT_TRUE(again.Adopt(std::make_shared<const Options>(options_)).ok());
  for (const queue::Note& written : after.TakeChanged()) again.Recall(written.name, written.value, later);
  EXPECT_EQ(LongestWait(again.RatesOn(place), later), absl::Hours(2));
}

TEST_F(RestraintsTest, WhatCouldNotBeWrittenIsWrittenNextTime) {
  Adopt();
  Send("ip1", "google", 20, kNow);
  Hear("google", kRateOfSource, kNow);
  const std::vector<queue::Note> changed = restraints_.TakeChanged();
  EXPECT_FALSE(changed.empty());
  for (int times = 0; times < 2; ++times) {
    restraints_.Refused();
    EXPECT_EQ(restraints_.TakeChanged(), changed);
  }
  EXPECT_TRUE(restraints_.TakeChanged().empty());
}

TEST_F(RestraintsTest, WhatCannotBeReadIsForgotten) {
  Adopt();
  for (const char* value : {"", "{}", "[1]", "null", R"({"suspended":1})"}) {
    for (const char* name : {"", "[]", R"(["slowdown","ip1","source"])", R"(["tally","c",""])",
                             R"(["spike","google",""])", R"(["matches","rule[0]/news/google",""])"}) {
      restraints_.Recall(name, value, kNow);
    }
  }
  EXPECT_TRUE(restraints_.List().empty());
}

}  // namespace
}  // namespace sealift::engine
