// Suppressions through the store: what is committed, who is claimed and loaded, and what a crash leaves.
#include "queue/suppression_list.h"

#include <atomic>

#include "queue/keys.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

using Kind = SuppressionKind;

SuppressionChange Adding(std::string address, Kind kind = Kind::kOptOut, SuppressionScope scope = {}) {
  return {std::move(address), {.what = {kind, std::move(scope)}, .time = kNow}};
}

SuppressionChange TakingBack(std::string address, Kind kind = Kind::kOptOut, SuppressionScope scope = {}) {
  SuppressionChange change = Adding(std::move(address), kind, std::move(scope));
  change.entry.added = false;
  change.entry.reason = "asked to";
  return change;
}

class SuppressionListTest : public StoreTest {
 protected:
  SuppressionListTest() { Open(); }

  uint64_t Change(std::vector<SuppressionChange> changes) {
    const absl::StatusOr<uint64_t> recorded = store_->ChangeSuppressions(std::move(changes), true);
    EXPECT_TRUE(recorded.ok()) << recorded.status();
    return recorded.value_or(0);
  }

  std::vector<Suppression> InForce(std::string_view address) {
    const auto record = store_->FindSuppressions(address);
    EXPECT_TRUE(record.ok()) << record.status();
    std::vector<Suppression> in_force;
    if (!record.ok() || !*record) return in_force;
    for (const SuppressionEntry* entry : (*record)->InForce()) in_force.push_back(entry->what);
    return in_force;
  }

  // The rows of a campaign that a claim marks.
  std::vector<uint32_t> Marked(CampaignId campaign, const Mailing& mailing, absl::Time now = kNow) {
    std::vector<LaneRead> reads;
    for (const LaneRecord& lane : Lanes(campaign)) {
      reads.push_back({.lane = lane.lane, .fresh = {}, .retry = {}, .now = now, .packs_max = 64, .mailing = mailing});
    }
    std::vector<uint32_t> marked;
    for (const LaneWindow& window : ReadMany(std::move(reads))) {
      EXPECT_TRUE(window.status.ok()) << window.status;
      for (size_t pack = 0; pack < window.suppressed.size(); ++pack) {
        for (size_t row = 0; row < window.packs[pack]->rows().size(); ++row) {
          if ((window.suppressed[pack] >> row & 1) != 0) {
            marked.push_back(static_cast<uint32_t>(window.packs[pack]->rows()[row].id));
          }
        }
      }
    }
    std::sort(marked.begin(), marked.end());
    return marked;
  }
};

const Mailing kNewsletter{.campaign = "spring", .stream = "newsletter"};
const Mailing kReceipts{.campaign = "spring", .stream = "receipts", .transactional = true};

TEST_F(SuppressionListTest, CaseDoesNotEvade) {
  EXPECT_EQ(Change({Adding("Patient1@d1.test")}), 1u);
  EXPECT_EQ(InForce("PATIENT1@d1.test").size(), 1u);
  EXPECT_TRUE(InForce("patient2@d1.test").empty());
}

TEST_F(SuppressionListTest, HistoryGrowsAndNothingIsDeleted) {
  EXPECT_EQ(Change({Adding("jane@d1.test")}), 1u);
  EXPECT_EQ(Change({Adding("JANE@d1.test")}), 0u) << "it is in force already";
  EXPECT_EQ(Change({TakingBack("jane@d1.test", Kind::kManual)}), 0u) << "that is not";
  EXPECT_EQ(Change({TakingBack("jane@d1.test")}), 1u);
  EXPECT_TRUE(InForce("jane@d1.test").empty());
  EXPECT_EQ(Change({Adding("jane@d1.test")}), 1u);
  Reopen();
  const auto record = store_->FindSuppressions("jane@d1.test");
  ASSERT_TRUE(record.ok() && *record);
  EXPECT_EQ((*record)->address, "jane@d1.test");
  ASSERT_EQ((*record)->history.size(), 3u);
  EXPECT_EQ((*record)->history[1].reason, "asked to");
  EXPECT_EQ(InForce("jane@d1.test").size(), 1u);
}

// So that an undo of what a source was told does not take back what somebody asked for.
TEST_F(SuppressionListTest, WhatDeliveryHasAddedIsAnOperatorsOnceHeGivesHisReason) {
  SuppressionChange heard = Adding("jane@d1.test", Kind::kHardBounce), said = heard;
  heard.entry.by.clear();
  heard.entry.source = "ip1";
  said.entry.by = "ops";
  EXPECT_EQ(Change({heard}), 1u);
  EXPECT_EQ(Change({said}), 0u) << "the list's own export says the same";
  said.entry.reason = "asked by telephone";
  EXPECT_EQ(Change({said}), 1u);
  EXPECT_EQ(Change({said}), 0u);
  EXPECT_EQ(Change({heard}), 0u);
  const auto record = store_->FindSuppressions("jane@d1.test");
  ASSERT_TRUE(record.ok() && *record);
  ASSERT_EQ((*record)->InForce().size(), 1u);
  EXPECT_EQ((*record)->InForce()[0]->by, "ops");
  EXPECT_EQ((*record)->InForce()[0]->source, "");
}

