#include "engine/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// A shard that opens no session: the test takes the rows.
class ExplainTest : public ShardWorld {
 protected:
  ExplainTest() {
    options_.smtp.connections = 0;
    AddDomain("d1.test");
  }
  void TearDown() override { Stop(absl::ZeroDuration()); }

  std::map<std::string, uint64_t> Reasons(const std::string& domain) {
    DomainExplanation explanation;
    ExplainDomain(scheduler(), domain, explanation);
    std::map<std::string, uint64_t> reasons;
    for (const WaitReason& wait : explanation.waits) reasons[wait.reason] += wait.rows;
    return reasons;
  }
};

TEST_F(ExplainTest, RowsOfAllReasonsAddUpToWhatIsQueued) {
  AddStream("first").kind = StreamKind::kTransactional;
  AddStream("gone");
  internet_->SetVerdict("d2.test", dns::Verdict::kServFail);
  Start();

  // Three rows that were tried.
  const queue::CampaignId tried = Send("tried", Recipients(3, "d1.test"), {.stream = "first"});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 3; }));
  OnShard([&](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    Refusal refusal;
    while (const std::optional<Assignment> next = NextFor(scheduler, path, refusal)) {
      scheduler.Conclude(*next, {.verdict = {.action = Action::kDefer, .reason_class = ReasonClass::kFull}});
    }
  });
  ASSERT_TRUE(EventuallyTried(tried, 3));
  // Two whose stream a reload takes away, and five that a rate lets out slowly.
  const queue::CampaignId orphans = Send("orphans", Recipients(2, "d1.test"), {.stream = "gone"});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 2; }));
  std::erase_if(options_.streams, [](const StreamOptions& stream) { return stream.name == "gone"; });
  const auto without = std::make_shared<const Options>(options_);
  OnShard([&](Scheduler& scheduler) { scheduler.Adopt(without, scheduler.services().signing_keys); });
  const queue::CampaignId slow =
      Send("slow", Recipients(5, "d1.test"), {.limits = {.rate = {.count = 1, .period = absl::Hours(1)}}});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 7; }));
  std::optional<Assignment> sent;
  OnShard([&](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    Refusal refusal;
    sent = NextFor(scheduler, path, refusal);
    EXPECT_FALSE(NextFor(scheduler, path, refusal).has_value());
    scheduler.Conclude(*sent, {.verdict = {.action = Action::kDeliver}, .code = 250});
  });
  ASSERT_TRUE(EventuallyDelivered(slow, 1));
  // Four of a domain that cannot be looked up.
  const queue::CampaignId lost = Send("lost", Recipients(4, "d2.test"));
  ASSERT_TRUE(EventuallyTried(lost, 1));

  OnShard([&](Scheduler& scheduler) {
    EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("campaign", 4), Pair("due", 3), Pair("stream", 2)));
    EXPECT_THAT(Reasons("d2.test"), ElementsAre(Pair("dns", 4)));
    uint64_t waiting = 0, retrying = 0;
    for (const WaitingRows& rows : CountWaiting(scheduler)) {
      waiting += rows.rows;
      retrying += rows.retrying;
    }
    EXPECT_EQ(retrying, 4u) << "those of the first campaign, and one that the look-up has failed";
    uint64_t queued = 0;
    for (const queue::CampaignId id : {tried, orphans, slow, lost}) queued += CountersOf(id).queued();
    EXPECT_EQ(waiting, queued);
    EXPECT_EQ(queued, 13u);
  });
}

TEST_F(ExplainTest, TheLimitThatRefusesIsNamedWithItsValueAndWhoSetIt) {
  options_.sources[0].rate = {.rate = {.count = 1, .period = absl::Hours(1)}, .origin = "sealift.toml:12"};
  Start();
  Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 2; }));
  OnShard([&](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    Refusal refusal;
    const std::optional<Assignment> sent = NextFor(scheduler, path, refusal);
    EXPECT_FALSE(NextFor(scheduler, path, refusal).has_value());
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    EXPECT_THAT(explanation.hosts, ElementsAre("10 mx.d1.test"));
    ASSERT_EQ(explanation.waits.size(), 1u);
    EXPECT_EQ(explanation.waits[0].reason, "source");
    EXPECT_EQ(explanation.waits[0].detail, "source rate of ip1: 1/h");
    EXPECT_EQ(explanation.waits[0].set_by, "sealift.toml:12");
    EXPECT_EQ(explanation.waits[0].until, refusal.until);
    EXPECT_EQ(explanation.limits.at(0).name, "source rate of ip1");
    EXPECT_EQ(explanation.limits.at(0).until.has_value(), true);
    // Of its rows each: the one that is going out, and the one that waits.
    const Lane& lane = *sent->lane;
    EXPECT_EQ(ExplainDueRow(scheduler, lane.id, sent->claim.row().id)->reason, "sending");
    EXPECT_EQ(ExplainDueRow(scheduler, lane.id, lane.window.front().row().id)->reason, "source");
    EXPECT_EQ(ExplainDueRow(scheduler, lane.id, std::nullopt)->reason, "source");
  });
}

TEST(TakeSettledTest, WhatWasGoingOutIsTakenFirst) {
  std::vector<WaitReason> waits = {
      {.reason = "in_doubt", .rows = 4}, {.reason = "source", .rows = 5}, {.reason = "sending", .rows = 3}};
  TakeSettled(4, waits);
  ASSERT_EQ(waits.size(), 2u);
  EXPECT_EQ(waits[0].rows, 4u);
  EXPECT_EQ(waits[1].reason, "source");
  EXPECT_EQ(waits[1].rows, 4u);
}

