// Rows expire in time, whatever keeps them from being sent.
#include "engine/expiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using Answer = MailServer::Answer;
using Conversation = MailServer::Conversation;
using queue::OutcomeKind;
using ::testing::Each;
using ::testing::Field;
using ::testing::SizeIs;

constexpr absl::Duration kLife = absl::Hours(72);  // of the fixture's campaigns

class ExpiryTest : public ShardWorld {
 protected:
  ExpiryTest()
      : expiry_(*store_, [this](const queue::Campaign& campaign, uint64_t rows) {
          expired_ += rows;
          const auto active = active_.find(campaign.id);
          if (active != active_.end() && active->second->sending) {
            OnShard([&](Scheduler& scheduler) { scheduler.Reread(active->second); });
          }
        }) {}

  // Nothing of the campaign is left on disk or in memory, and each row's last event says why.
  void ExpectExpired(queue::CampaignId id, uint64_t rows) {
    EXPECT_EQ(expired_, rows);
    const queue::Counters counters = CountersOf(id);
    EXPECT_EQ(counters.expired, rows);
    EXPECT_EQ(counters.queued(), 0u);
    EXPECT_TRUE(Eventually([&] { return scheduler().lanes().size() == 0; }))
        << "a shard still believes in rows that are gone";
  }

  Expiry expiry_;
  uint64_t expired_ = 0;
};

TEST_F(ExpiryTest, NothingExpiresBeforeItsTime) {
  Start();
  const queue::CampaignId id = Load("spring", Recipients(40, "d1.test"));
  expiry_.Look(absl::Now() + kLife - absl::Minutes(1));
  EXPECT_EQ(CountersOf(id).queued(), 40u);
}

TEST_F(ExpiryTest, ACampaignThatWasNeverStartedExpires) {
  Start();
  const queue::CampaignId id = Load("spring", Recipients(40, "d1.test"), {.key = "patient"});
  expiry_.Look(absl::Now() + kLife);
  ExpectExpired(id, 40);
  EXPECT_THAT(EventsOf(id), Each(Field(&queue::Event::kind, OutcomeKind::kExpired)));
  EXPECT_EQ(EventsOf(id).at(0).evidence.stream, "news");
}

TEST_F(ExpiryTest, DeferredRowsExpireLongBeforeTheyAreDue) {
  options_.streams[0].retry = {absl::Hours(1000)};
  AddDomain("d1.test").script = [](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said.starts_with("RCPT")) return Answer{"450 4.2.1 mailbox busy", false};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(5, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 5));
  expiry_.Look(absl::Now() + kLife);
  ExpectExpired(id, 5);
}

TEST_F(ExpiryTest, RowsOfADestinationThatNobodyReachesExpire) {
  AddDomain("d1.test");
  internet_->SetRefusing("mx.d1.test", true);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(300, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  expiry_.Look(absl::Now() + kLife);
  ExpectExpired(id, 300);
}

TEST_F(ExpiryTest, RowsOfADomainThatNeverResolvesExpire) {
  internet_->SetVerdict("d1.test", dns::Verdict::kServFail);
  Start();
  const queue::CampaignId id = Send("spring", Recipients(50, "d1.test"));
  ASSERT_TRUE(EventuallyTried(id, 1));
  expiry_.Look(absl::Now() + kLife);
  ExpectExpired(id, 50);
}

TEST_F(ExpiryTest, RowsExpireWhileSendingIsStopped) {
  AddDomain("d1.test");
  Start();
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(false); });
  const queue::CampaignId id = Send("spring", Recipients(200, "d1.test"));
  expiry_.Look(absl::Now() + kLife);
  ExpectExpired(id, 200);
}

TEST_F(ExpiryTest, APausedCampaignExpires) {
  AddDomain("d1.test");
  options_.sources[0].rate.rate = {.count = 1, .period = absl::Hours(1)};
  Start();
  const queue::CampaignId id = Send("spring", Recipients(20, "d1.test"));
  const auto stopped = Pause(id);
  ASSERT_TRUE(Eventually([&] { return stopped->load(); }));
  const uint64_t left = CountersOf(id).queued();
  expiry_.Look(absl::Now() + kLife);
  ExpectExpired(id, left);
}

