#include "queue/backup.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <future>
#include <iterator>
#include <set>
#include <string>
#include <thread>

#include "queue/database.h"
#include "queue/event_block.h"
#include "queue/keys.h"
#include "queue/restored.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class BackupTest : public StoreTest {
 protected:
  static constexpr uint8_t kKekFill = 7;
  const std::array<uint8_t, 32> key_ = TestKek(99);

  BackupRequest Request(const std::string& name = "one") {
    return {.path = root_ + "/" + name, .key = key_, .label = {.hostname = "mta1.sender.test", .taken = kNow}};
  }

  void Backup(const std::string& name = "one") {
    const auto made = store_->Backup(Request(name));
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ(made->bytes, std::filesystem::file_size(root_ + "/" + name));
  }

  absl::StatusOr<BackupLabel> TryRestore(const std::string& name, const std::string& into, uint8_t kek = kKekFill) {
    return RestoreBackup({.path = root_ + "/" + name,
                          .key = key_,
                          .data_dir = root_ + "/" + into,
                          .kek = TestKek(kek),
                          .now = kNow + absl::Hours(1)});
  }

  // From here on the store is the restored one.
  void Restore(const std::string& name, const std::string& into) {
    store_.reset();
    const auto label = TryRestore(name, into);
    ASSERT_TRUE(label.ok()) << label.status();
    path_ = root_ + "/" + into + "/queue";
    Open();
  }

  // What bounced is queued again; how many rows that were.
  uint64_t ReplayAll(CampaignId campaign) {
    const auto parked = store_->ListParked(campaign, RowId{}, 10'000);
    EXPECT_TRUE(parked.ok()) << parked.status();
    ReplayStep step{.campaign = campaign, .mailing = Mailing(), .accepted = kNow, .rows = {}, .record = nullptr};
    for (const ParkedRow& row : parked->rows) {
      step.rows.push_back({row.row.message.row, kNow + absl::Minutes(1), kNow + absl::Hours(24)});
    }
    const auto replayed = store_->ReplaySome(std::move(step));
    EXPECT_TRUE(replayed.ok()) << replayed.status();
    return replayed->rows;
  }

  static Event Delivered(const MessageKey& message) {
    Event event;
    event.message = message;
    event.time = kNow + absl::Minutes(30);
    event.kind = OutcomeKind::kDelivered;
    event.attempt = 1;
    event.code = 250;
    event.reply = "ok there";
    event.evidence.source = "ip1";
    event.evidence.stream = "newsletter";
    return event;
  }
};

TEST_F(BackupTest, ARestoredQueueIsWhatItWasWhenTheBackupWasTaken) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 3000);
  LoadRows(Create("small"), 1, 5);  // through the log
  auto packs = ReadAll(campaign);
  Settle(AllOf(packs[0], OutcomeKind::kDelivered));
  Settle(AllOf(packs[1], OutcomeKind::kDeferred, kNow, kNow + absl::Hours(2)));
  const Counters then = CountersOf(campaign);
  const auto events = store_->ReadEvents("", 1000, {})->events.size();
  Backup();
  Settle(AllOf(packs[2], OutcomeKind::kDelivered));
  Create("later");

  Restore("one", "restored");
  EXPECT_EQ(CountersOf(campaign), then);
  EXPECT_EQ(store_->ReadEvents("", 1000, {})->events.size(), events);
  EXPECT_EQ(store_->FindCampaign("later").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(RowIds(ReadAll(campaign, kNow + absl::Hours(3))).size(), then.queued());
  EXPECT_EQ(store_->FindCampaign("small")->counters.queued(), 5u);
}

TEST_F(BackupTest, ABackupIsTakenWhileTheQueueIsWrittenTo) {
  Open();
  LoadRows(Create(), 1, 100);
  std::atomic<bool> enough = false;
  std::thread writer([&] {
    for (int i = 0; !enough; ++i) LoadRows(Create("more" + std::to_string(i)), 1, 5);
  });
  for (int i = 0; i < 5; ++i) {
    const std::string name = "backup" + std::to_string(i);
    Backup(name);
    const auto check = VerifyBackup(root_ + "/" + name, key_, root_ + "/scratch");
    ASSERT_TRUE(check.ok()) << check.status();
    EXPECT_EQ(check->label.rows, check->rows) << "what is said of it is not what is in it";
    EXPECT_EQ(check->label.campaigns, check->campaigns);
  }
  enough = true;
  writer.join();
}