TEST_F(ExplainTest, EachOfTwoCampaignsIsToldItsOwnLimit) {
  Start();
  Send("spring", Recipients(2, "d1.test"), {.limits = {.rate = {.count = 1, .period = absl::Hours(1)}}});
  Send("summer", Recipients(2, "d1.test"), {.limits = {.rate = {.count = 1, .period = absl::Hours(2)}}});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 4; }));
  OnShard([&](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    Refusal refusal;
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(NextFor(scheduler, path, refusal).has_value());
    EXPECT_FALSE(NextFor(scheduler, path, refusal).has_value());
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    std::vector<std::string> details;
    for (const WaitReason& wait : explanation.waits) details.push_back(wait.detail);
    EXPECT_THAT(details,
                ::testing::UnorderedElementsAre("campaign rate of spring: 1/h", "campaign rate of summer: 1 per 2h"));
    for (const WaitReason& wait : explanation.waits) {
      const std::shared_ptr<RateInForce> rate = limits_.Rate(
          "campaign", wait.limit, {.rate = {.count = 1, .period = absl::Hours(wait.limit == "spring" ? 1 : 2)}});
      EXPECT_NEAR(absl::ToDoubleSeconds(*wait.until - absl::Now()), absl::ToDoubleSeconds(rate->Peek(absl::Now())), 60);
    }
  });
}

// As many messages as may be are without an outcome on disk, for a moment or for long: who waits for an hour as well is
// told of the hour.
TEST_F(ExplainTest, ALimitThatLastsIsNamedRatherThanWhatPassesByItself) {
  unsettled_share_ = 1;
  AddStream("free");
  Start();
  Send("slow", Recipients(2, "d1.test"), {.limits = {.rate = {.count = 1, .period = absl::Hours(1)}}});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 2; }));
  OnShard([&](Scheduler& scheduler) {
    Path& path = PathTo(scheduler, "d1.test");
    Refusal refusal;
    ASSERT_TRUE(NextFor(scheduler, path, refusal).has_value());
    ASSERT_FALSE(NextFor(scheduler, path, refusal).has_value());
    ASSERT_EQ(refusal.kind, Refusal::Kind::kUnsettled);
    EXPECT_EQ(Reasons("d1.test")["campaign"], 2u);
  });
  Send("quick", Recipients(3, "d1.test"), {.stream = "free"});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 4; }));
  OnShard([&](Scheduler& scheduler) {
    Refusal refusal;
    ASSERT_FALSE(NextFor(scheduler, PathTo(scheduler, "d1.test"), refusal).has_value());
    EXPECT_THAT(Reasons("d1.test"), ElementsAre(Pair("campaign", 2), Pair("unsettled", 3)));
  });
}

// A pool has several sources.
class ExplainSourcesTest : public ShardWorld {};

TEST_F(ExplainSourcesTest, AReplyIsToldOfTheSourceThatHeardIt) {
  options_.sources.push_back({.name = "ip2", .address = "127.0.0.2", .family = AF_INET, .hostname = "b.sender.test"});
  options_.pools[0] = {.name = "main", .sources = {"ip1", "ip2"}, .source_indexes = {0, 1}};
  MailServer& mx = AddDomain("d1.test");
  mx.script = [](const MailServer::Conversation&, std::string_view command) -> std::optional<MailServer::Answer> {
    if (!command.starts_with("RCPT TO:")) return std::nullopt;
    return MailServer::Answer{.text = "450 4.2.2 Mailbox full"};
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(1, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  const std::string source = EventsOf(id).at(0).evidence.source;
  OnShard([&](Scheduler& scheduler) {
    std::vector<SourceStatus> sources = {{.name = "ip1"}, {.name = "ip2"}};
    ExplainSources(scheduler, sources);
    for (const SourceStatus& told : sources) EXPECT_EQ(told.replies.size(), told.name == source ? 1u : 0u) << told.name;
  });
}

// Of a site whose host is gone: what was tried, and what waits behind it.
class ExplainBlockedTest : public ShardWorld {};

TEST_F(ExplainBlockedTest, RowsBehindADeadHostAreSaidToWaitForItAndWhatItSaid) {
  AddDomain("d1.test");
  internet_->SetRefusing("mx.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(5, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  OnShard([&](Scheduler& scheduler) {
    const BlockedRows blocked = CountBlocked(scheduler, id);
    EXPECT_EQ(blocked.behind_failures, 4u);
    EXPECT_EQ(blocked.held, 0u);
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    ASSERT_EQ(explanation.waits.size(), 2u);
    EXPECT_EQ(explanation.waits[0].reason, "due") << "the one that was tried has a time of its own";
    EXPECT_EQ(explanation.waits[0].rows, 1u);
    EXPECT_EQ(explanation.waits[1].reason, "backoff");
    EXPECT_EQ(explanation.waits[1].rows, 4u);
    EXPECT_THAT(explanation.waits[1].detail, HasSubstr("mx.d1.test [127.0.1.1:25]: "));
    EXPECT_TRUE(explanation.waits[1].until.has_value());
  });
}

}  // namespace
}  // namespace sealift::engine