TEST_F(SuppressionListTest, ChangesOfOneAddressInOneCommitFollowEachOther) {
  EXPECT_EQ(Change({Adding("jane@d1.test"), Adding("Jane@d1.test"), TakingBack("jane@d1.test"),
                    Adding("jane@d1.test", Kind::kComplaint)}),
            3u);
  const std::vector<Suppression> in_force = InForce("jane@d1.test");
  ASSERT_EQ(in_force.size(), 1u);
  EXPECT_EQ(in_force[0].kind, Kind::kComplaint);
}

TEST_F(SuppressionListTest, AClaimMarksWhomTheMailingMayNotReach) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 2000, 40);
  EXPECT_TRUE(Marked(campaign, kNewsletter).empty());
  Change({Adding("PATIENT7@d7.test"), Adding("patient1999@d39.test", Kind::kHardBounce),
          Adding("patient8@d8.test", Kind::kOptOut, {SuppressionScope::Of::kCampaign, "spring"}),
          Adding("patient9@d9.test", Kind::kManual, {SuppressionScope::Of::kStream, "receipts"}),
          Adding("patient10@d10.test"), TakingBack("patient10@d10.test")});
  EXPECT_EQ(Marked(campaign, kNewsletter), (std::vector<uint32_t>{7, 8, 1999}));
  EXPECT_EQ(Marked(campaign, kReceipts), (std::vector<uint32_t>{9, 1999}));
  Reopen();
  EXPECT_EQ(Marked(campaign, kNewsletter), (std::vector<uint32_t>{7, 8, 1999})) << "after a restart too";
}

TEST_F(SuppressionListTest, ADeferredRowIsJudgedAgainWhenItIsDue) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const auto pack = ReadAll(campaign).at(0);
  Settle(AllOf(pack, OutcomeKind::kDeferred, kNow, kNow + absl::Minutes(1)));
  Change({Adding("patient3@d0.test")});
  EXPECT_EQ(Marked(campaign, kNewsletter, kNow + absl::Minutes(2)), (std::vector<uint32_t>{3}));
}

TEST_F(SuppressionListTest, ARecordThatDoesNotOpenIsNotTakenForNone) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  Change({Adding("patient3@d0.test"), Adding("patient4@d0.test")});
  const std::string key = SuppressionKey(store_->AddressOf("patient3@d0.test"));
  store_.reset();
  {
    auto database = Database::Open({.path = path_, .memory_bytes = 32 << 20});
    ASSERT_TRUE(database.ok());
    rocksdb::ColumnFamilyHandle* const column = (*database)->handle(Column::kSuppressions);
    std::string value;
    ASSERT_TRUE((*database)->get()->Get({}, column, key, &value).ok());
    value.back() ^= 1;
    ASSERT_TRUE((*database)->get()->Put({}, column, key, value).ok());
  }
  Open();
  const LaneWindow window = ReadOne({.lane = Lanes(campaign)[0].lane, .fresh = {}, .retry = {}, .now = kNow});
  EXPECT_EQ(window.status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(window.packs.empty());
  EXPECT_FALSE(store_->FindSuppressions("patient3@d0.test").ok());
  EXPECT_TRUE(store_->FindSuppressions("patient4@d0.test").ok());
}

TEST_F(SuppressionListTest, ALoadLeavesOutAndCountsWhoIsSuppressed) {
  Change({Adding("Patient3@d0.test"), Adding("patient5@d2.test", Kind::kManual), Adding("nobody@d1.test")});
  for (const auto& [transactional, left_out] : {std::pair(false, 2u), std::pair(true, 1u)}) {
    const CampaignId campaign = Create(transactional ? "receipts" : "spring");
    auto load = store_->BeginLoad(campaign, kNow, transactional);
    ASSERT_TRUE(load.ok());
    for (uint32_t id = 1; id <= 10; ++id) ASSERT_TRUE(StoreTest::Add(**load, MakeRow(id)).ok());
    ASSERT_TRUE((*load)->Commit(100, "digest", true).ok());
    EXPECT_EQ((*load)->counters().suppressed_at_load, left_out);
    EXPECT_EQ((*load)->counters().accepted, 10 - left_out);
    load->reset();
    EXPECT_EQ(CountersOf(campaign).suppressed_at_load, left_out);
    EXPECT_EQ(RowIds(ReadAll(campaign)).size(), 10 - left_out);
    EXPECT_FALSE(store_->FindRecipient(campaign, "patient5@d2.test")->has_value());
  }
}