TEST_F(BackupTest, ARestoredQueueSaysSoUntilItIsReleased) {
  Open();
  LoadRows(Create(), 1, 10);
  EXPECT_EQ(store_->restored(), std::nullopt);
  Backup();
  Restore("one", "restored");
  ASSERT_TRUE(store_->restored());
  EXPECT_EQ(store_->restored()->taken, kNow);
  EXPECT_EQ(store_->restored()->at, kNow + absl::Hours(1));
  Reopen();
  EXPECT_TRUE(store_->restored()) << "a restart forgot that the rows are in doubt";
  ASSERT_TRUE(store_->Release().ok());
  EXPECT_EQ(store_->restored(), std::nullopt);
  EXPECT_EQ(store_->SettleElsewhere({}, false).status().code(), absl::StatusCode::kFailedPrecondition);
  Reopen();
  EXPECT_EQ(store_->restored(), std::nullopt);
}

// While a restored node waits to be reconciled a backup is made of it, and it is lost as well.
TEST_F(BackupTest, ABackupOfAQueueThatWasNotReconciledYetIsAsOldAsTheFirst) {
  Open();
  LoadRows(Create(), 1, 10);
  Backup();
  Restore("one", "first");
  const Restored first = *store_->restored();
  BackupRequest later = Request("two");
  later.label.taken = kNow + absl::Hours(9);
  ASSERT_TRUE(store_->Backup(later).ok());
  Restore("two", "second");
  ASSERT_TRUE(store_->restored().has_value());
  EXPECT_EQ(store_->restored()->sequence, first.sequence) << "what was sent since would count as in the backup";
  EXPECT_EQ(store_->restored()->taken, first.taken);
}

TEST_F(BackupTest, WhatWasSettledSinceIsSettledWithItsEvidenceAndTheRestIsLeft) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 100, 2);
  std::map<uint32_t, MessageKey> messages;
  auto packs = ReadAll(campaign);
  for (const auto& pack : packs) {
    for (const Row& row : pack->rows()) messages[static_cast<uint32_t>(row.id)] = {pack->lane(), row.id};
  }
  // Rows that wait for another try, and one that has its outcome already.
  Settle(AllOf(packs[0], OutcomeKind::kDeferred, kNow, kNow + absl::Hours(2)));
  std::set<uint32_t> retrying;
  for (const Row& row : packs[0]->rows()) retrying.insert(static_cast<uint32_t>(row.id));
  const uint32_t done = static_cast<uint32_t>(packs[1]->rows()[0].id);
  Settle({MakeOutcome(packs[1], 0, OutcomeKind::kDelivered)});
  Backup();
  packs.clear();
  Restore("one", "restored");

  std::vector<Event> events;
  std::set<uint32_t> told = {*retrying.begin(), *retrying.rbegin()};
  for (uint32_t row = 1; row <= 100 && told.size() < 40; ++row) {
    if (row != done && !retrying.contains(row)) told.insert(row);
  }
  for (const uint32_t row : told) events.push_back(Delivered(messages.at(row)));
  events.push_back(Delivered(messages.at(done)));
  events.push_back(events.front());  // at least once
  Event deferred = Delivered(messages.at(99));
  deferred.kind = OutcomeKind::kDeferred;
  events.push_back(deferred);
  events.push_back(Delivered({messages.at(1).lane, RowId{101}}));
  events.push_back(Delivered({{CampaignId{12345}, DestinationId{1}}, RowId{1}}));

  const Counters before = CountersOf(campaign);
  const auto counted = store_->SettleElsewhere(events, true);
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_EQ(counted->settled, told.size());
  EXPECT_EQ(CountersOf(campaign), before) << "a dry run changed something";

  const auto settled = store_->SettleElsewhere(events, false);
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->settled, told.size());
  EXPECT_EQ(settled->known, 1u);
  EXPECT_EQ(settled->lacking, 1u);
  EXPECT_EQ(settled->foreign, 1u);
  const Counters after = CountersOf(campaign);
  EXPECT_EQ(after.delivered, before.delivered + told.size());
  EXPECT_EQ(after.retrying, before.retrying - 2);
  EXPECT_EQ(store_->SettleElsewhere(events, false)->settled, 0u) << "the same file again settled something";
  Reopen();
  const auto left = RowIds(ReadAll(campaign, kNow + absl::Hours(3)));
  EXPECT_EQ(left.size(), after.queued());
  for (const uint32_t row : left) EXPECT_FALSE(told.contains(row)) << row << " would be sent twice";
  const auto trace = store_->TraceMessage(messages.at(*told.begin()));
  ASSERT_TRUE(trace.ok());
  EXPECT_EQ(trace->events.back().reply, "ok there");
  EXPECT_EQ(trace->events.back().evidence.source, "ip1");
  EXPECT_EQ(trace->events.back().time, kNow + absl::Minutes(30));
}

