#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

class CampaignTest : public StoreTest {
 protected:
  void SetUp() override { Open(); }
};

TEST_F(CampaignTest, ANameIsTakenOnce) {
  Create("spring");
  CampaignSpec spec;
  spec.name = "spring";
  EXPECT_EQ(store_->CreateCampaign(spec, kNow).status().code(), absl::StatusCode::kAlreadyExists);
  Reopen();
  EXPECT_EQ(store_->CreateCampaign(spec, kNow).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->FindCampaign("summer").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetCampaign(CampaignId{1}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CampaignTest, TheListHasCountsAndNoTemplates) {
  const CampaignId spring = Create("spring"), summer = Create("summer");
  EXPECT_NE(spring, CampaignId{});
  LoadRows(summer, 1, 5);
  const auto all = store_->ListCampaigns();
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2u);
  for (const Campaign& campaign : *all) {
    EXPECT_TRUE(campaign.spec.template_text.empty());
    EXPECT_EQ(campaign.spec.stream, "newsletter");
    EXPECT_EQ(campaign.counters.accepted, campaign.id == summer ? 5u : 0u);
  }
}

TEST_F(CampaignTest, TheListBeginsWithTheOldest) {
  const std::vector<std::string> names = {"may", "june", "july", "august", "september", "october", "november"};
  CampaignSpec spec;
  for (size_t i = 0; i < names.size(); ++i) {
    spec.name = names[i];
    ASSERT_TRUE(store_->CreateCampaign(spec, kNow + absl::Seconds(i)).ok());
  }
  Reopen();
  std::vector<std::string> listed;
  const auto all = store_->ListCampaigns();
  ASSERT_TRUE(all.ok());
  for (const Campaign& campaign : *all) listed.push_back(campaign.spec.name);
  EXPECT_EQ(listed, names);
}

TEST_F(CampaignTest, CancellingSettlesWhatIsQueuedAndKeepsTheRows) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 100, 4);
  const auto packs = ReadAll(campaign);
  Settle({MakeOutcome(packs[0], 0, OutcomeKind::kDelivered),
          MakeOutcome(packs[0], 1, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1))});
  const auto counters = store_->Cancel(campaign, false, kNow);
  ASSERT_TRUE(counters.ok()) << counters.status();
  EXPECT_EQ(counters->cancelled, 99u);
  EXPECT_EQ(counters->queued(), 0u);
  EXPECT_EQ(counters->retrying, 0u);
  EXPECT_TRUE(Lanes(campaign).empty());
  EXPECT_EQ(store_->SetState(campaign, CampaignState::kRunning, kNow).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->BeginLoad(campaign, kNow).status().code(), absl::StatusCode::kFailedPrecondition);
  Reopen();
  EXPECT_EQ(CountersOf(campaign), *counters);
  EXPECT_EQ(store_->GetCampaign(campaign)->state, CampaignState::kCancelled);
  EXPECT_TRUE(store_->ReadRow(campaign, RowId{50}).ok()) << "kept until retention";
  EXPECT_EQ(*store_->Cancel(campaign, false, kNow), *counters) << "again is the same";
  const auto events = store_->ReadEvents("", 10, {.campaign = campaign, .outcome = OutcomeKind::kCancelled});
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->events.size(), 1u) << "one for all of its rows";
  EXPECT_TRUE(events->events[0].of_campaign());
  EXPECT_EQ(events->events[0].reason_class, kCampaignCancelled);
  EXPECT_EQ(events->events[0].evidence.stream, "newsletter");
  EXPECT_EQ(events->events[0].time, kNow);
}

TEST_F(CampaignTest, AnOutcomeAfterTheCancellationCorrectsTheCounts) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const auto pack = ReadAll(campaign).at(0);
  ASSERT_TRUE(store_->Cancel(campaign, false, kNow).ok());
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDelivered),
          MakeOutcome(pack, 1, OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1))});
  const Counters counters = CountersOf(campaign);
  EXPECT_EQ(counters.delivered, 1u);
  EXPECT_EQ(counters.cancelled, 15u);
  EXPECT_EQ(counters.queued(), 0u);
  EXPECT_TRUE(Lanes(campaign).empty());
}

TEST_F(CampaignTest, ErasingForgetsRowsAddressesAndTemplateAndKeepsTheEvidence) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 20, 1);
  const auto packs = ReadAll(campaign);
  Settle({MakeOutcome(packs[0], 0, OutcomeKind::kDelivered), MakeOutcome(packs[0], 1, OutcomeKind::kBounced)});
  const MessageKey first{packs[0]->lane(), RowId{1}};
  const auto counters = store_->Cancel(campaign, true, kNow);
  ASSERT_TRUE(counters.ok()) << counters.status();
  EXPECT_EQ(counters->cancelled, 18u);
  // An outcome that was on its way.
  Settle({MakeOutcome(packs[0], 2, OutcomeKind::kDelivered)});
  Reopen();
  const auto read = store_->GetCampaign(campaign);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->erased);
  EXPECT_EQ(read->spec.name, "spring");
  EXPECT_TRUE(read->spec.template_text.empty());
  EXPECT_EQ(read->counters.delivered, 2u);
  EXPECT_EQ(read->counters.cancelled, 17u);
  EXPECT_EQ(read->counters.queued(), 0u);
  EXPECT_FALSE(store_->ReadRow(campaign, RowId{2}).ok());
  EXPECT_FALSE(store_->FindRecipient(campaign, "patient1@d0.test")->has_value());
  const auto trace = store_->TraceMessage(first);
  ASSERT_TRUE(trace.ok()) << trace.status();
  ASSERT_EQ(trace->events.size(), 1u);
  EXPECT_EQ(trace->events[0].recipient, "patient1@d0.test");
}

