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

TEST_F(HoldsTest, ASuspensionFollowsItsSourcesAddressOverAReload) {
  Place({.source = "ip1"});
  Options after = options_;
  after.sources[0].name = "mta1";
  published_.clear();
  ASSERT_TRUE(holds_->FollowNames(&options_, after, absl::Now()).ok());
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
  ASSERT_TRUE(holds_->FollowNames(nullptr, options_, absl::Now()).ok());
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force()), ElementsAre("third"));
  published_.clear();
  ASSERT_TRUE(holds_->FollowNames(&options_, options_, absl::Now()).ok());
  holds_->Followed();
  EXPECT_TRUE(published_.empty()) << "nothing was renamed";
}

TEST_F(HoldsTest, ANameThatAnotherAddressGetsTakesNoOrderAlong) {
  Place({.source = "ip1"});
  Options after = options_;
  std::swap(after.sources[0].name, after.sources[1].name);
  ASSERT_TRUE(holds_->FollowNames(&options_, after, absl::Now()).ok());
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force()), ElementsAre("ip2")) << "as the suspended address is called now";
}

TEST_F(HoldsTest, ASuspensionForAProviderFollowsItsName) {
  Place({.provider = "group", .source = "ip2"});
  Options after = options_;
  after.providers[0].name = "club";
  ASSERT_TRUE(holds_->FollowNames(&options_, after, absl::Now()).ok());
  EXPECT_THAT(Barred(*holds_->in_force(), "group"), ElementsAre("ip2"));
  EXPECT_THAT(Barred(*holds_->in_force(), "club"), ElementsAre("ip2"));
  holds_->Followed();
  EXPECT_THAT(Barred(*holds_->in_force(), "club"), ElementsAre("ip2"));
  EXPECT_THAT(Barred(*holds_->in_force(), "group"), ElementsAre());
}

}  // namespace
}  // namespace sealift::engine