// Whoever sent them there lost the connection behind the final dot, and was to hold such rows.
TEST_F(BackupTest, WhatFellInDoubtSinceIsHeldHereToo) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 40, 2);
  auto packs = ReadAll(campaign);
  std::vector<MessageKey> messages;
  for (const auto& pack : packs) {
    for (const Row& row : pack->rows()) messages.push_back({pack->lane(), row.id});
  }
  Settle({MakeOutcome(packs[0], 0, OutcomeKind::kDeferred, kNow, absl::InfiniteFuture())});  // before the backup
  Backup();
  packs.clear();
  Restore("one", "restored");

  const auto event = [](const MessageKey& message, OutcomeKind kind, std::string reason_class) {
    Event made = Delivered(message);
    made.kind = kind;
    made.reason_class = std::move(reason_class);
    return made;
  };
  const std::string in_doubt(kInDoubtClass);
  std::vector<Event> events;
  for (size_t i = 0; i < 10; ++i) events.push_back(event(messages[i], OutcomeKind::kDeferred, in_doubt));
  events.push_back(event(messages[8], OutcomeKind::kDelivered, ""));        // an operator knew
  events.push_back(event(messages[9], OutcomeKind::kDeferred, "mailbox"));  // ... released it, and it was tried again
  const auto counted = store_->SettleElsewhere(events, true);
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_EQ(counted->held_of.at(campaign), 7u);
  EXPECT_EQ(CountersOf(campaign).in_doubt, 1u) << "a dry run changed something";
  const auto settled = store_->SettleElsewhere(events, false);
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->held_of.at(campaign), 7u);
  EXPECT_EQ(settled->settled, 1u);
  EXPECT_EQ(CountersOf(campaign).in_doubt, 8u);
  EXPECT_EQ(CountersOf(campaign).queued(), 39u);
  EXPECT_TRUE(store_->SettleElsewhere(events, false)->held_of.empty()) << "the same file again held something";
  EXPECT_EQ(CountersOf(campaign).in_doubt, 8u);
  ASSERT_TRUE(store_->Release().ok());
  Reopen();
  const auto left = RowIds(ReadAll(campaign, kNow + absl::Hours(30)));
  EXPECT_EQ(left.size(), 31u);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(std::ranges::count(left, static_cast<uint32_t>(messages[i].row)), 0) << i << " would be sent twice";
  }
}

TEST_F(BackupTest, TheNewestEventOfARowCountsInWhateverOrderTheyCome) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 10, 1);
  auto packs = ReadAll(campaign);
  std::vector<MessageKey> messages;
  for (const Row& row : packs[0]->rows()) messages.push_back({packs[0]->lane(), row.id});
  Backup();
  packs.clear();
  Restore("one", "restored");
  const auto event = [&](size_t row, uint64_t nth, OutcomeKind kind, std::string_view reason_class) {
    Event made = Delivered(messages[row]);
    made.cursor = EventCursor{store_->restored()->sequence + nth, 1}.ToString();
    made.kind = kind;
    made.reason_class = reason_class;
    return made;
  };
  const std::vector<Event> events = {
      event(0, 20, OutcomeKind::kDelivered, ""),           event(0, 9, OutcomeKind::kBounced, "mailbox"),
      event(1, 20, OutcomeKind::kDeferred, kInDoubtClass), event(1, 9, OutcomeKind::kDeferred, "greylisted"),
      event(2, 20, OutcomeKind::kDeferred, "greylisted"),  event(2, 9, OutcomeKind::kDeferred, kInDoubtClass)};
  const auto settled = store_->SettleElsewhere(events, false);
  ASSERT_TRUE(settled.ok()) << settled.status();
  const Counters counters = CountersOf(campaign);
  EXPECT_EQ(counters.delivered, 1u);
  EXPECT_EQ(counters.bounced, 0u) << "it was replayed, and delivered";
  EXPECT_EQ(counters.in_doubt, 1u);
  const auto trace = store_->TraceMessage(messages[1]);
  ASSERT_TRUE(trace.ok() && trace->row.has_value());
  EXPECT_TRUE(trace->row->in_doubt()) << "it was deferred before that";
  EXPECT_EQ(store_->SettleElsewhere(std::span(events).subspan(1, 1), false)->settled, 0u) << "delivered it stays";
}