TEST_F(SuppressionListTest, ABigLoadLeavesThemOutOfItsFilesToo) {
  std::vector<SuppressionChange> changes;
  for (uint32_t id = 1; id <= 6000; id += 3) changes.push_back(Adding(MakeRow(id).recipient));
  Change(std::move(changes));
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 6000);
  const Counters counters = CountersOf(campaign);
  EXPECT_EQ(counters.suppressed_at_load, 2000u);
  EXPECT_EQ(counters.accepted, 4000u);
}

TEST_F(SuppressionListTest, ABadMailboxIsSuppressedInTheCommitOfItsBounce) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const auto pack = ReadAll(campaign).at(0);
  Outcome bounce = MakeOutcome(pack, 2, OutcomeKind::kBounced);
  bounce.bad_mailbox = true;
  bounce.provider = "google";
  bounce.reason_class = "bad_mailbox";
  bounce.code = 550;
  bounce.enhanced = "5.1.1";
  bounce.reply = "<redacted> unknown";
  bounce.evidence = std::make_shared<const Evidence>(Evidence{.source = "ip1"});
  Settle({bounce, MakeOutcome(pack, 3, OutcomeKind::kBounced)});
  const auto record = store_->FindSuppressions("patient3@d0.test");
  ASSERT_TRUE(record.ok() && *record);
  ASSERT_EQ((*record)->history.size(), 1u);
  const SuppressionEntry& entry = (*record)->history[0];
  EXPECT_EQ(entry.what.kind, Kind::kHardBounce);
  EXPECT_EQ(entry.source, "ip1");
  EXPECT_EQ(entry.provider, "google");
  EXPECT_EQ(entry.reason_class, "bad_mailbox");
  EXPECT_EQ(entry.reply, "550 5.1.1 <redacted> unknown");
  EXPECT_EQ(entry.time, kNow);
  EXPECT_TRUE(InForce("patient4@d0.test").empty()) << "a bounce for another reason says nothing of the mailbox";
}

TEST_F(SuppressionListTest, AMailboxThatIsOnlySuspectedIsSuppressedWhenItIsHeardAgainOnAnotherDay) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const auto pack = ReadAll(campaign).at(0);
  const auto suspect = [&](uint8_t index, absl::Time time) {
    Outcome bounce = MakeOutcome(pack, index, OutcomeKind::kBounced);
    bounce.bad_mailbox = bounce.doubtful = true;
    bounce.time = time;
    return bounce;
  };
  Settle({suspect(2, kNow)});
  const SuppressionChange again{"patient3@d0.test",
                                {.what = {.kind = Kind::kSuspected}, .time = kNow + absl::Minutes(1)}};
  const Mailing mailing{.campaign = "c", .stream = "s", .transactional = true};
  ASSERT_EQ(InForce("patient3@d0.test").size(), 1u);
  EXPECT_FALSE(InForce("patient3@d0.test")[0].Binds(mailing)) << "it was heard once";
  Change({again});
  ASSERT_EQ(InForce("patient3@d0.test").size(), 1u) << "the same day says nothing new";
  SuppressionChange next_day = again;
  next_day.entry.time += absl::Hours(24);
  Change({next_day});
  const auto in_force = InForce("patient3@d0.test");
  ASSERT_EQ(in_force.size(), 2u);
  EXPECT_EQ(in_force[1].kind, Kind::kHardBounce);
  EXPECT_TRUE(in_force[1].Binds(mailing));
}

