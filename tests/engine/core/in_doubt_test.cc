// Streams that would rather hold a message than send it twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {
namespace {

using Answer = MailServer::Answer;
using Conversation = MailServer::Conversation;
using queue::OutcomeKind;
using ::testing::IsEmpty;
using ::testing::SizeIs;

MailServer::Script AtTheDot(std::string text, bool hang_up) {
  return [=](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said == ".") return Answer{text, hang_up};
    return std::nullopt;
  };
}

class InDoubtTest : public ShardWorld {
 protected:
  InDoubtTest() { options_.streams[0].in_doubt = InDoubt::kHold; }

  queue::Counters CountersAfterARestart(queue::CampaignId id) {
    ReopenStore();
    return CountersOf(id);
  }
};

TEST_F(InDoubtTest, AConnectionLostAfterTheFinalDotIsHeldAndNeverSentAgain) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = AtTheDot("", /*hang_up=*/true);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return CountersOf(id).in_doubt == 1; }));
  Stop();
  EXPECT_THAT(mx.contents, SizeIs(1));
  EXPECT_EQ(CountersOf(id).queued(), 1u);
  EXPECT_EQ(CountersOf(id).retrying, 0u);
  const std::vector<queue::Event> events = EventsOf(id);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, OutcomeKind::kDeferred);
  EXPECT_EQ(events[0].reason_class, queue::kInDoubtClass);
  EXPECT_EQ(events[0].attempt, 1);
  const std::vector<queue::StoredRow> rows = RowsOf(id);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_TRUE(rows[0].in_doubt());
}

TEST_F(InDoubtTest, AConnectionLostAfterTheFinalDotAtTheExpiryStaysInDoubt) {
  MailServer& mx = AddDomain("d1.test");
  std::atomic<bool> dot{false};
  mx.script = [&](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said != ".") return std::nullopt;
    dot = true;
    return Answer{"", false};
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return dot.load(); }));
  SetClock(absl::Hours(73));
  Stop(absl::ZeroDuration());
  EXPECT_EQ(CountersAfterARestart(id).expired, 1u);
  const std::vector<queue::Event> events = EventsOf(id);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, OutcomeKind::kExpired);
  EXPECT_EQ(events[0].reason_class, queue::kInDoubtClass) << "a replay would send it again";
}

TEST_F(InDoubtTest, AReplyLeavesNoDoubt) {
  AddDomain("d1.test").script = AtTheDot("451 4.3.0 later", false);
  AddDomain("d2.test").script = AtTheDot("554 5.6.0 malformed message", false);
  AddDomain("d3.test");
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test", "jane@d2.test", "jane@d3.test"});
  ASSERT_TRUE(Eventually([&] {
    const queue::Counters counters = CountersOf(id);
    return counters.delivered == 1 && counters.bounced == 1 && counters.retrying == 1;
  }));
  EXPECT_EQ(CountersAfterARestart(id).in_doubt, 0u);
}

TEST_F(InDoubtTest, AConnectionLostBeforeTheContentIsADeferral) {
  AddDomain("d1.test").script = [](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said == "DATA") return Answer{"", true};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  EXPECT_EQ(CountersOf(id).in_doubt, 0u);
  EXPECT_EQ(CountersOf(id).retrying, 1u);
}

TEST_F(InDoubtTest, TheStoreKnowsBeforeTheFinalDotIsSent) {
  // No reply to the dot: while the server waits, a copy of the store is what a crash would leave.
  MailServer& mx = AddDomain("d1.test");
  std::atomic<bool> dot{false};
  mx.script = [&](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said != ".") return std::nullopt;
    dot = true;
    return Answer{"", false};
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test", "june@d1.test"});
  ASSERT_TRUE(Eventually([&] { return dot.load(); }));
  const std::string copy = folder_.path() + "/copy";
  std::filesystem::copy(folder_.path() + "/queue", copy, std::filesystem::copy_options::recursive);
  std::filesystem::permissions(copy, std::filesystem::perms::owner_all);
  queue::Store::Options options{.path = copy};
  options.kek.fill(7);
  const absl::StatusOr<std::unique_ptr<queue::Store>> crashed = queue::Store::Open(std::move(options));
  ASSERT_TRUE(crashed.ok()) << crashed.status();
  EXPECT_EQ((*crashed)->GetCampaign(id)->counters.in_doubt, 1u);
  EXPECT_EQ((*crashed)->GetCampaign(id)->counters.queued(), 2u);
  // The session is cut. Its outcome is with the store, which commits it at the latest when it is closed.
  Stop(absl::ZeroDuration());
  const queue::Counters counters = CountersAfterARestart(id);
  EXPECT_EQ(counters.in_doubt, 1u);
  EXPECT_EQ(counters.retrying, 0u);
  EXPECT_EQ(counters.queued(), 2u);
}

TEST_F(InDoubtTest, WithoutAStoreNoFinalDotIsSent) {
  MailServer& mx = AddDomain("d1.test");
  mx.script = [this](const Conversation&, std::string_view said) -> std::optional<Answer> {
    if (said == "DATA") disk_->Arm(queue::FaultFileSystem::Fault::kSyncError, 1, /*syncs_only=*/true);
    return std::nullopt;
  };
  options_.smtp.data_timeout = absl::Milliseconds(300);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(Eventually([&] { return !store_->writable(); }));
  ASSERT_TRUE(Eventually([&] { return !mx.conversations.empty() && mx.conversations.back().ended; }));
  Stop(absl::ZeroDuration());
  EXPECT_THAT(mx.contents, IsEmpty());
  EXPECT_EQ(CountersOf(id).queued(), 1u);
}

TEST_F(InDoubtTest, OtherStreamsResend) {
  options_.streams[0].in_doubt = InDoubt::kResend;
  AddDomain("d1.test").script = AtTheDot("", /*hang_up=*/true);
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  EXPECT_EQ(CountersOf(id).in_doubt, 0u);
  EXPECT_EQ(CountersOf(id).retrying, 1u);
}

}  // namespace
}  // namespace sealift::engine