TEST_F(BackupTest, TheNewestEventOfARowCountsInWhateverCallItComes) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 10, 1);
  std::vector<MessageKey> messages;
  {
    const auto pack = ReadAll(campaign).at(0);
    for (const Row& row : pack->rows()) messages.push_back({pack->lane(), row.id});
    Settle({MakeOutcome(pack, 4, OutcomeKind::kDelivered), MakeOutcome(pack, 5, OutcomeKind::kExpired)});
  }
  Backup();
  Restore("one", "restored");
  const auto settle = [&](size_t row, int minutes, OutcomeKind kind, std::string_view reason_class = "mailbox") {
    Event event = Delivered(messages[row]);
    event.recipient = fmt::format("patient{}@d0.test", row + 1);
    event.time = kNow + absl::Minutes(minutes);
    event.cursor = EventCursor{store_->restored()->sequence + static_cast<uint64_t>(minutes), 1}.ToString();
    event.kind = kind;
    event.reason_class = reason_class;
    const auto settled = store_->SettleElsewhere({{event}}, false);
    EXPECT_TRUE(settled.ok()) << settled.status();
  };
  const auto last_of = [&](size_t row) { return store_->TraceMessage(messages[row])->events.back().kind; };
  // Replayed since it bounced, and held.
  settle(0, 20, OutcomeKind::kDeferred, kInDoubtClass);
  settle(0, 10, OutcomeKind::kBounced);
  EXPECT_TRUE(store_->TraceMessage(messages[0])->row->in_doubt());
  settle(1, 10, OutcomeKind::kBounced);
  settle(1, 20, OutcomeKind::kDeferred, kInDoubtClass);
  EXPECT_EQ(store_->ListParked(campaign, RowId{}, 1)->rows.at(0).reason_class, kInDoubtClass) << "no replay takes it";
  // Delivered, and reported to have come to nobody.
  settle(2, 10, OutcomeKind::kDelivered);
  settle(2, 20, OutcomeKind::kBounced);
  settle(3, 20, OutcomeKind::kBounced);
  settle(3, 10, OutcomeKind::kDelivered);
  settle(4, 20, OutcomeKind::kBounced);
  settle(5, 20, OutcomeKind::kBounced);
  settle(5, 10, OutcomeKind::kDelivered);
  for (const size_t row : {2, 3, 4, 5}) EXPECT_EQ(last_of(row), OutcomeKind::kBounced) << row;
  const Counters counters = CountersOf(campaign);
  EXPECT_EQ(counters.in_doubt, 1u);
  EXPECT_EQ(counters.bounced, 5u);
  EXPECT_EQ(counters.delivered, 0u);
  EXPECT_EQ(counters.expired, 0u);
  EXPECT_EQ(counters.queued(), 5u);
  settle(2, 20, OutcomeKind::kBounced);
  settle(0, 20, OutcomeKind::kDeferred, kInDoubtClass);
  EXPECT_EQ(CountersOf(campaign), counters) << "the same again";
  settle(0, 30, OutcomeKind::kDelivered);
  EXPECT_EQ(CountersOf(campaign).delivered, 1u) << "an operator knew";
  Reopen();
}

// A row that bounced, was replayed, and waits: its bounce is in the backup, and it has not been sent since.
TEST_F(BackupTest, WhatIsInTheBackupSettlesNothingThatWasReplayedSince) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 20, 1);
  auto packs = ReadAll(campaign);
  for (const auto& pack : packs) Settle(AllOf(pack, OutcomeKind::kBounced));
  const auto events = store_->ReadEvents("", 100, {});
  ASSERT_TRUE(events.ok() && events->events.size() == 20) << events.status();
  packs.clear();
  ASSERT_EQ(ReplayAll(campaign), 20u);
  Backup();
  Restore("one", "restored");
  const auto settled = store_->SettleElsewhere(events->events, false);
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->settled, 0u);
  EXPECT_EQ(settled->known, 20u);
  EXPECT_EQ(CountersOf(campaign).queued(), 20u) << "accepted rows that nobody has sent";
}

