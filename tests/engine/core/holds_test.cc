// What operators order of sources and providers, by whatever name those go.
#include "engine/holds.h"

#include <gmock/gmock.h>

#include "tests/queue/store_fixture.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;

class HoldsTest : public queue::StoreTest {
 protected:
  void SetUp() override {
    Open();
    options_.sources = {{.name = "ip1", .address = "127.0.0.1"}, {.name = "ip2", .address = "127.0.0.2"}};
    options_.providers = {{.name = "group", .mx = {"*.mx.group.test"}}};
    Begin();
  }
  void Begin() {
    holds_ = std::make_unique<Holds>(
        *store_, [this] { return std::make_shared<const Options>(options_); },
        [this](const std::shared_ptr<const HoldSet>& set) { published_.push_back(set); });
    ASSERT_TRUE(holds_->Open(absl::Now()).ok());
  }
  void Place(QueueFilter filter) {
    const absl::StatusOr<Hold> hold = holds_->Place({.kind = Hold::Kind::kSuspension, .filter = std::move(filter)},
                                                    {.reason = "blocked", .by = "ops"}, absl::Now());
    ASSERT_TRUE(hold.ok()) << hold.status();
  }
  // The sources that may not be used for mail to that provider.
  static std::vector<std::string> Barred(const HoldSet& set, const std::string& provider = "other") {
    const LaneFacts lane{{queue::CampaignId{1}, {}}, "spring", "news", "d1.test", &provider};
    std::vector<std::string> barred = set.PlacementOf(lane).barred;
    std::ranges::sort(barred);
    return barred;
  }

  Options options_;
  std::vector<std::shared_ptr<const HoldSet>> published_;
  std::unique_ptr<Holds> holds_;
};

// What lies within the filter is a question of rows, not of how they were named.
TEST_F(HoldsTest, AReleaseEndsWhatLiesWithinItHoweverItWasNamed) {
  const queue::CampaignId campaign = Create();
  const queue::MessageKey message{{campaign, store_->DestinationOf("d1.test")}, queue::RowId{1}};
  const auto releases = [&](QueueFilter released, QueueFilter held) {
    const absl::StatusOr<Hold> hold = holds_->Place({.kind = Hold::Kind::kHold, .filter = std::move(held)},
                                                    {.reason = "a", .by = "ops"}, absl::Now());
    EXPECT_TRUE(hold.ok()) << hold.status();
    const bool ended = holds_
                           ->End({.id = {}, .kinds = {Hold::Kind::kHold}, .filter = std::move(released)},
                                 {.reason = "a", .by = "ops"}, absl::Now(), /*dry_run=*/false)
                           .ok();
    if (!ended) {
      EXPECT_TRUE(holds_->End({.id = hold->Id()}, {.reason = "a", .by = "ops"}, absl::Now(), false).ok());
    }
    return ended;
  };
  EXPECT_TRUE(releases({.domain = "d1.test"}, {.recipient = "jane@D1.test"}));
  EXPECT_FALSE(releases({.domain = "d2.test"}, {.recipient = "jane@d1.test"}));
  EXPECT_FALSE(releases({.recipient = "jane@d1.test"}, {.domain = "d1.test"}));
  EXPECT_TRUE(releases({.stream = "newsletter"}, {.campaign = "spring"}));
  EXPECT_FALSE(releases({.stream = "statements"}, {.campaign = "spring"}));
  EXPECT_FALSE(releases({.stream = "newsletter"}, {.campaign = "unknown"}));
  EXPECT_TRUE(releases({.stream = "newsletter"}, {.id = store_->EncodeMessageId(message)}));
  EXPECT_TRUE(releases({.campaign = "spring"}, {.id = store_->EncodeMessageId(message)}));
}

