// A stream with a send window: nothing is begun outside it, whatever was claimed, and rows say when it opens.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/explain.h"
#include "tests/engine/core/row_taker.h"
#include "tests/engine/core/window_in_hours.h"

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;

// As a reload does.
void SetWindow(Scheduler& scheduler, Options& options, std::shared_ptr<const SendWindow> window) {
  options.streams[0].opens = std::move(window);
  scheduler.Adopt(std::make_shared<const Options>(options), scheduler.services().signing_keys);
}

class WindowTest : public ShardWorld {};

TEST_F(WindowTest, NobodyIsCalledOnBeforeItOpensAndRowsSayWhenThatIs) {
  options_.streams[0].opens = WindowInHours(6, 12);
  const MailServer& server = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 3; }));
  OnShard([&](Scheduler& scheduler) {
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    ASSERT_EQ(explanation.waits.size(), 1u);
    const WaitReason& wait = explanation.waits[0];
    EXPECT_EQ(wait.reason, "window");
    EXPECT_EQ(wait.rows, 3u);
    EXPECT_THAT(wait.detail, HasSubstr("stream news sends mon-sun"));
    ASSERT_TRUE(wait.until.has_value());
    EXPECT_TRUE(options_.streams[0].opens->IsOpen(*wait.until));
    EXPECT_FALSE(options_.streams[0].opens->IsOpen(*wait.until - absl::Seconds(1)));
    const std::vector<WaitingRows> waiting = CountWaiting(scheduler);
    ASSERT_EQ(waiting.size(), 1u);
    EXPECT_EQ(waiting[0].reason, "window") << "the metric says the same";
  });
  OnShard([&](Scheduler& scheduler) {
    EXPECT_EQ(server.conversations.size(), 0u);
    SetWindow(scheduler, options_, WindowInHours(-6, 6));
  });
  EXPECT_TRUE(EventuallyDelivered(id, 3));
}

TEST_F(WindowTest, LanesThatWaitForItLeaveRoomForOthersAndAreFoundAgain) {
  constexpr size_t kFull = LaneTable::kLanesMax - 2048;  // or nearly so
  AddStream("offers");
  options_.smtp.connections = 0;
  options_.destinations = {{.domains = {"open.test"}, .connections = {.count = 1, .origin = "t:1"}}};
  AddDomain("open.test");
  internet_->AddHost("mx.d.test");
  std::vector<std::string> recipients;
  for (size_t i = 0; i < LaneTable::kLanesMax + 2048; ++i) {
    const std::string domain = fmt::format("d{}.test", i);
    internet_->SetMx(domain, {{10, "mx.d.test"}});
    recipients.push_back("a@" + domain);
  }
  Start();
  Send("spring", recipients);
  ASSERT_TRUE(Eventually([&] { return scheduler().lanes().size() > kFull; }));
  OnShard([&](Scheduler& scheduler) { SetWindow(scheduler, options_, WindowInHours(6, 12)); });
  EXPECT_TRUE(EventuallyDelivered(Send("summer", {"a1@open.test"}, {.stream = "offers"}), 1));
  EXPECT_TRUE(Eventually([&] { return scheduler().lanes().size() <= LaneTable::kWaitingMax; }));
  OnShard([&](Scheduler& scheduler) { SetWindow(scheduler, options_, WindowInHours(-6, 6)); });
  EXPECT_TRUE(Eventually([&] { return scheduler().lanes().size() > kFull; }));
  Stop(absl::ZeroDuration());
}

using WindowRowsTest = RowTaker<ShardWorld>;

TEST_F(WindowRowsTest, WhatWasClaimedBeforeItClosedIsNotBegunAfterwards) {
  options_.streams[0].opens = WindowInHours(-6, 6);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 2; }));
  OnShard([&](Scheduler& scheduler) {
    const std::optional<Assignment> first = Take();
    ASSERT_TRUE(first.has_value());
    EXPECT_TRUE(scheduler.Confirm(*first)) << "it is open";
    SetWindow(scheduler, options_, WindowInHours(6, 12));
    EXPECT_FALSE(Take().has_value());
    EXPECT_FALSE(scheduler.Confirm(*first));
    EXPECT_EQ(RowsReady("d1.test"), 2u) << "it was given back";
    EXPECT_FALSE(Take().has_value());
    SetWindow(scheduler, options_, WindowInHours(-6, 6));
  });
  EXPECT_EQ(TakeAll(2), Numbers(1, 2));
  EXPECT_TRUE(EventuallyDelivered(id, 2));
}

TEST_F(WindowRowsTest, AnotherStreamOfTheSiteGoesOn) {
  options_.streams[0].opens = WindowInHours(6, 12);
  AddStream("other");
  Start();
  Send("spring", Recipients(2, "d1.test"));
  const queue::CampaignId other = Send("summer", Recipients(3, "d1.test"), {.stream = "other"});
  ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 5; }));
  TakeAll(3);
  EXPECT_TRUE(EventuallyDelivered(other, 3));
  OnShard([&](Scheduler&) { EXPECT_FALSE(Take().has_value()); });
}

}  // namespace
}  // namespace sealift::engine