// A row that had bounced in the backup was replayed there since, and delivered: a replay here would send it twice.
TEST_F(BackupTest, WhatBouncedHereAndWasDeliveredThereSinceIsDelivered) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 20, 1);
  std::vector<Event> events;
  auto packs = ReadAll(campaign);
  const std::string recipient(packs.front()->rows().front().recipient);
  for (const auto& pack : packs) {
    for (const Row& row : pack->rows()) {
      if (events.size() < 8) events.push_back(Delivered({pack->lane(), row.id}));
    }
    Settle(AllOf(pack, OutcomeKind::kBounced));
  }
  packs.clear();
  Backup();
  Restore("one", "restored");
  const auto counted = store_->SettleElsewhere(events, true);
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_EQ(counted->settled, 8u);
  EXPECT_EQ(CountersOf(campaign).bounced, 20u);
  const auto settled = store_->SettleElsewhere(events, false);
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->settled, 8u);
  EXPECT_EQ(settled->known, 0u);
  EXPECT_EQ(CountersOf(campaign).delivered, 8u);
  EXPECT_EQ(CountersOf(campaign).bounced, 12u);
  EXPECT_EQ(CountersOf(campaign).queued(), 0u);
  EXPECT_EQ(store_->SettleElsewhere(events, false)->settled, 0u) << "the same file again settled something";
  std::promise<absl::StatusOr<std::vector<absl::Time>>> received;
  store_->ReadReceived("newsletter", recipient, kNow, 10, [&](auto times) { received.set_value(std::move(times)); });
  EXPECT_THAT(*received.get_future().get(), testing::SizeIs(1)) << "it counts where recipients have a cap";
  ASSERT_TRUE(store_->Release().ok());
  EXPECT_EQ(ReplayAll(campaign), 12u) << "who has it gets it no more";
}

// A row that had bounced in the backup was replayed there since, and fell in doubt.
TEST_F(BackupTest, WhatBouncedHereAndFellInDoubtThereSinceIsNotReplayed) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 20, 1);
  std::vector<Event> events;
  auto packs = ReadAll(campaign);
  for (const auto& pack : packs) {
    for (const Row& row : pack->rows()) {
      if (events.size() == 8) break;
      events.push_back(Delivered({pack->lane(), row.id}));
      events.back().kind = events.size() % 2 == 0 ? OutcomeKind::kDeferred : OutcomeKind::kExpired;
      events.back().reason_class = kInDoubtClass;
    }
    Settle(AllOf(pack, OutcomeKind::kBounced));
  }
  packs.clear();
  Backup();
  Restore("one", "restored");
  const auto settled = store_->SettleElsewhere(events, false);
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->settled, 8u);
  EXPECT_TRUE(settled->held_of.empty()) << "none is queued";
  EXPECT_EQ(CountersOf(campaign).bounced, 20u);
  EXPECT_EQ(store_->SettleElsewhere(events, false)->settled, 0u) << "the same file again settled something";
  ASSERT_TRUE(store_->Release().ok());
  const auto parked = store_->ListParked(campaign, RowId{}, 100);
  ASSERT_TRUE(parked.ok()) << parked.status();
  EXPECT_EQ(std::ranges::count(parked->rows, std::string(kInDoubtClass), &ParkedRow::reason_class), 8);
}

// The same of what was cancelled here, whether it is parked or where it stood in the schedule.
TEST_F(BackupTest, WhatWasCancelledHereAndWasDeliveredThereSinceIsDelivered) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 3000, 1);
  std::vector<Event> events;
  {
    const auto packs = ReadAll(campaign);
    for (const auto& pack : {packs.front(), packs.back()}) {
      for (const Row& row : pack->rows()) events.push_back(Delivered({pack->lane(), row.id}));
    }
  }
  ASSERT_TRUE(store_->Cancel(campaign, false, kNow).ok());
  const auto parked = store_->ParkCancelled(campaign, "");
  ASSERT_TRUE(parked.ok() && !parked->done) << parked.status();
  Backup();
  Restore("one", "restored");
  EXPECT_EQ(store_->SettleElsewhere(events, true)->settled, events.size());
  const auto settled = store_->SettleElsewhere(events, false);
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->settled, events.size());
  EXPECT_EQ(CountersOf(campaign).delivered, events.size());
  EXPECT_EQ(CountersOf(campaign).cancelled, 3000 - events.size());
  ASSERT_TRUE(store_->Release().ok());
  std::string after;
  for (bool done = false; !done;) {
    const auto more = store_->ParkCancelled(campaign, after);
    ASSERT_TRUE(more.ok()) << more.status();
    after = more->after;
    done = more->done;
  }
  ASSERT_TRUE(store_->Reopen(campaign, kNow, kNow).ok());
  EXPECT_EQ(ReplayAll(campaign), 3000 - events.size()) << "who has it gets it no more";
}

