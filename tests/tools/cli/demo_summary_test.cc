#include "tools/sealift/demo/demo_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace sealift::tools {
namespace {

using testing::HasSubstr;

// 100 rows: 90 delivered, 4 bounced, 6 in the queue; the sink agrees.
DemoEnding Good() {
  DemoEnding ending;
  ending.recipients = 100;
  ending.campaign = {{"loaded", 100}, {"delivered", 90}, {"bounced", 4}, {"deferred", 2}, {"held", 4}, {"queued", 6}};
  ending.in_queue = 6;
  ending.settled = true;
  ending.sink.messages = ending.sink.distinct = 90;
  return ending;
}

TEST(DemoSummaryTest, NothingIsWrongWhenEveryRowIsAccountedForAndTheSinkAgrees) {
  EXPECT_THAT(WhatIsWrong(Good()), testing::IsEmpty());
  EXPECT_THAT(SummaryText(Good(), {}), HasSubstr("every one accounted for"));
}

TEST(DemoSummaryTest, EachBreachIsNoticed) {
  const auto wrong = [](const std::function<void(DemoEnding&)>& change) {
    DemoEnding ending = Good();
    change(ending);
    const std::vector<std::string> sentences = WhatIsWrong(ending);
    EXPECT_EQ(sentences.size(), 1u);
    return sentences.empty() ? "" : sentences[0];
  };
  EXPECT_THAT(wrong([](DemoEnding& e) { e.recipients = 101; }), HasSubstr("101 rows were in the file"));
  EXPECT_THAT(wrong([](DemoEnding& e) { e.in_queue = 5; }), HasSubstr("do not add up"));
  EXPECT_THAT(wrong([](DemoEnding& e) { e.sink.messages = e.sink.distinct = 89; }), HasSubstr("the sink received 89"));
  EXPECT_THAT(wrong([](DemoEnding& e) { e.sink.messages = 92; }), HasSubstr("2 messages a second time"));
  EXPECT_THAT(wrong([](DemoEnding& e) { e.sink.in_clear = 1; }), HasSubstr("without TLS"));
  EXPECT_THAT(wrong([](DemoEnding& e) { e.sink.faults = 1; }), HasSubstr("breaches of SMTP"));
  EXPECT_THAT(wrong([](DemoEnding& e) { e.settled = false; }), HasSubstr("still waiting"));
}

TEST(DemoSummaryTest, ThousandsArePartedSoThatTheyCanBeRead) {
  EXPECT_EQ(Thousands(0), "0");
  EXPECT_EQ(Thousands(999), "999");
  EXPECT_EQ(Thousands(1000), "1,000");
  EXPECT_EQ(Thousands(12345678), "12,345,678");
}

}  // namespace
}  // namespace sealift::tools
