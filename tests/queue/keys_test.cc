#include "queue/keys.h"

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

const LaneId kLane = {CampaignId{7}, DestinationId{0xff00ff00ff00ff00}};

TEST(KeysTest, RowsKeysSortAsTheScheduleDoes) {
  const std::vector<RowsKey> ordered = {
      {{CampaignId{7}, DestinationId{1}}, 0, 5},   {{CampaignId{7}, DestinationId{1}}, 0, 300},
      {{CampaignId{7}, DestinationId{1}}, 1, 0},   {{CampaignId{7}, DestinationId{1}}, 1'800'000'000'000, 9},
      {{CampaignId{7}, DestinationId{256}}, 0, 1}, {{CampaignId{0xffffffff}, DestinationId{0}}, 0, 0},
  };
  for (size_t i = 0; i + 1 < ordered.size(); ++i) EXPECT_LT(ordered[i].Encode(), ordered[i + 1].Encode()) << i;
  for (const RowsKey& key : ordered) EXPECT_EQ(RowsKey::Decode(key.Encode()), key);
  EXPECT_EQ(RowsKey::Decode("short"), std::nullopt);
}

TEST(KeysTest, APrefixEndsBehindAllItsKeysAndBeforeTheNext) {
  const std::string prefix = LaneKey(kLane);
  EXPECT_LT((RowsKey{kLane, ~uint64_t{0}, ~uint64_t{0}}.Encode()), PrefixEnd(prefix));
  const LaneId next = {CampaignId{7}, DestinationId{0xff00ff00ff00ff01}};
  EXPECT_LE(PrefixEnd(prefix), LaneKey(next));
  EXPECT_LT(CampaignKey(CampaignId{0xffffffff}, CampaignPart::kTally),
            PrefixEnd(CampaignPrefix(CampaignId{0xffffffff})));
}

TEST(KeysTest, PlacesOfCommitsDoNotMeet) {
  EXPECT_LT(PlaceOf(1, 1'000'000), PlaceOf(2, 0));
  EXPECT_NE(PlaceOf(1, 1), PlaceOf(2, 1));
}

}  // namespace
}  // namespace sealift::queue