// Loaded and delivered there since: here is nothing of it but that a recipient with a cap has had it.
TEST_F(BackupTest, WhatOthersThanTheBackupsCampaignsDeliveredCountsWhereRecipientsHaveACap) {
  Open();
  LoadRows(Create(), 1, 20);
  Backup();
  Restore("one", "restored");
  Event named = Delivered({{CampaignId{12345}, DestinationId{1}}, RowId{1}});
  named.evidence.stream = "newsletter";
  named.recipient = "ann@d1.test";
  Event masked = named;
  masked.recipient.clear();
  masked.message.row = RowId{2};
  const auto times = [&] {
    std::promise<absl::StatusOr<std::vector<absl::Time>>> received;
    store_->ReadReceived("newsletter", "ann@d1.test", kNow, 10, [&](auto found) { received.set_value(found); });
    return *received.get_future().get();
  };
  ASSERT_TRUE(store_->SettleElsewhere({{named, masked}}, /*dry_run=*/true).ok());
  EXPECT_THAT(times(), testing::IsEmpty()) << "a dry run has counted something";
  for (int again = 0; again < 2; ++again) {
    const auto settled = store_->SettleElsewhere({{named, masked}}, /*dry_run=*/false);
    ASSERT_TRUE(settled.ok()) << settled.status();
    EXPECT_EQ(settled->foreign, 2u);
    EXPECT_THAT(times(), testing::ElementsAre(named.time));
  }
}

// Whoever got mail of a campaign that was loaded since can be found by it: he may opt out of more, or complain.
TEST_F(BackupTest, WhatBecameOfCampaignsThatWereLoadedSinceIsKept) {
  Open();
  LoadRows(Create(), 1, 20);
  Backup();
  Restore("one", "restored");
  const MessageKey message{{CampaignId{12345}, store_->DestinationOf("d1.test")}, RowId{7}};
  Event named = Delivered(message);
  named.evidence.stream = "newsletter";
  named.recipient = "ann@d1.test";
  Event masked = Delivered({message.lane, RowId{8}});
  masked.recipient.clear();
  ASSERT_TRUE(store_->SettleElsewhere({{named}}, /*dry_run=*/false).ok());
  EXPECT_TRUE(store_->TraceMessage(message)->events.empty()) << "nothing stands for the campaign";
  CampaignSpec spec;
  spec.name = "late";
  spec.stream = "newsletter";
  const auto adopted = store_->AdoptCampaign(message.lane.campaign, spec, kNow);
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->state, CampaignState::kCancelled);
  EXPECT_FALSE(store_->AdoptCampaign(message.lane.campaign, spec, kNow).ok());
  for (int again = 0; again < 2; ++again) {
    const auto settled = store_->SettleElsewhere({{named, masked, named}}, /*dry_run=*/false);
    ASSERT_TRUE(settled.ok()) << settled.status();
    EXPECT_EQ(settled->foreign, 3u);
    EXPECT_EQ(settled->settled, 0u);
    EXPECT_EQ(settled->lacking, 0u);
  }
  Reopen();
  const auto trace = store_->TraceMessage(message);
  ASSERT_TRUE(trace.ok()) << trace.status();
  ASSERT_EQ(trace->events.size(), 1u) << "the same files again have added some";
  EXPECT_EQ(trace->events[0].recipient, "ann@d1.test");
  EXPECT_EQ(trace->events[0].time, named.time);
  EXPECT_THAT(*store_->FindMessagesTo(message.lane.campaign, "Ann@d1.test"), testing::ElementsAre(message));
  EXPECT_TRUE(store_->TraceMessage({message.lane, RowId{8}})->events.empty());
  const Counters counters = store_->GetCampaign(message.lane.campaign)->counters;
  EXPECT_EQ(counters.accepted + counters.delivered, 0u) << "it has no rows here";
}

TEST_F(BackupTest, CursorsThatTheOriginalGaveOutSinceAreOlderThanEveryEventToCome) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 100, 1);
  Backup();
  auto packs = ReadAll(campaign);
  for (size_t i = 0; i < 4; ++i) Settle(AllOf(packs[i], OutcomeKind::kDelivered));
  const std::string cursor = store_->ReadEvents("", 1000, {})->cursor;
  packs.clear();
  Restore("one", "restored");
  packs = ReadAll(campaign);
  Settle(AllOf(packs[0], OutcomeKind::kBounced));
  const auto page = store_->ReadEvents(cursor, 1000, {});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->events.size(), packs[0]->rows().size());
}

TEST_F(BackupTest, ABackupIsOpenedByItsOwnKeyAndTakesAnyNodesKey) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 10);
  Backup();
  store_.reset();
  const auto label = TryRestore("one", "elsewhere", 42);
  ASSERT_TRUE(label.ok()) << label.status();
  EXPECT_EQ(label->hostname, "mta1.sender.test");
  path_ = root_ + "/elsewhere/queue";
  EXPECT_EQ(TryOpen().status().code(), absl::StatusCode::kFailedPrecondition);
  auto store = TryOpen(42);
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  EXPECT_EQ(RowIds(ReadAll(campaign)), Range(1, 10));

  const auto other = ReadBackupLabel(root_ + "/one", TestKek(kKekFill));
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(other.status().message()).find("[backup] key_file"), std::string::npos) << other.status();
}

