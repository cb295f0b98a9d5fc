// What a recipient has received of a stream: written with the outcome, there after a kill, and nobody's name in it.
#include "queue/received.h"

#include <gmock/gmock.h>

#include "queue/keys.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReceivedTest : public StoreTest {
 protected:
  ReceivedTest() { Open(); }

  std::vector<absl::Time> Read(std::string stream, std::string recipient, absl::Time since = absl::UnixEpoch(),
                               size_t max = 10) {
    std::promise<absl::StatusOr<std::vector<absl::Time>>> promise;
    store_->ReadReceived(std::move(stream), std::move(recipient), since, max,
                         [&](absl::StatusOr<std::vector<absl::Time>> times) { promise.set_value(std::move(times)); });
    const absl::StatusOr<std::vector<absl::Time>> times = promise.get_future().get();
    EXPECT_TRUE(times.ok()) << times.status();
    return times.value_or(std::vector<absl::Time>());
  }

  // Settles the campaign's rows, a minute apart.
  void Deliver(CampaignId campaign, absl::Time first, bool counts = true) {
    const auto evidence = std::make_shared<Evidence>(Evidence{.stream = "newsletter"});
    std::vector<Outcome> outcomes;
    for (const std::shared_ptr<Pack>& pack : ReadAll(campaign)) {
      for (size_t i = 0; i < pack->rows().size(); ++i) {
        Outcome outcome;
        outcome.pack = pack;
        outcome.index = static_cast<uint8_t>(i);
        outcome.kind = OutcomeKind::kDelivered;
        outcome.time = first + absl::Minutes(outcomes.size());
        outcome.evidence = evidence;
        outcome.received = counts;
        outcomes.push_back(std::move(outcome));
      }
    }
    Settle(std::move(outcomes));
  }
};

TEST_F(ReceivedTest, IsKnownAfterARestartByStreamAndRecipient) {
  const CampaignId spring = Create();
  LoadRows(spring, 1, 2, /*domains=*/1);
  Deliver(spring, kNow);
  EXPECT_THAT(Read("newsletter", "patient1@d0.test"), ElementsAre(kNow));
  EXPECT_THAT(Read("newsletter", "Patient2@d0.test"), ElementsAre(kNow + absl::Minutes(1))) << "no case evades it";
  Reopen();
  EXPECT_THAT(Read("newsletter", "patient1@d0.test"), ElementsAre(kNow));
  EXPECT_THAT(Read("receipts", "patient1@d0.test"), IsEmpty()) << "of another stream";
  EXPECT_THAT(Read("newsletter", "patient3@d0.test"), IsEmpty());
}

TEST_F(ReceivedTest, TheNewestOfSeveralCampaignsAreToldOldestFirst) {
  for (int i = 0; i < 3; ++i) {
    const CampaignId campaign = Create("spring" + std::to_string(i));
    LoadRows(campaign, 1, 1, /*domains=*/1);
    Deliver(campaign, kNow + absl::Hours(i));
  }
  const absl::Time second = kNow + absl::Hours(1), third = kNow + absl::Hours(2);
  EXPECT_THAT(Read("newsletter", "patient1@d0.test"), ElementsAre(kNow, second, third));
  EXPECT_THAT(Read("newsletter", "patient1@d0.test", second), ElementsAre(second, third));
  EXPECT_THAT(Read("newsletter", "patient1@d0.test", kNow, 2), ElementsAre(second, third));
}

TEST_F(ReceivedTest, WhatDoesNotCountLeavesNothing) {
  const CampaignId spring = Create();
  LoadRows(spring, 1, 1, /*domains=*/1);
  Deliver(spring, kNow, /*counts=*/false);
  EXPECT_THAT(Read("newsletter", "patient1@d0.test"), IsEmpty());
}

TEST_F(ReceivedTest, TheKeyTellsWhenAndSortsByIt) {
  const AddressHash stream{1, 2, 3}, recipient{4, 5, 6};
  const auto key = [&](absl::Time when) { return ReceivedKey(stream, recipient, when, CampaignId{7}, RowId{8}); };
  EXPECT_EQ(ReceivedAt(key(kNow)), kNow);
  EXPECT_LT(key(kNow), key(kNow + absl::Milliseconds(1)));
  EXPECT_EQ(key(kNow).substr(0, kReceivedPrefixSize), ReceivedPrefix(stream, recipient));
  EXPECT_FALSE(ReceivedAt("short").has_value());
}

}  // namespace
}  // namespace sealift::queue