TEST_F(ExpiryTest, ADeliveryUnderWayIsCountedAsTheDeliveryThatItWas) {
  std::atomic<bool> dot{false};
  AddDomain("d1.test").script = [&](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said == "DATA") dot = true;
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(1, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return dot.load(); }));
  expiry_.Look(absl::Now() + kLife);
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  const queue::Counters counters = CountersOf(id);
  EXPECT_EQ(counters.expired, 0u);
  EXPECT_EQ(counters.queued(), 0u);
}

TEST_F(ExpiryTest, NothingExpiresOnARestoredNodeBeforeItIsReleased) {
  const queue::CampaignId id = Load("spring", Recipients(5, "d1.test"));
  const std::array<uint8_t, 32> key{1};
  const std::string file = folder_.path() + "/backup";
  ASSERT_TRUE(store_->Backup({.path = file, .key = key, .label = {.taken = absl::Now()}}).ok());
  queue::Store::Options options{.path = folder_.path() + "/restored/queue"};
  options.kek.fill(7);
  const auto label = queue::RestoreBackup(
      {.path = file, .key = key, .data_dir = folder_.path() + "/restored", .kek = options.kek, .now = absl::Now()});
  ASSERT_TRUE(label.ok()) << label.status();
  const auto restored = queue::Store::Open(std::move(options));
  ASSERT_TRUE(restored.ok()) << restored.status();
  Expiry expiry(**restored, [](const queue::Campaign&, uint64_t) {});
  expiry.Look(absl::Now() + kLife);
  EXPECT_EQ((*restored)->GetCampaign(id)->counters.expired, 0u) << "they may have been sent since the backup";
  ASSERT_TRUE((*restored)->Release().ok());
  expiry.Look(absl::Now() + kLife);
  EXPECT_EQ((*restored)->GetCampaign(id)->counters.expired, 5u);
}

TEST_F(ExpiryTest, ARowThatExpiresWhileAResetIsAwaitedIsNotSent) {
  Signal expired;
  MailServer& mx = AddDomain("d1.test");
  mx.offers = {"SIZE 1000000"};
  // The first is refused, so that a RSET stands before the next MAIL.
  mx.script = [&](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said.find("<a1@") != std::string_view::npos) return Answer{"450 4.2.1 later"};
    if (said == "RSET") return Answer{.text = "250 2.0.0 ok", .after = &expired};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", Recipients(2, "d1.test"));
  ASSERT_TRUE(Eventually([&] { return expired.waiting() == 1; }));
  SetClock(kLife);
  OnShard([&](Scheduler&) { expired.NotifyAll(); });
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).expired + CountersOf(id).delivered > 0; }));
  Stop();
  EXPECT_EQ(CountersOf(id).delivered, 0u);
  ASSERT_THAT(mx.conversations, SizeIs(1));
  EXPECT_THAT(mx.conversations[0].clear, testing::Not(testing::HasSubstr("a2@d1.test")));
}

// A campaign that was looked through rests, for as long as that took and not until a time of the clock.
TEST_F(ExpiryTest, ALookByAClockThatRanAheadPutsOffNone) {
  Start();
  const queue::CampaignId id = Load("spring", Recipients(10, "d1.test"));
  expiry_.Look(absl::Now() + 2 * kLife);
  EXPECT_EQ(CountersOf(id).expired, 10u);
  LoadMore(id, 11, Recipients(10, "d2.test"), {}, absl::Now() - kLife);
  for (const absl::Time began = absl::Now(); CountersOf(id).expired < 20 && absl::Now() < began + absl::Seconds(30);) {
    expiry_.Look(absl::Now());
  }
  EXPECT_EQ(CountersOf(id).expired, 20u);
}

TEST_F(ExpiryTest, RowsLoadedLaterStayAndAreSent) {
  AddDomain("d1.test");
  Start();
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(false); });
  const queue::CampaignId old = Send("spring", Recipients(30, "d1.test"), {.accepted = absl::Now() - kLife});
  const queue::CampaignId young = Send("summer", Recipients(30, "d1.test"));
  expiry_.Look(absl::Now());
  EXPECT_EQ(CountersOf(old).expired, 30u);
  EXPECT_EQ(CountersOf(young).queued(), 30u);
  OnShard([](Scheduler& scheduler) { scheduler.AllowSending(true); });
  EXPECT_TRUE(EventuallyDelivered(young, 30));
}

}  // namespace
}  // namespace sealift::engine