TEST_F(BackupTest, AnythingChangedOrCutOffIsFound) {
  Open();
  LoadRows(Create(), 1, 30'000);
  Backup();
  const std::string whole = ReadFile(root_ + "/one");
  ASSERT_GT(whole.size(), 2u << 20) << "it should have several frames";
  const auto verify = [&](const std::string& bytes) {
    std::ofstream(root_ + "/changed", std::ios::binary | std::ios::trunc) << bytes;
    const auto check = VerifyBackup(root_ + "/changed", key_, root_ + "/scratch");
    EXPECT_FALSE(std::filesystem::exists(root_ + "/scratch"));
    return check.status();
  };
  const auto check = VerifyBackup(root_ + "/one", key_, root_ + "/scratch");
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_EQ(check->campaigns, 1u);
  EXPECT_EQ(check->rows, 30'000u);
  for (const size_t place : {whole.size() / 2, whole.size() - 1, size_t{60}, size_t{20}, size_t{3}}) {
    std::string changed = whole;
    changed[place] = static_cast<char>(changed[place] ^ 1);
    EXPECT_FALSE(verify(changed).ok()) << "byte " << place;
    // In the head it might as well be another key.
    if (place >= 49) {
      EXPECT_EQ(verify(changed).code(), absl::StatusCode::kDataLoss) << "byte " << place;
    }
  }
  for (const size_t size : {0, 10, 40, 49, 51, 5000}) {
    EXPECT_EQ(verify(whole.substr(0, size)).code(), absl::StatusCode::kDataLoss) << size << " bytes";
  }
  EXPECT_EQ(VerifyBackup(root_ + "/one", TestKek(kKekFill), root_ + "/scratch").status().code(),
            absl::StatusCode::kFailedPrecondition);
  constexpr size_t kHead = 49, kFrame = 4 + (1 << 20) + 16;
  EXPECT_EQ(verify(whole.substr(0, whole.size() / 2)).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(verify(whole.substr(0, kHead + kFrame)).code(), absl::StatusCode::kDataLoss) << "a whole frame";
  EXPECT_EQ(verify(whole + "x").code(), absl::StatusCode::kDataLoss);
  std::string swapped = whole;
  swapped.replace(kHead, kFrame, whole, kHead + kFrame, kFrame);
  EXPECT_FALSE(verify(swapped).ok());
}

TEST_F(BackupTest, WhatAnUnfinishedBackupLeavesIsRemovedAtTheNextStartAndByAnErasure) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 10);
  // RocksDB makes a checkpoint under the second name, which has hard links of the files with the wrapped keys.
  const auto leave = [&] {
    for (const char* name : {"/checkpoint", "/checkpoint.tmp"}) {
      std::filesystem::create_directory(path_ + name);
      std::ofstream(path_ + name + "/000009.sst") << "a wrapped key";
    }
  };
  const auto expect_none = [&] {
    for (const char* name : {"/checkpoint", "/checkpoint.tmp"}) EXPECT_FALSE(std::filesystem::exists(path_ + name));
  };
  leave();
  Reopen();
  expect_none();
  leave();
  ASSERT_TRUE(store_->Cancel(campaign, true, kNow).ok());
  expect_none();
  leave();
  BackupRequest nowhere = Request();
  nowhere.path = root_ + "/no/such/place";
  EXPECT_FALSE(store_->Backup(nowhere).ok());
  expect_none();
}

TEST_F(BackupTest, WhatAKilledVerificationLeavesIsRemovedByTheNext) {
  Open();
  LoadRows(Create(), 1, 10);
  Backup();
  const std::string left = root_ + "/one.verifying";
  std::filesystem::create_directories(left + "/queue");
  std::ofstream(left + "/queue/000009.sst") << "half";
  const auto check = VerifyBackup(root_ + "/one", key_, root_ + "/one.verifying");
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_EQ(check->rows, 10u);
  EXPECT_FALSE(std::filesystem::exists(left));
  // What somebody names may be his.
  std::filesystem::create_directory(root_ + "/mine");
  EXPECT_EQ(VerifyBackup(root_ + "/one", key_, root_ + "/mine").status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(root_ + "/mine"));
}

TEST_F(BackupTest, OneBackupIsVerifiedOnceAtATime) {
  Open();
  LoadRows(Create(), 1, 10);
  Backup();
  const int other = ::open((root_ + "/one").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  EXPECT_EQ(VerifyBackup(root_ + "/one", key_, root_ + "/one.verifying").status().code(),
            absl::StatusCode::kAlreadyExists);
  ::close(other);
  EXPECT_TRUE(VerifyBackup(root_ + "/one", key_, root_ + "/one.verifying").ok());
}

TEST_F(BackupTest, AFileThatIsGoneIsDamageFromThenOn) {
  for (const char* ending : {".sst", ""}) {
    SCOPED_TRACE(ending);
    path_ = root_ + "/queue" + ending;
    Open();
    LoadRows(Create(), 1, 100);
    Reopen();
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      const std::string name = entry.path().filename();
      if (*ending != 0 ? name.ends_with(ending) : name.starts_with("MANIFEST")) std::filesystem::remove(entry.path());
    }
    const absl::Status refused = store_->Backup(Request()).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
    EXPECT_NE(refused.message().find("sealift backup restore"), std::string::npos) << refused;
    EXPECT_EQ(store_->damage(), refused);
    store_.reset();
  }
}

TEST_F(BackupTest, NothingIsOverwrittenAndNothingIsLeftBehind) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 10);
  Backup();
  EXPECT_EQ(store_->Backup(Request()).status().code(), absl::StatusCode::kAlreadyExists);
  BackupRequest nowhere = Request();
  nowhere.path = root_ + "/no/such/place";
  EXPECT_FALSE(store_->Backup(nowhere).ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + "/checkpoint"));
  struct stat about{};
  ASSERT_EQ(::stat((root_ + "/one").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  // The queue goes on, whatever became of a backup.
  ASSERT_TRUE(store_->failure().ok());
  LoadRows(campaign, 11, 20);

  std::filesystem::create_directory(root_ + "/full");
  std::ofstream(root_ + "/full/something") << "mine";
  const auto refused = TryRestore("one", "full");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(refused.status().message()).find("something"), std::string::npos) << refused.status();
  EXPECT_EQ(ReadFile(root_ + "/full/something"), "mine");
}