TEST_F(HoldsTest, ASuspensionFollowsItsSourcesAddressOverAReload) {
  Place({.source = "ip1"});
  Options after = options_;
  after.sources[0].name = "mta1";
  published_.clear();
  ASSERT_TRUE(holds_->FollowNames(after, absl::Now(), Holds::Since::kReload).ok());
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_THAT(Barred(*published_[0]), ElementsAre("ip1", "mta1")) << "shards still know it by the old name";
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force()), ElementsAre("mta1"));
  options_ = after;
  const std::vector<Hold> holds = holds_->List(false);
  ASSERT_EQ(holds.size(), 1u);
  EXPECT_EQ(holds[0].filter.source, "mta1");
  EXPECT_EQ(holds[0].history.back().reason, "the source 'ip1' is called 'mta1' now");
  // And over a restart, during which it was renamed once more.
  options_.sources[0].name = "third";
  Begin();
  ASSERT_TRUE(holds_->FollowNames(options_, absl::Now(), Holds::Since::kStart).ok());
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force()), ElementsAre("third"));
  published_.clear();
  ASSERT_TRUE(holds_->FollowNames(options_, absl::Now(), Holds::Since::kReload).ok());
  holds_->Followed();
  EXPECT_TRUE(published_.empty()) << "nothing was renamed";
}

TEST_F(HoldsTest, ANameThatAnotherAddressGetsTakesNoOrderAlong) {
  Place({.source = "ip1"});
  Options after = options_;
  std::swap(after.sources[0].name, after.sources[1].name);
  ASSERT_TRUE(holds_->FollowNames(after, absl::Now(), Holds::Since::kReload).ok());
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force()), ElementsAre("ip2")) << "as the suspended address is called now";
}

TEST_F(HoldsTest, ASuspensionForAProviderFollowsItsName) {
  Place({.provider = "group", .source = "ip2"});
  Options after = options_;
  after.providers[0].name = "club";
  ASSERT_TRUE(holds_->FollowNames(after, absl::Now(), Holds::Since::kReload).ok());
  EXPECT_THAT(Barred(*holds_->in_force(), "group"), ElementsAre("ip2"));
  EXPECT_THAT(Barred(*holds_->in_force(), "club"), ElementsAre("ip2"));
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force(), "club"), ElementsAre("ip2"));
  EXPECT_THAT(Barred(*holds_->in_force(), "group"), ElementsAre());
  // And over a restart, in which it was renamed once more and another has its name.
  options_.providers = {{.name = "group", .mx = {"*.elsewhere.test"}}, {.name = "third", .mx = {"*.mx.group.test"}}};
  Begin();
  ASSERT_TRUE(holds_->FollowNames(options_, absl::Now(), Holds::Since::kStart).ok());
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force(), "third"), ElementsAre("ip2"));
  EXPECT_THAT(Barred(*holds_->in_force(), "group"), ElementsAre());
}

TEST_F(HoldsTest, AProviderWhoseHostsChangeIsTheSameOne) {
  Place({.provider = "group", .source = "ip2"});
  Options after = options_;
  after.providers[0].mx = {"*.mx.group.test", "*.more.test"};
  ASSERT_TRUE(holds_->FollowNames(after, absl::Now(), Holds::Since::kReload).ok());
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force(), "group"), ElementsAre("ip2"));
  after.providers = {{.name = "left", .mx = {"*.mx.group.test", "*.elsewhere.test"}}};
  ASSERT_TRUE(holds_->FollowNames(after, absl::Now(), Holds::Since::kReload).ok());
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force(), "left"), ElementsAre("ip2")) << "it has some of the hosts";
}

TEST_F(HoldsTest, AProviderIsNotTakenAwayFromAnOrderThatIsInForce) {
  Place({.provider = "group", .source = "ip2"});
  Options after = options_;
  after.providers.clear();
  const absl::Status refused = holds_->FollowNames(after, absl::Now(), Holds::Since::kReload);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), testing::HasSubstr("h1 is in force for the provider 'group'"));
  EXPECT_THAT(Barred(*holds_->in_force(), "group"), ElementsAre("ip2"));
  EXPECT_TRUE(holds_->FollowNames(after, absl::Now(), Holds::Since::kStart).ok()) << "the log says so, and mail leaves";
}

}  // namespace
}  // namespace sealift::engine
