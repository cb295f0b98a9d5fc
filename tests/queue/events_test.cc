#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class EventsTest : public StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
  }
  std::vector<Event> ReadAllEvents(int page_size, const EventFilter& filter = {}) {
    std::vector<Event> all;
    for (std::string cursor;;) {
      auto page = store_->ReadEvents(cursor, page_size, filter);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return all;
      for (Event& event : page->events) all.push_back(std::move(event));
      if (page->end) return all;
      cursor = page->cursor;
    }
  }
  CampaignId campaign_{};
};

TEST_F(EventsTest, EveryOutcomeIsReadOnceInPagesOfAnySize) {
  LoadRows(campaign_, 1, 100, 3);
  for (const auto& pack : ReadAll(campaign_)) Settle(AllOf(pack, OutcomeKind::kDelivered));
  for (const int page_size : {1, 7, 1000}) {
    std::vector<uint32_t> ids;
    for (const Event& event : ReadAllEvents(page_size)) ids.push_back(static_cast<uint32_t>(event.message.row));
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(ids, Range(1, 100)) << page_size;
  }
}

// So that who has some of them knows whether he has all.
TEST_F(EventsTest, EachSaysWhichWentBeforeItInPagesOfAnySizeAndUnderAnyFilter) {
  LoadRows(campaign_, 1, 60, 3);
  for (const auto& pack : ReadAll(campaign_)) Settle(AllOf(pack, OutcomeKind::kDelivered));
  const CampaignId other = Create("summer");
  LoadRows(other, 1, 5, 1);
  Settle(AllOf(ReadAll(other).at(0), OutcomeKind::kBounced));
  for (const int page_size : {1, 7, 1000}) {
    std::string before = "0-0";
    for (const Event& event : ReadAllEvents(page_size)) {
      EXPECT_EQ(event.after, before) << page_size;
      before = event.cursor;
    }
  }
  const auto all = ReadAllEvents(1000), some = ReadAllEvents(1000, {.campaign = other, .outcome = {}});
  EXPECT_EQ(some.front().after, all[59].cursor);
}

TEST_F(EventsTest, ACursorOfAnEventGoesOnBehindItAlsoAfterARestart) {
  LoadRows(campaign_, 1, 32, 1);
  const auto packs = ReadAll(campaign_);
  Settle(AllOf(packs[0], OutcomeKind::kDelivered));
  const auto first = store_->ReadEvents("", 10, {});
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->events.size(), 10u);
  Settle(AllOf(packs[1], OutcomeKind::kDelivered));
  Reopen();
  for (const std::string& cursor : {first->cursor, first->events.back().cursor}) {
    const auto rest = store_->ReadEvents(cursor, 100, {});
    ASSERT_TRUE(rest.ok());
    EXPECT_EQ(rest->events.size(), 22u);
    EXPECT_TRUE(rest->end);
    const auto nothing = store_->ReadEvents(rest->cursor, 100, {});
    ASSERT_TRUE(nothing.ok());
    EXPECT_TRUE(nothing->events.empty());
    EXPECT_EQ(nothing->cursor, rest->cursor);
  }
  EXPECT_EQ(store_->ReadEvents("yesterday", 1, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(EventsTest, FiltersSelect) {
  LoadRows(campaign_, 1, 16, 1);
  const CampaignId other = Create("summer");
  LoadRows(other, 1, 16, 1);
  Settle(AllOf(ReadAll(campaign_).at(0), OutcomeKind::kDelivered, kNow));
  const auto pack = ReadAll(other).at(0);
  Settle({MakeOutcome(pack, 0, OutcomeKind::kBounced, kNow + absl::Hours(1)),
          MakeOutcome(pack, 1, OutcomeKind::kDelivered, kNow + absl::Hours(2))});
  EXPECT_EQ(ReadAllEvents(5, {.campaign = campaign_, .outcome = {}}).size(), 16u);
  EXPECT_EQ(ReadAllEvents(5, {.campaign = {}, .outcome = OutcomeKind::kBounced}).size(), 1u);
  EXPECT_EQ(ReadAllEvents(5, {.campaign = {}, .outcome = {}, .since = kNow + absl::Minutes(90)}).size(), 1u);
  EXPECT_EQ(ReadAllEvents(5, {.campaign = {}, .outcome = {}, .since = kNow + absl::Hours(9)}).size(), 0u);
  EXPECT_EQ(ReadAllEvents(5, {.campaign = {}, .outcome = {}, .since = kNow - absl::Hours(9)}).size(), 18u);
}

TEST_F(EventsTest, AMessageIsTracedThroughItsAttempts) {
  LoadRows(campaign_, 1, 16, 1);
  const auto pack = ReadAll(campaign_).at(0);
  const MessageKey message{pack->lane(), RowId{4}};
  auto trace = store_->TraceMessage(message);
  ASSERT_TRUE(trace.ok());
  EXPECT_TRUE(trace->events.empty());
  ASSERT_TRUE(trace->row);
  EXPECT_EQ(trace->row->due, absl::InfinitePast());

  Outcome deferred = MakeOutcome(pack, 3, OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(5));
  deferred.evidence = std::make_shared<const Evidence>(
      Evidence{"newsletter", "ip1", "mx.d0.test [127.0.0.2]", "TLSv1.3", "AES", "mx.d0.test", "verify"});
  Settle({deferred, MakeOutcome(pack, 4, OutcomeKind::kDelivered)});
  trace = store_->TraceMessage(message);
  ASSERT_TRUE(trace.ok());
  ASSERT_EQ(trace->events.size(), 1u);
  EXPECT_EQ(trace->events[0].evidence, *deferred.evidence);
  EXPECT_EQ(trace->events[0].due, kNow + absl::Minutes(5));
  ASSERT_TRUE(trace->row);
  EXPECT_EQ(trace->row->due, kNow + absl::Minutes(5));
  EXPECT_EQ(trace->row->attempts, 1);

  const auto id = store_->EncodeMessageId(message);
  Reopen();
  EXPECT_EQ(store_->DecodeMessageId(id), message) << "the id is the same for the node's life";
  const auto again = ReadAll(campaign_, kNow + absl::Minutes(5)).at(0);
  ASSERT_EQ(again->rows()[0].id, RowId{4});
  Settle({MakeOutcome(again, 0, OutcomeKind::kDelivered, kNow + absl::Minutes(6))});
  trace = store_->TraceMessage(message);
  ASSERT_TRUE(trace.ok());
  ASSERT_EQ(trace->events.size(), 2u);
  EXPECT_EQ(trace->events[1].kind, OutcomeKind::kDelivered);
  EXPECT_EQ(trace->events[1].attempt, 2);
  EXPECT_FALSE(trace->row);
}

}  // namespace
}  // namespace sealift::queue