TEST_F(SuppressionListTest, WhoHasTakenMailSinceIsSuspectedAnew) {
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 16, 1);
  const auto address = [](int patient) { return fmt::format("patient{}@d0.test", patient); };
  const auto suspect = [&](int patient, int days, std::string_view reason = "", bool sink = false) {
    Change({{address(patient),
             {.what = {.kind = Kind::kSuspected, .sink = sink},
              .time = kNow + days * absl::Hours(24),
              .reason = std::string(reason)}}});
    return InForce(address(patient)).back().kind;
  };
  for (const int patient : {3, 4, 6}) EXPECT_EQ(suspect(patient, 0), Kind::kSuspected);
  EXPECT_EQ(suspect(5, 0, kReported), Kind::kSuspected);
  EXPECT_EQ(suspect(7, 0, "", /*sink=*/true), Kind::kSuspected);
  Reopen();  // what the claim finds in the list is known to the commit
  const auto pack = ReadAll(campaign).at(0);
  EXPECT_EQ(suspect(8, 0), Kind::kSuspected) << "after the claim";
  const auto deliver = [&](int patient, absl::Duration later) {
    Outcome delivered = MakeOutcome(pack, static_cast<uint8_t>(patient - 1), OutcomeKind::kDelivered);
    delivered.time = kNow + later;
    Settle({delivered});
  };
  deliver(3, absl::Hours(24));
  EXPECT_TRUE(InForce(address(3)).empty());
  EXPECT_EQ(suspect(3, 2), Kind::kSuspected) << "it is the first time again";
  EXPECT_EQ(suspect(3, 3), Kind::kHardBounce);
  deliver(4, -absl::Seconds(1));
  EXPECT_EQ(suspect(4, 2), Kind::kHardBounce) << "that was taken before";
  deliver(5, absl::Hours(24));
  EXPECT_EQ(suspect(5, 2), Kind::kHardBounce) << "reports come of what was taken";
  EXPECT_EQ(suspect(6, 31), Kind::kSuspected) << "the first time was too long ago";
  EXPECT_EQ(suspect(6, 32), Kind::kHardBounce);
  deliver(7, absl::Hours(24));
  EXPECT_EQ(InForce(address(7)).size(), 1u) << "the world says nothing of the sink";
  deliver(8, absl::Hours(24));
  EXPECT_TRUE(InForce(address(8)).empty());
}

TEST_F(SuppressionListTest, WhoIsSuspectedIsRememberedAndFewOthersLookAlike) {
  const auto list = std::make_unique<SuppressionList>(nullptr, nullptr);
  EXPECT_FALSE(list->MaySuspect("patient1@d1.test"));
  constexpr int kSuspects = 10'000;
  for (int i = 0; i < kSuspects; ++i) list->Suspect(fmt::format("patient{}@d1.test", i));
  int alike = 0;
  for (int i = 0; i < kSuspects; ++i) {
    EXPECT_TRUE(list->MaySuspect(fmt::format("Patient{}@D1.test", i)));
    alike += list->MaySuspect(fmt::format("patient{}@d2.test", i)) ? 1 : 0;
  }
  EXPECT_LT(alike, kSuspects / 1000);
}

TEST_F(SuppressionListTest, AListIsReadPageByPageFromCursors) {
  std::vector<SuppressionChange> changes;
  for (int i = 0; i < 25; ++i) changes.push_back(Adding(fmt::format("p{}@d1.test", i)));
  Change(std::move(changes));
  std::vector<std::string> seen;
  std::string cursor;
  for (int page = 0; page < 3; ++page) {
    const auto read = store_->ListSuppressions(cursor, 10);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->done, page == 2);
    for (const SuppressionRecord& record : read->records) seen.push_back(record.address);
    cursor = read->cursor;
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen.size(), 25u);
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
  EXPECT_FALSE(store_->ListSuppressions("junk", 10).ok());
}

TEST_F(SuppressionListTest, NewsSaysWhatIsInForceBeforeTheChangeIsAnswered) {
  store_.reset();
  std::vector<SuppressionNews> news;
  Store::Options options;
  options.path = path_;
  options.kek = TestKek();
  options.on_suppressions = [&](const SuppressionNews& changed) { news.push_back(changed); };
  store_ = *Store::Open(std::move(options));
  Change({Adding("jane@d1.test"), Adding("jane@d1.test", Kind::kManual)});
  ASSERT_EQ(news.size(), 1u);
  ASSERT_EQ(news[0].size(), 1u);
  EXPECT_EQ(news[0][0].first, store_->AddressOf("JANE@d1.test"));
  EXPECT_EQ(store_->AddressOf("j\xC3\xA4ne@d1.test"), store_->AddressOf("J\xC3\x84NE@d1.test")) << "case";
  EXPECT_EQ(store_->AddressOf("j\xC3\xA4ne@d1.test"), store_->AddressOf("ja\xCC\x88ne@d1.test")) << "composition";
  EXPECT_NE(store_->AddressOf("j\xC3\xA4ne@d1.test"), store_->AddressOf("jane@d1.test"));
  EXPECT_EQ(news[0][0].second.size(), 2u);
  Change({Adding("jane@d1.test")});
  EXPECT_EQ(news.size(), 1u) << "nothing changed";
  Change({TakingBack("jane@d1.test"), TakingBack("jane@d1.test", Kind::kManual)});
  ASSERT_EQ(news.size(), 2u);
  EXPECT_TRUE(news[1][0].second.empty());
  ASSERT_TRUE(store_->ChangeSuppressions({Adding("john@d1.test")}, false).ok());
  EXPECT_EQ(news.size(), 2u) << "it was not to be announced";
  store_.reset();
}

}  // namespace
}  // namespace sealift::queue