TEST_F(BackupTest, ARestoreThatACrashEndedIsNoQueueAndBeginsAnew) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 10);
  Backup();
  store_.reset();
  path_ = root_ + "/restored/queue";
  // A backup that cannot be read, whatever is wrong with it: there is no beginning with an empty queue in its place.
  std::filesystem::create_directory(root_ + "/restored");
  EXPECT_FALSE(TryRestore("nothing", "restored").ok());
  EXPECT_EQ(TryOpen().status().code(), absl::StatusCode::kFailedPrecondition);
  // As a crash leaves it: everything but the name.
  ASSERT_TRUE(TryRestore("one", "restored").ok());
  std::filesystem::rename(path_, path_ + ".restoring");
  const auto early = TryOpen();
  EXPECT_EQ(early.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(early.status().message()).find("backup restore"), std::string::npos) << early.status();
  // The daemon that was refused has made the file of its acts, or the crash came when it had its name already.
  std::ofstream(root_ + "/restored/audit") << "{}\n";
  const auto again = TryRestore("one", "restored");
  ASSERT_TRUE(again.ok()) << again.status();
  Open();
  EXPECT_EQ(RowIds(ReadAll(campaign)), Range(1, 10));
}

// The same backup restored twice, and the original that goes on: three queues that seal under the same data keys.
TEST_F(BackupTest, TwoRestoresAndTheOriginalShareNoKeyAndNonce) {
  Open();
  const CampaignId campaign = Create();
  LoadRows(campaign, 1, 64, 1);
  Backup();
  const auto incarnation = [&] {
    std::string bytes;
    const uint32_t number = store_->DescribeKeys().incarnation;
    store_.reset();
    auto database = Database::Open({.path = path_, .memory_bytes = 32 << 20});
    EXPECT_TRUE(database.ok()) << database.status();
    EXPECT_TRUE((**database)->Get({}, NumberedKey(kIncarnationPrefix, number), &bytes).ok());
    return std::pair(number, bytes);
  };
  // The original restarts, as the copies start: all of them draw the incarnation of the same number.
  Reopen();
  std::set<std::string> drawn;
  std::set<uint32_t> numbers;
  const auto original = incarnation();
  numbers.insert(original.first);
  drawn.insert(original.second);
  for (const char* into : {"first", "second"}) {
    ASSERT_TRUE(TryRestore("one", into).ok());
    path_ = root_ + "/" + into + "/queue";
    Open();
    const auto copy = incarnation();
    numbers.insert(copy.first);
    drawn.insert(copy.second);
  }
  EXPECT_EQ(numbers.size(), 1u) << "they should meet in number, or this shows nothing";
  EXPECT_EQ(drawn.size(), 3u) << "two of them seal under the same keys";
}

}  // namespace
}  // namespace sealift::queue