TEST_F(CampaignTest, ACancelledCampaignCanBeErasedLater) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 20, 1);
  ASSERT_TRUE(store_->Cancel(campaign, false, kNow).ok());
  const auto counters = store_->Cancel(campaign, true, kNow);
  ASSERT_TRUE(counters.ok()) << counters.status();
  EXPECT_EQ(counters->cancelled, 20u);
  EXPECT_FALSE(store_->ReadRow(campaign, RowId{2}).ok());
}

TEST_F(CampaignTest, RowsAreListedByPageAndFilter) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 90, 3);
  const auto packs = ReadAll(campaign);
  Settle(AllOf(packs[0], OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1)));
  std::vector<uint32_t> ids;
  RowFilter filter;
  for (std::string cursor;;) {
    const auto page = store_->ListRows(campaign, filter, cursor, 10);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const StoredRow& row : page->rows) ids.push_back(static_cast<uint32_t>(row.message.row));
    if (page->done) break;
    cursor = page->cursor;
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, Range(1, 90));
  filter.state = RowState::kRetrying;
  filter.fields = true;
  const auto retries = store_->ListRows(campaign, filter, "", 100);
  ASSERT_TRUE(retries.ok());
  ASSERT_EQ(retries->rows.size(), packs[0]->rows().size());
  EXPECT_EQ(retries->rows[0].fields.size(), 2u);
  EXPECT_EQ(retries->rows[0].due, Store::RoundDue(kNow + absl::Hours(1), kNow));
  filter = {.destination = packs[1]->lane().destination, .state = {}};
  const auto of_lane = store_->ListRows(campaign, filter, "", 100);
  ASSERT_TRUE(of_lane.ok());
  for (const StoredRow& row : of_lane->rows) {
    EXPECT_EQ(row.message.lane, packs[1]->lane());
  }
  EXPECT_EQ(store_->ListRows(campaign, {}, "zz", 10).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CampaignTest, APageEndsWithinAPackAndTheNextGoesOnThere) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 90, 3);
  const auto packs = ReadAll(campaign);
  Settle(AllOf(packs[0], OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1)));
  std::vector<uint32_t> ids;
  for (std::string cursor;;) {
    const auto page = store_->ListRows(campaign, {}, cursor, 7);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->rows.size(), 7u);
    if (!page->done) {
      EXPECT_EQ(page->rows.size(), 7u);
    }
    for (const StoredRow& row : page->rows) ids.push_back(static_cast<uint32_t>(row.message.row));
    if (page->done) break;
    cursor = page->cursor;
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, Range(1, 90)) << "each once";
}

TEST_F(CampaignTest, ACursorWithinAPackIsGoodAfterSomeOfThePackIsSettled) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const auto page = store_->ListRows(campaign, {}, "", 5);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->rows.size(), 5u);
  const auto packs = ReadAll(campaign);
  ASSERT_EQ(packs.size(), 1u);
  Settle({MakeOutcome(packs[0], 0, OutcomeKind::kDelivered), MakeOutcome(packs[0], 7, OutcomeKind::kDelivered)});
  std::vector<uint32_t> ids;
  const auto rest = store_->ListRows(campaign, {}, page->cursor, 100);
  ASSERT_TRUE(rest.ok()) << rest.status();
  for (const StoredRow& row : rest->rows) ids.push_back(static_cast<uint32_t>(row.message.row));
  EXPECT_EQ(ids, (std::vector<uint32_t>{6, 7, 9, 10, 11, 12, 13, 14, 15, 16}));
  EXPECT_EQ(store_->ListRows(campaign, {}, page->cursor + "x", 10).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CampaignTest, AnyQueuedRowIsFoundByItsNumber) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 200, 7);
  const auto packs = ReadAll(campaign);
  Settle(AllOf(packs[0], OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1)));
  MoveDue(packs[0]->lane(), "", kNow + absl::Minutes(2));
  for (uint32_t id = 1; id <= 200; ++id) {
    const auto row = store_->ReadRow(campaign, RowId{id});
    ASSERT_TRUE(row.ok()) << id << row.status();
    EXPECT_EQ(row->message.row, RowId{id});
    EXPECT_EQ(row->recipient, MakeRow(id, 7).recipient);
  }
  EXPECT_EQ(store_->ReadRow(campaign, RowId{201}).status().code(), absl::StatusCode::kNotFound);
  const auto found = store_->FindRecipient(campaign, "PATIENT9@d2.test");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->row, RowId{9});
  EXPECT_EQ((*found)->lane.destination, store_->DestinationOf("d2.test"));
  EXPECT_FALSE(store_->FindRecipient(campaign, "nobody@d2.test")->has_value());
}

TEST_F(CampaignTest, TheMessagesToAnAddressAreFoundAlsoAfterAnErasure) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 40);
  for (const auto& pack : ReadAll(campaign)) {
    Settle(AllOf(pack, OutcomeKind::kDelivered));
  }
  const auto before = store_->FindMessagesTo(campaign, "PATIENT9@d0.test");
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_EQ(before->size(), 1u);
  EXPECT_EQ((*before)[0].row, RowId{9});
  EXPECT_TRUE(store_->FindMessagesTo(campaign, "nobody@d0.test")->empty());
  ASSERT_TRUE(store_->Cancel(campaign, /*erase=*/true, kNow).ok());
  EXPECT_EQ(*store_->FindMessagesTo(campaign, "patient9@d0.test"), *before) << "its events are there";
  EXPECT_TRUE(store_->FindMessagesTo(campaign, "nobody@d0.test")->empty());
  EXPECT_TRUE(store_->FindMessagesTo(campaign, "no address")->empty());
}

}  // namespace
}  // namespace sealift::queue
